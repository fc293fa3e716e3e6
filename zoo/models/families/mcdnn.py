"""A column of the multi-column deep neural network, the first with near-human accuracy on MNIST.

Ciresan, Meier and Schmidhuber, «Multi-column deep neural networks for image classification», CVPR 2012.
"""

# Without `from __future__ import annotations`, because the annotations check the options.
from typing import TYPE_CHECKING, Annotated

from zoo.models.images import check_image, image_input
from zoo.models.options import Classes
from zoo.models.registry import register
from zoo.models.search_space import Choice, Range
from zoo.recipes import Recipe
from zoo.utils.constraints import between, non_negative

if TYPE_CHECKING:
    import keras

ADAM = Recipe(
    name="adam",
    summary="Adam on the softmax cross-entropy; the paper trains for 800 epochs with one example per update",
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
    check=lambda options: check_image(
        "mcdnn_column", options["input_shape"], size=29, padded=(28,), resize=options["resize"]
    ),
)
def mcdnn_column(
    *,
    input_shape: tuple[int, ...] = (28, 28, 1),
    classes: Classes = 10,
    digit_width: Annotated[int, between(4, 29)] | None = None,
    distortion: Annotated[float, non_negative] = 0.0,
    resize: bool = False,
) -> "keras.Model":
    """A column of the multi-column network: 1x29x29-20C4-MP2-40C5-MP3-150N-10N, scaled tanh units.

    The paper averages 35 columns, trained on digits of seven widths. `zoo.ensembles` averages any number.

    Args:
        input_shape: Shape of one image with background 0. Images of 28x28 are padded to 29x29.
        classes: Number of classes.
        digit_width: Width in pixels to which every digit is scaled, or None to keep the widths. The paper uses 10, 12,
            14, 16, 18 and 20, and the original widths.
        distortion: Strength of the random distortion of training images; 1 is usual. See `zoo.layers.Distortion`.
        resize: Whether to resize images of another size to 29x29.

    Returns:
        An uncompiled model: `(batch, *input_shape)` to `(batch, classes)`.

    Raises:
        InvalidValue: An option has the wrong type or is out of range, or the images have another size.
        UnknownName: Unknown option.

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
