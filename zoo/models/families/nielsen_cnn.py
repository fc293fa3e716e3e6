"""The convolutional nets of Nielsen's book, from one layer of maps to two with dropout.

Nielsen, «Neural Networks and Deep Learning», 2015, chapter 6, and network3.py.
"""

# No `from __future__ import annotations` here: options are checked by the annotations themselves.
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from zoo.errors import InvalidValue
from zoo.models.images import image_input
from zoo.models.options import Classes, KeepProbability, Penalty
from zoo.models.registry import register
from zoo.models.search_space import Choice, Range
from zoo.recipes import Recipe

if TYPE_CHECKING:
    import keras

KERNEL, POOL = 5, 2

SIGMOID = Recipe(
    name="sigmoid",
    summary="SGD on the log-likelihood, two layers of maps, sigmoid units: 99.06 %",
    source="Nielsen 2015, chapter 6",
    options={"maps": (20, 40), "dense": (100,), "activation": "sigmoid"},
    loss="sparse_categorical_crossentropy",
    optimizer="sgd",
    learning_rate=0.1,
    batch_size=10,
    epochs=60,
)
ONE_LAYER = replace(
    SIGMOID,
    name="one_layer",
    summary="The same with one layer of maps: 98.78 %",
    options={"maps": (20,), "dense": (100,), "activation": "sigmoid"},
)
# network3.py divides its penalty by the number of mini-batches, not of examples: 0.1 there is ten times 0.1 here.
RELU = replace(
    SIGMOID,
    name="relu",
    summary="The same with ReLU units and a weight penalty: 99.23 %, and 99.37 % on shifted images besides",
    options={"maps": (20, 40), "dense": (100,), "activation": "relu"},
    learning_rate=0.03,
    weight_penalty=1.0,
)
DROPOUT = replace(
    SIGMOID,
    name="dropout",
    summary="Two dense layers of 1,000 ReLU units with dropout, for shifted images besides: 99.60 %",
    options={"maps": (20, 40), "dense": (1000, 1000), "activation": "relu", "keep_probability": 0.5},
    learning_rate=0.03,
    epochs=40,
)


@register(
    recipes=(RELU, SIGMOID, ONE_LAYER, DROPOUT),
    source="Nielsen 2015, chapter 6",
    search_space={
        "maps": Choice(((20,), (20, 40))),
        "dense": Choice(((100,), (100, 100), (1000,), (1000, 1000))),
        "activation": Choice(("relu", "tanh", "sigmoid")),
        "keep_probability": Range(0.5, 1.0),
    },
)
def nielsen_cnn(
    *,
    input_shape: tuple[int, ...] = (28, 28, 1),
    classes: Classes = 10,
    maps: tuple[int, ...] = (20, 40),
    dense: tuple[int, ...] = (100,),
    activation: Literal["sigmoid", "tanh", "relu"] = "relu",
    keep_probability: KeepProbability = 1.0,
    l2: Penalty = 0.0,
    resize: bool = False,
) -> "keras.Model":
    """A convolutional net of the book: convolutions of 5x5, max-pooling of 2x2, dense layers, softmax.

    `datasets.transforms.with_shifted` makes the expanded training set of the two best nets.

    Args:
        input_shape: Shape of one image.
        classes: Number of classes, and of output units.
        maps: Number of maps of each convolution.
        dense: Number of units of each dense layer.
        activation: Activation of the hidden units.
        keep_probability: Probability that an input of a dense layer is kept; 1 drops none.
        l2: Factor of the sum of squared weights that is added to the loss. Biases are left out.
        resize: Whether images of another size are resized to 28x28.

    Returns:
        An uncompiled model: `(batch, *input_shape)` to `(batch, classes)`.

    Raises:
        InvalidValue: An option of the wrong type or out of range, images of another size, or more convolutions
            than leave a pixel.
        UnknownName: An option that there is not.

    >>> nielsen_cnn().count_params()
    85670
    """
    import keras
    from keras import layers

    side = 28
    for number in range(1, len(maps) + 1):
        side = (side - KERNEL + 1) // POOL
        if side < 1:
            raise InvalidValue(f"nielsen_cnn has pixels for {number - 1} layers of maps at most; got maps={maps}.")
    scaled, normal = keras.initializers.VarianceScaling, keras.initializers.RandomNormal

    def common() -> dict[str, Any]:
        return {
            "activation": activation,
            "bias_initializer": normal(0.0, 1.0),
            "kernel_regularizer": keras.regularizers.L2(l2) if l2 else None,
        }

    def dropped(x: Any, number: int) -> Any:
        rate = round(1 - keep_probability, 12)
        return layers.Dropout(rate, name=f"dropout_{number}")(x) if rate else x

    inputs, hidden = image_input("nielsen_cnn", input_shape, size=28, resize=resize)
    for number, count in enumerate(maps, start=1):
        # The book counts as outputs those that are left after pooling, and so are its weights' variances.
        law = scaled(float(POOL**2), "fan_out", "untruncated_normal")
        hidden = layers.Conv2D(count, KERNEL, kernel_initializer=law, name=f"conv_{number}", **common())(hidden)
        hidden = layers.MaxPooling2D(POOL, name=f"pool_{number}")(hidden)
    hidden = layers.Flatten(name="flatten")(hidden)
    for number, units in enumerate(dense, start=1):
        hidden = dropped(hidden, number)
        law = scaled(1.0, "fan_out", "untruncated_normal")
        hidden = layers.Dense(units, kernel_initializer=law, name=f"dense_{number}", **common())(hidden)
    hidden = dropped(hidden, len(dense) + 1)
    last = layers.Dense(
        classes, "softmax", kernel_initializer="zeros", kernel_regularizer=common()["kernel_regularizer"], name="output"
    )
    return keras.Model(inputs, last(hidden), name="nielsen_cnn")
