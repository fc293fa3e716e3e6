"""A network with 3 to 11 hidden layers and a given number of parameters that reads numbers of several digits.

Goodfellow, Bulatov, Ibarz, Arnoud and Shet, «Multi-digit number recognition from street view imagery using deep
convolutional neural networks», ICLR 2014 (arXiv:1312.6082).
"""

# Without `from __future__ import annotations`, because the annotations check the options.
from bisect import bisect_left, bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal

from zoo.errors import InvalidValue
from zoo.models.options import Classes, KeepProbability, Units
from zoo.models.registry import register
from zoo.models.search_space import Choice, Range
from zoo.recipes import Recipe
from zoo.utils.constraints import at_least, between, odd

if TYPE_CHECKING:
    import keras

DENSE = 2  # hidden layers after the convolutions
UNITS_A_MAP = 4  # minimum of the units of a dense layer per map of a convolution; 16 in the paper
POOLED = 8  # maximum number of pooled convolutions; a ninth replaces the paper's locally connected layer

WHOLE_SEQUENCE = Recipe(
    name="sequences",
    summary="Adam on the cross-entropy of the length and of the digits up to it",
    source="Goodfellow et al. 2014, section 4 (the loss)",
    loss="sequence_crossentropy",
    optimizer="adam",
    learning_rate=1e-3,
    learning_rate_decay="linear",
    batch_size=64,
    epochs=10,
)


@register(
    recipes=(WHOLE_SEQUENCE,),
    source="Goodfellow et al. 2014",
    search_space={
        "depth": Range(3, 11),
        "kind": Choice(("convolutional", "fully_connected")),
        "kernel_size": Choice((3, 5, 7), when={"kind": "convolutional"}),
        "keep_probability": Range(0.5, 1.0),
    },
    check=lambda options: _plan_layers(**options),
)
def depth_cnn(
    *,
    input_shape: tuple[int, ...] = (18, 74, 1),
    classes: Classes = 11,
    longest: Units = 5,
    depth: Annotated[int, between(3, 11)] = 5,
    parameters: Units = 60_000,
    kind: Literal["convolutional", "fully_connected"] = "convolutional",
    kernel_size: Annotated[int, at_least(1), odd] = 5,
    halvings: Annotated[int, between(1, 4)] = 4,
    keep_probability: KeepProbability = 1.0,
) -> "keras.Model":
    """A network of a given depth that reads numbers of several digits from images.

    As in the paper, each convolution keeps the size of its maps and is followed by max-pooling over 2x2 pixels with
    strides of 2 and 1 in turn; then come two dense layers, one softmax for the length and one for the digit at each
    position. Unlike in the paper, all convolutions have the same number of maps, there are no maxout units and no
    subtractive normalization, and a ninth convolution without pooling replaces the locally connected layer.

    Args:
        input_shape: Shape of one image, `(rows, columns, channels)`, in gray or color.
        classes: Number of classes per position: the digits and, as the last class, "none".
        longest: Number of digits of the longest number.
        depth: Number of hidden layers. Two of them are dense, the others are convolutions.
        parameters: Number of weights and biases. The widths of the layers follow from it; the actual number differs by
            at most half the parameters of one unit of a dense layer.
        kind: `"convolutional"`, or `"fully_connected"`: all layers are dense and equally wide.
        kernel_size: Side of the kernels in pixels, an odd number.
        halvings: Maximum number of poolings that halve the image. Later ones keep its size.
        keep_probability: Probability of keeping a hidden unit; 1 means no dropout. The paper uses dropout in all hidden
            layers; networks of this size are too small for it.

    Returns:
        An uncompiled model: `(batch, *input_shape)` to `(batch, 1 + longest, classes)`, the probabilities of the
        lengths from 1 to `longest` and of the digit at each position. If `longest` is greater than `classes`, the last
        axis has size `longest`. Unused entries are 0.

    Raises:
        InvalidValue: An option has the wrong type or is out of range, the images have another shape or are too small
            for the poolings, or `parameters` is less than the narrowest network has.
        UnknownName: Unknown option.

    >>> [depth_cnn(depth=depth).count_params() for depth in (3, 7, 11)]
    [60797, 59999, 59945]
    """
    import keras
    from keras import layers

    convolutions, maps, units = _plan_layers(
        input_shape=input_shape,
        classes=classes,
        longest=longest,
        depth=depth,
        parameters=parameters,
        kind=kind,
        kernel_size=kernel_size,
        halvings=halvings,
    )
    relu = {"activation": "relu", "kernel_initializer": "he_normal"}

    def dropout(x: Any, number: int) -> Any:
        rate = round(1 - keep_probability, 12)
        return layers.Dropout(rate, name=f"dropout_{number}")(x) if rate else x

    inputs = hidden = keras.Input(input_shape, name="input")
    for number in range(1, convolutions + 1):
        hidden = layers.Conv2D(maps, kernel_size, padding="same", name=f"conv_{number}", **relu)(hidden)
        if number <= POOLED:
            hidden = layers.MaxPooling2D(2, _stride(number, halvings), padding="same", name=f"pool_{number}")(hidden)
        hidden = dropout(hidden, number)
    hidden = layers.Flatten(name="flatten")(hidden)
    for number, width in enumerate(units, start=convolutions + 1):
        hidden = layers.Dense(width, name=f"dense_{number}", **relu)(hidden)
        hidden = dropout(hidden, number)
    return keras.Model(inputs, _add_outputs(hidden, longest, classes), name="depth_cnn")


