"""A column of the multi-column deep neural network, the first to read MNIST about as well as people do.

Ciresan, Meier and Schmidhuber, «Multi-column deep neural networks for image classification», CVPR 2012.
"""

# No `from __future__ import annotations` here: options are checked by the annotations themselves.
from typing import TYPE_CHECKING, Annotated

from zoo.models.images import image_input
from zoo.models.options import Classes
from zoo.models.registry import register
from zoo.models.search_space import Choice, Range
from zoo.recipes import Recipe
from zoo.utils.constraints import between, non_negative

if TYPE_CHECKING:
    import keras

ADAM = Recipe(
    name="adam",
    summary="Adam on the softmax cross-entropy, in mini-batches; the paper has 800 epochs of an update an example",
    loss="sparse_categorical_crossentropy",
    optimizer="adam",
    learning_rate=1e-3,
    learning_rate_decay="linear",
    batch_size=64,
    epochs=15,
)


@register(
    recipes=(ADAM,),
    source="Ciresan, Meier and Schmidhuber 2012",
    search_space={"digit_width": Choice((None, 10, 12, 14, 16, 18, 20)), "distortion": Range(0.0, 1.0)},
)
def mcdnn_column(
    *,
    input_shape: tuple[int, ...] = (28, 28, 1),
    classes: Classes = 10,
    digit_width: Annotated[int, between(4, 29)] | None = None,
    distortion: Annotated[float, non_negative] = 0.0,
    resize: bool = False,
) -> "keras.Model":
    """A column of the multi-column net: 1x29x29-20C4-MP2-40C5-MP3-150N-10N, scaled tanh units.

    The paper averages 35 of them, which see the digits in seven widths; `zoo.ensembles` does so with any number.

    Args:
        input_shape: Shape of one image, its background 0. 28x28 are padded to 29x29.
        classes: Number of classes, and of output units.
        digit_width: The width in pixels that every digit is stretched or narrowed to; None leaves them. The paper
            has 10, 12, 14, 16, 18 and 20, and as they are.
        distortion: How strongly the training images are distorted, at random; 1 is usual; see
            `zoo.layers.Distortion`.
        resize: Whether images of another size are resized to 29x29.

    Returns:
        An uncompiled model: `(batch, *input_shape)` to `(batch, classes)`.

    Raises:
        InvalidValue: An option of the wrong type or out of range, or images of another size.
        UnknownName: An option that there is not.

    >>> mcdnn_column().count_params()
    76040
    """
    import keras
    from keras import layers

    from zoo.activations import scaled_tanh
    from zoo.layers import DigitWidth, Distortion

    inputs, outputs = image_input("mcdnn_column", input_shape, size=29, padded=(28,), resize=resize)
    if digit_width is not None:
        outputs = DigitWidth(digit_width, name="digit_width")(outputs)
    if distortion:
        outputs = Distortion(distortion, name="distortion")(outputs)
    for layer in (
        layers.Conv2D(20, 4, activation=scaled_tanh, name="conv_1"),
        layers.MaxPooling2D(2, name="pool_1"),
        layers.Conv2D(40, 5, activation=scaled_tanh, name="conv_2"),
        layers.MaxPooling2D(3, name="pool_2"),
        layers.Flatten(name="flatten"),
        layers.Dense(150, scaled_tanh, name="dense"),
        layers.Dense(classes, "softmax", name="output"),
    ):
        outputs = layer(outputs)
    return keras.Model(inputs, outputs, name="mcdnn_column")
