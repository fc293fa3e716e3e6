"""LeNet-5, as published in 1998 and as it is built today.

LeCun, Bottou, Bengio and Haffner, «Gradient-based learning applied to document recognition», Proc. IEEE 86(11), 1998.
"""

# Without `from __future__ import annotations`, because the annotations check the options.
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from zoo.errors import InvalidValue
from zoo.models.digit_bitmaps import BITMAPS
from zoo.models.images import check_image, image_input
from zoo.models.options import Classes
from zoo.models.registry import register
from zoo.models.search_space import Choice, Range
from zoo.recipes import Recipe
from zoo.utils.constraints import non_negative

if TYPE_CHECKING:
    import keras

# Table I: the maps of S2 to which each map of C3 is connected.
C3_CONNECTIONS = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)),
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)),
    (0, 1, 2, 3, 4, 5),
)

PUBLISHED = Recipe(
    name="published",
    summary="Stochastic diagonal Levenberg-Marquardt on the MAP loss, one example per update",
    source="LeCun et al. 1998, section III and appendix C",
    options={"initial_weights": "root"},
    loss="maximum_a_posteriori",
    optimizer="levenberg_marquardt",
    learning_rate=5e-4,
    learning_rate_factors={3: 0.4, 6: 0.2, 9: 0.1, 13: 0.02},
    batch_size=1,
    epochs=20,
)

MINI_BATCHES = Recipe(
    name="adam",
    summary="Adam on the MAP loss",
    loss="maximum_a_posteriori",
    optimizer="adam",
    learning_rate=1e-3,
    learning_rate_decay="linear",
    batch_size=32,
    epochs=20,
)

MODERN = replace(
    MINI_BATCHES,
    name="modern",
    summary="Adam on the softmax cross-entropy",
    loss="sparse_categorical_crossentropy",
    learning_rate=2e-3,
    batch_size=64,
)


def _check_image(model: str, options: Mapping[str, Any]) -> None:
    check_image(model, options["input_shape"], size=32, padded=(28,), resize=options["resize"])


def _check_lenet5(options: Mapping[str, Any]) -> None:
    _check_image("lenet5", options)
    if (classes := options["classes"]) > len(BITMAPS):
        raise InvalidValue(f"lenet5: classes must be at most {len(BITMAPS)}, the number of bitmaps; got {classes}.")


