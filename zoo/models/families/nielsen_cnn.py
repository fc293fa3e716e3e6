"""The convolutional networks of Nielsen's book, from one convolution to two with dropout.

Nielsen, «Neural Networks and Deep Learning», 2015, chapter 6, and network3.py.
"""

# Without `from __future__ import annotations`, because the annotations check the options.
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from zoo.errors import InvalidValue
from zoo.models.images import check_image, image_input
from zoo.models.options import Classes, KeepProbability, Penalty
from zoo.models.registry import register
from zoo.models.search_space import Choice, Range
from zoo.recipes import Recipe

if TYPE_CHECKING:
    import keras

KERNEL, POOL = 5, 2

SIGMOID = Recipe(
    name="sigmoid",
    summary="SGD on the log-likelihood, two convolutions, sigmoid units: 99.06 %",
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
    summary="The same with one convolution: 98.78 %",
    options={"maps": (20,), "dense": (100,), "activation": "sigmoid"},
)
# network3.py divides its penalty by the number of batches, not of examples: 0.1 there is ten times 0.1 here.
RELU = replace(
    SIGMOID,
    name="relu",
    summary="The same with ReLU units and a weight penalty: 99.23 %, 99.37 % with shifted images",
    options={"maps": (20, 40), "dense": (100,), "activation": "relu"},
    learning_rate=0.03,
    weight_penalty=1.0,
)
DROPOUT = replace(
    SIGMOID,
    name="dropout",
    summary="Two dense layers of 1,000 ReLU units with dropout: 99.60 % with shifted images",
    options={"maps": (20, 40), "dense": (1000, 1000), "activation": "relu", "keep_probability": 0.5},
    learning_rate=0.03,
    epochs=40,
)


def _check(options: Mapping[str, Any]) -> None:
    check_image("nielsen_cnn", options["input_shape"], size=28, resize=options["resize"])
    side, maps = 28, options["maps"]
    for number in range(1, len(maps) + 1):
        side = (side - KERNEL + 1) // POOL
        if side < 1:
            raise InvalidValue(
                f"nielsen_cnn: maps must have at most {number - 1} values, one per convolution; got {maps}."
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
    check=_check,
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
    """A convolutional network of Nielsen's book: 5x5 convolutions, 2x2 max-pooling, dense layers, softmax.

    `datasets.transforms.with_shifted` returns the expanded training set of the two best networks.

    Args:
        input_shape: Shape of one image.
        classes: Number of classes.
        maps: Number of maps of each convolution.
        dense: Number of units of each dense layer.
        activation: Activation function of the hidden units.
        keep_probability: Probability of keeping an input of a dense layer; 1 means no dropout.
        l2: Factor of the sum of squared weights that is added to the loss, without biases.
        resize: Whether to resize images of another size to 28x28.

    Returns:
        An uncompiled model: `(batch, *input_shape)` to `(batch, classes)`.

    Raises:
        InvalidValue: An option has the wrong type or is out of range, the images have another size, or there are more
            convolutions than the image has pixels for.
        UnknownName: Unknown option.

    >>> nielsen_cnn().count_params()
    85670
    """
    import keras
    from keras import layers

    scaled, normal = keras.initializers.VarianceScaling, keras.initializers.RandomNormal

    def settings() -> dict[str, Any]:
        return {
            "activation": activation,
            "bias_initializer": normal(0.0, 1.0),
            "kernel_regularizer": keras.regularizers.L2(l2) if l2 else None,
        }

    def dropout(x: Any, number: int) -> Any:
        rate = round(1 - keep_probability, 12)
        return layers.Dropout(rate, name=f"dropout_{number}")(x) if rate else x

    inputs, hidden = image_input("nielsen_cnn", input_shape, size=28, resize=resize)
    for number, count in enumerate(maps, start=1):
        # The book counts the outputs after pooling, which determines the variance of its weights.
        initializer = scaled(float(POOL**2), "fan_out", "untruncated_normal")
        hidden = layers.Conv2D(count, KERNEL, kernel_initializer=initializer, name=f"conv_{number}", **settings())(
            hidden
        )
        hidden = layers.MaxPooling2D(POOL, name=f"pool_{number}")(hidden)
    hidden = layers.Flatten(name="flatten")(hidden)
    for number, units in enumerate(dense, start=1):
        hidden = dropout(hidden, number)
        initializer = scaled(1.0, "fan_out", "untruncated_normal")
        hidden = layers.Dense(units, kernel_initializer=initializer, name=f"dense_{number}", **settings())(hidden)
    hidden = dropout(hidden, len(dense) + 1)
    last = layers.Dense(
        classes,
        "softmax",
        kernel_initializer="zeros",
        kernel_regularizer=settings()["kernel_regularizer"],
        name="output",
    )
    return keras.Model(inputs, last(hidden), name="nielsen_cnn")