def _plan_layers(
    *,
    input_shape: tuple[int, ...],
    classes: int,
    longest: int,
    depth: int,
    parameters: int,
    kind: str,
    kernel_size: int,
    halvings: int,
    **_: Any,
) -> tuple[int, int, list[int]]:
    """Returns the number of convolutions, of maps in each, and of units in each hidden dense layer."""
    convolutions = depth - DENSE if kind == "convolutional" else 0
    positions = _count_positions(input_shape, convolutions, halvings, depth)
    maps, units = _choose_widths(
        parameters,
        channels=input_shape[2],
        positions=positions,
        convolutions=convolutions,
        dense=depth - convolutions,
        kernel=kernel_size**2,
        outputs=longest + longest * classes,
    )
    return convolutions, maps, units


def _add_outputs(hidden: Any, longest: int, classes: int) -> Any:
    """Returns the probabilities of the length and of each digit in rows, `(batch, 1 + longest, ...)`."""
    from keras import layers

    length = layers.Dense(longest, "softmax", name="length")(hidden)
    digits = layers.Dense(longest * classes, name="digits")(hidden)
    digits = layers.Softmax(name="digits_softmax")(layers.Reshape((longest, classes), name="places")(digits))
    rows = []
    for name, row, count in (("length", length, longest), ("digits", digits, classes)):
        row = layers.Reshape((-1, count, 1), name=f"{name}_row")(row)  # an image, whose columns Keras can pad
        if missing := max(longest, classes) - count:
            row = layers.ZeroPadding2D(((0, 0), (0, missing)), name=f"{name}_padded")(row)
        rows.append(row)
    together = layers.Concatenate(axis=1, name="sequence")(rows)
    return layers.Reshape((1 + longest, max(longest, classes)), name="output")(together)


def _stride(number: int, halvings: int) -> int:
    """Returns the stride of a pooling: 2 and 1 in turn, and 1 once the image has been halved `halvings` times."""
    return 2 if number % 2 and number < 2 * halvings else 1


def _count_positions(input_shape: tuple[int, ...], convolutions: int, halvings: int, depth: int) -> int:
    """Returns the number of pixels of a map after all poolings."""
    if len(input_shape) != 3 or input_shape[2] not in (1, 3):
        raise InvalidValue(
            f"depth_cnn: input_shape must be (rows, columns, channels) with 1 or 3 channels, as in (18, 74, 1); got "
            f"{input_shape}."
        )
    halvings = min(halvings, (convolutions + 1) // 2)  # every other pooling
    side = 2 ** (halvings - 1) + 1 if halvings else 1  # the last pooling must have at least two pixels
    if min(input_shape[:2]) < side:
        raise InvalidValue(
            f"depth_cnn: images must have at least {side}x{side} pixels for depth={depth}, which halves them "
            f"{halvings} times; got {input_shape[0]}x{input_shape[1]}."
        )
    rows, columns = (-(-size // 2**halvings) for size in input_shape[:2])
    return rows * columns


def _choose_widths(
    parameters: int, *, channels: int, positions: int, convolutions: int, dense: int, kernel: int, outputs: int
) -> tuple[int, list[int]]:
    """Returns the number of maps per convolution and of units per dense layer that come closest to `parameters`."""

    def units(total: int) -> list[int]:  # as equal as possible; one more in the last layers, where it adds least
        return [(total + number) // dense for number in range(dense)]

    def count(maps: int, total: int) -> int:
        planes = [channels, *[maps] * convolutions]
        widths = [positions * planes[-1], *units(total), outputs]
        return sum((kernel * n + 1) * m for n, m in pairwise(planes)) + sum((n + 1) * m for n, m in pairwise(widths))

    fewest = count(1, dense)
    if parameters < fewest:
        raise InvalidValue(f"depth_cnn: parameters must be at least {fewest} with these options; got {parameters}.")
    sizes = range(parameters)  # exceeds any number of maps or units
    maps = bisect_right(sizes, parameters, key=lambda maps: count(maps, UNITS_A_MAP * maps * dense)) - 1
    maps = max(1, maps) if convolutions else 0
    total = bisect_left(sizes, parameters, key=lambda total: count(maps, total))
    total = min(max(dense, total - 1), total, key=lambda total: abs(count(maps, total) - parameters))
    return maps, units(total)
