"""A net of 3 to 11 hidden layers that reads a whole number from an image, with as many parameters as it is told.

Goodfellow, Bulatov, Ibarz, Arnoud and Shet, «Multi-digit number recognition from street view imagery using deep
convolutional neural networks», ICLR 2014 (arXiv:1312.6082).
"""

# No `from __future__ import annotations` here: options are checked by the annotations themselves.
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
UNITS_A_MAP = 4  # units of a dense layer for each map of a convolution, at least; the paper has 16
POOLED = 8  # convolutions that are pooled at most: what follows is the paper's locally connected layer

WHOLE_SEQUENCE = Recipe(
    name="sequences",
    summary="Adam on the cross-entropy of the length and of the digits that are there",
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
    """A net that reads a number of several digits from an image, as deep as it is told.

    As in the paper, each convolution keeps the size of its maps and a max-pooling over 2x2 pixels follows, whose
    stride is 2 and 1 in turn; then two dense layers, one softmax for the length and one for the digit at each place.
    All convolutions have equally many maps here, and the paper's maxout units and subtractive normalisation are left
    out; a ninth convolution, which is not pooled, stands for its locally connected layer.

    Args:
        input_shape: Shape of one image, `(rows, columns, channels)`, grey or in colour.
        classes: Number of classes of a place: the digits' own and, as the last one, «none».
        longest: Digits of the longest number.
        depth: Number of hidden layers; two of them are dense, the others convolutions.
        parameters: How many weights and biases there should be. The layers' widths follow; the number is missed by no
            more than half of what one unit of a dense layer has.
        kind: `"convolutional"`, or `"fully_connected"`: all layers dense and equally wide.
        kernel_size: Side of the convolutions' kernels in pixels; odd, so that a kernel has a middle.
        halvings: How many of the poolings halve the image, at most: the later ones leave its size.
        keep_probability: Probability that a hidden unit is kept; 1 drops none. The paper has dropout on all hidden
            layers; nets of this size are too small for it.

    Returns:
        An uncompiled model: `(batch, *input_shape)` to `(batch, 1 + longest, classes)`, the probabilities of the
        lengths from 1 on and of the digit at each place. (The last axis has the size `longest` if that is more; what
        is too much of it is 0.)

    Raises:
        InvalidValue: An option of the wrong type or out of range, images of another shape or too small to be pooled
            so often, or fewer parameters than the narrowest net has.
        UnknownName: An option that there is not.

    >>> [depth_cnn(depth=depth).count_params() for depth in (3, 7, 11)]
    [60797, 59999, 59945]
    """
    import keras
    from keras import layers

    convolutions = depth - DENSE if kind == "convolutional" else 0
    positions = _positions(input_shape, convolutions, halvings, depth)
    maps, units = _widths(
        parameters,
        channels=input_shape[2],
        positions=positions,
        convolutions=convolutions,
        dense=depth - convolutions,
        kernel=kernel_size**2,
        outputs=longest + longest * classes,
    )
    rectified = {"activation": "relu", "kernel_initializer": "he_normal"}

    def dropped(x: Any, number: int) -> Any:
        rate = round(1 - keep_probability, 12)
        return layers.Dropout(rate, name=f"dropout_{number}")(x) if rate else x

    inputs = hidden = keras.Input(input_shape, name="input")
    for number in range(1, convolutions + 1):
        hidden = layers.Conv2D(maps, kernel_size, padding="same", name=f"conv_{number}", **rectified)(hidden)
        if number <= POOLED:
            hidden = layers.MaxPooling2D(2, _stride(number, halvings), padding="same", name=f"pool_{number}")(hidden)
        hidden = dropped(hidden, number)
    hidden = layers.Flatten(name="flatten")(hidden)
    for number, width in enumerate(units, start=convolutions + 1):
        hidden = layers.Dense(width, name=f"dense_{number}", **rectified)(hidden)
        hidden = dropped(hidden, number)
    return keras.Model(inputs, _softmaxes(hidden, longest, classes), name="depth_cnn")


def _softmaxes(hidden: Any, longest: int, classes: int) -> Any:
    """Returns the probabilities of the length and of each digit, below each other: `(batch, 1 + longest, ...)`."""
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
    """Returns the stride of a pooling: 2 and 1 in turn, and 1 from where the image has been halved often enough."""
    return 2 if number % 2 and number < 2 * halvings else 1


def _positions(input_shape: tuple[int, ...], convolutions: int, halvings: int, depth: int) -> int:
    """Returns how many pixels a map has in the end, after all poolings."""
    if len(input_shape) != 3 or input_shape[2] not in (1, 3):
        raise InvalidValue(
            f"depth_cnn takes images (rows, columns, channels), grey or in colour, as in (18, 74, 1); got "
            f"input_shape {input_shape}."
        )
    halvings = min(halvings, (convolutions + 1) // 2)  # every other pooling
    side = 2 ** (halvings - 1) + 1 if halvings else 1  # the last one has two pixels or more to choose from
    if min(input_shape[:2]) < side:
        raise InvalidValue(
            f"depth_cnn of depth {depth} halves its images {halvings} times and takes {side}x{side} pixels or more; "
            f"got {input_shape[0]}x{input_shape[1]}. Make it less deep, or the images larger."
        )
    rows, columns = (-(-size // 2**halvings) for size in input_shape[:2])
    return rows * columns


def _widths(
    parameters: int, *, channels: int, positions: int, convolutions: int, dense: int, kernel: int, outputs: int
) -> tuple[int, list[int]]:
    """Returns the maps of a convolution and the units of each dense layer that come nearest to so many parameters."""

    def units(total: int) -> list[int]:  # as evenly as can be; one more in the last layers, where it costs least
        return [(total + number) // dense for number in range(dense)]

    def count(maps: int, total: int) -> int:
        planes = [channels, *[maps] * convolutions]
        widths = [positions * planes[-1], *units(total), outputs]
        return sum((kernel * n + 1) * m for n, m in pairwise(planes)) + sum((n + 1) * m for n, m in pairwise(widths))

    fewest = count(1, dense)
    if parameters < fewest:
        raise InvalidValue(
            f"depth_cnn has {fewest} parameters or more with these options; got parameters={parameters}."
        )
    sizes = range(parameters)  # more than there can be maps or units
    maps = bisect_right(sizes, parameters, key=lambda maps: count(maps, UNITS_A_MAP * maps * dense)) - 1
    maps = max(1, maps) if convolutions else 0
    total = bisect_left(sizes, parameters, key=lambda total: count(maps, total))
    total = min(max(dense, total - 1), total, key=lambda total: abs(count(maps, total) - parameters))
    return maps, units(total)