@register(
    recipes=(PUBLISHED, MINI_BATCHES),
    source="LeCun et al. 1998",
    search_space={"subsampling": Choice(("sum", "max", "mean")), "distortion": Range(0.0, 1.0)},
    check=_check_lenet5,
)
def lenet5(
    *,
    input_shape: tuple[int, ...] = (28, 28, 1),
    classes: Classes = 10,
    subsampling: Literal["sum", "max", "mean"] = "sum",
    initial_weights: Literal["published", "root"] = "published",
    distortion: Annotated[float, non_negative] = 0.0,
    resize: bool = False,
) -> "keras.Model":
    """LeNet-5 as published: trainable subsampling, partial connections, RBF output units.

    It has 60,000 trainable parameters and 340,908 connections. Its outputs are scores, not probabilities: the negative
    squared distance of F6 to the bitmap of each class. The class with the highest score is predicted.

    Args:
        input_shape: Shape of one image with values in [0, 1] on background 0. Images of 28x28 are padded to 32x32.
        classes: Number of classes, at most 10, because there are ten bitmaps.
        subsampling: Method of S2 and S4: `"sum"` as in the paper, or `"max"` or `"mean"` as in the lecture. See
            `zoo.layers.Subsampling`.
        initial_weights: Interval of the uniform initial weights of a unit with F inputs: +-2.4 / F (`"published"`) or
            +-2.4 / sqrt(F) (`"root"`). With the former, activations almost vanish from layer to layer, and the steps of
            the paper's optimizer, which follow from the curvature, diverge.
        distortion: Strength of the random distortion of training images; 1 is usual. See `zoo.layers.Distortion`.
        resize: Whether to resize images of another size to 32x32.

    Returns:
        An uncompiled model: `(batch, *input_shape)` to `(batch, classes)`.

    Raises:
        InvalidValue: An option has the wrong type or is out of range, or the images have another size.
        UnknownName: Unknown option.

    >>> import zoo
    >>> int(zoo.layer_table(lenet5())["trainable"].sum())
    60000
    """
    import keras
    from keras import layers

    from zoo.activations import scaled_tanh
    from zoo.initializers import FanInUniform
    from zoo.layers import Distortion, PartialConv2D, RBFOutput, Subsampling

    def settings() -> dict[str, Any]:
        initializer = FanInUniform(2.4, 1.0 if initial_weights == "published" else 0.5)
        return {"activation": scaled_tanh, "kernel_initializer": initializer}

    def subsample(name: str) -> layers.Layer:
        return Subsampling(subsampling, activation=scaled_tanh if subsampling == "sum" else None, name=name)

    inputs, image = image_input("lenet5", input_shape, size=32, padded=(28,), resize=resize)
    if distortion:
        image = Distortion(distortion, name="distortion")(image)
    outputs = layers.Rescaling(1.275, offset=-0.1, name="rescale")(image)
    for layer in (
        layers.Conv2D(6, 5, name="C1", **settings()),
        subsample("S2"),
        PartialConv2D(C3_CONNECTIONS, 5, name="C3", **settings()),
        subsample("S4"),
        layers.Conv2D(120, 5, name="C5", **settings()),
        layers.Flatten(name="flatten"),
        layers.Dense(84, name="F6", **settings()),
        RBFOutput(BITMAPS[:classes], name="output"),
        layers.Rescaling(-1.0, name="scores"),
    ):
        outputs = layer(outputs)
    return keras.Model(inputs, outputs, name="lenet5")


@register(
    recipes=(MODERN,),
    source="LeCun et al. 1998, with ReLU, max-pooling and softmax",
    search_space={"distortion": Range(0.0, 1.0)},
    check=lambda options: _check_image("lenet5_relu", options),
)
def lenet5_relu(
    *,
    input_shape: tuple[int, ...] = (28, 28, 1),
    classes: Classes = 10,
    distortion: Annotated[float, non_negative] = 0.0,
    resize: bool = False,
) -> "keras.Model":
    """LeNet-5 as it is built today: ReLU units, max-pooling, full connections, softmax.

    Args:
        input_shape: Shape of one image. Images of 28x28 are padded to 32x32.
        classes: Number of classes.
        distortion: Strength of the random distortion of training images; 1 is usual. See `zoo.layers.Distortion`.
        resize: Whether to resize images of another size to 32x32.

    Returns:
        An uncompiled model: `(batch, *input_shape)` to `(batch, classes)`.

    Raises:
        InvalidValue: An option has the wrong type or is out of range, or the images have another size.
        UnknownName: Unknown option.

    >>> lenet5_relu().count_params()
    61706
    """
    import keras
    from keras import layers

    from zoo.layers import Distortion

    relu = {"activation": "relu", "kernel_initializer": "he_normal"}
    inputs, outputs = image_input("lenet5_relu", input_shape, size=32, padded=(28,), resize=resize)
    if distortion:
        outputs = Distortion(distortion, name="distortion")(outputs)
    for layer in (
        layers.Conv2D(6, 5, name="C1", **relu),
        layers.MaxPooling2D(name="S2"),
        layers.Conv2D(16, 5, name="C3", **relu),
        layers.MaxPooling2D(name="S4"),
        layers.Flatten(name="flatten"),
        layers.Dense(120, name="C5", **relu),
        layers.Dense(84, name="F6", **relu),
        layers.Dense(classes, "softmax", name="output"),
    ):
        outputs = layer(outputs)
    return keras.Model(inputs, outputs, name="lenet5_relu")
