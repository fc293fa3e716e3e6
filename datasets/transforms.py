"""Images moved, framed and enlarged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from zoo.datasets.dataset import Dataset, Split
from zoo.errors import InvalidValue


def shifted(x: np.ndarray, down: int = 0, right: int = 0) -> np.ndarray:
    """Returns images moved by whole pixels. What leaves the image is lost, and 0 comes in.

    Args:
        x: Images, `(examples, rows, columns, channels)`.
        down: By how many rows; upwards below 0.
        right: By how many columns; to the left below 0.

    >>> shifted(np.arange(4).reshape(1, 2, 2, 1), right=1)[0, :, :, 0].tolist()
    [[0, 0], [0, 2]]
    """
    _, rows, columns, _ = x.shape
    moved = np.zeros_like(x)
    if abs(down) < rows and abs(right) < columns:
        here = [slice(max(0, by), size + min(0, by)) for by, size in ((down, rows), (right, columns))]
        there = [slice(max(0, -by), size - max(0, by)) for by, size in ((down, rows), (right, columns))]
        moved[:, here[0], here[1]] = x[:, there[0], there[1]]
    return moved


def with_shifted(data: Dataset) -> Dataset:
    """Returns a data set whose training examples come five times: as they are, and moved by a pixel each way.

    Source: Nielsen, «Neural Networks and Deep Learning», 2015, chapter 6 (expand_mnist.py).

    >>> from zoo import datasets
    >>> len(with_shifted(datasets.load("digits")).train)
    6470
    """
    _of_images(data)
    moves = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))
    x = np.concatenate([shifted(data.train.x, down, right) for down, right in moves])
    source = replace(data.source, title=f"{data.source.title}; training images moved by a pixel each way besides")
    return replace(data, source=source, train=Split(x, np.tile(data.train.y, len(moves))))


def framed(data: Dataset, side: int) -> Dataset:
    """Returns a data set of larger images, which have a margin of 0 all around.

    Images that fit twice or more are enlarged first, by as much as leaves a margin of a quarter of the new ones.

    Args:
        data: Images.
        side: Rows and columns of the larger images.

    Raises:
        InvalidValue: No images, or larger ones.

    >>> from zoo import datasets
    >>> framed(datasets.load("digits"), 32).input_shape
    (32, 32, 1)
    """
    _of_images(data)
    rows, columns, _ = data.input_shape
    if max(rows, columns) > side:
        raise InvalidValue(f"Images of {rows}x{columns} are larger than {side}x{side}.")
    times = max(1, side // 2 // max(rows, columns))
    margins = [(side - times * size) // 2 for size in (rows, columns)]
    around = [(before, side - times * size - before) for before, size in zip(margins, (rows, columns), strict=True)]

    def enlarged(split: Split) -> Split:
        x = split.x.repeat(times, axis=1).repeat(times, axis=2)
        return Split(np.pad(x, [(0, 0), *around, (0, 0)]), split.y)

    source = replace(data.source, input_shape=(side, side, data.input_shape[2]))
    return replace(data, source=source, **{name: enlarged(split) for name, split in data.splits.items()})


def _of_images(data: Dataset) -> None:
    if len(data.input_shape) != 3:
        raise InvalidValue(
            f"Only images can be moved and framed; {data.name} has examples of shape {data.input_shape}."
        )
