"""Images that are moved, framed and enlarged."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from zoo.datasets.dataset import Dataset, Split
from zoo.errors import InvalidValue


def shifted(x: np.ndarray, down: int = 0, right: int = 0) -> np.ndarray:
    """Returns images moved by whole pixels; the pixels that come in are 0.

    Args:
        x: Images, `(examples, rows, columns, channels)`.
        down: Number of rows; negative for up. Defaults to 0.
        right: Number of columns; negative for left. Defaults to 0.

    >>> shifted(np.arange(4).reshape(1, 2, 2, 1), right=1)[0, :, :, 0].tolist()
    [[0, 0], [0, 2]]
    """
    _, rows, columns, _ = x.shape
    moved = np.zeros_like(x)
    if abs(down) < rows and abs(right) < columns:
        target = [slice(max(0, by), size + min(0, by)) for by, size in ((down, rows), (right, columns))]
        source = [slice(max(0, -by), size - max(0, by)) for by, size in ((down, rows), (right, columns))]
        moved[:, target[0], target[1]] = x[:, source[0], source[1]]
    return moved


def with_shifted(data: Dataset) -> Dataset:
    """Returns a data set with five times the training examples: as they are, and moved by a pixel each way.

    Source: Nielsen, «Neural Networks and Deep Learning», 2015, chapter 6 (expand_mnist.py).

    >>> from zoo import datasets
    >>> len(with_shifted(datasets.load("digits")).train)
    6470
    """
    _check_images(data)
    moves = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))
    x = np.concatenate([shifted(data.train.x, down, right) for down, right in moves])
    source = replace(data.source, title=f"{data.source.title}; with training images moved by a pixel each way")
    return replace(data, source=source, loaded={}, train=Split(x, np.tile(data.train.y, len(moves))))


def framed(data: Dataset, side: int) -> Dataset:
    """Returns a data set of larger images, padded with 0 on all sides.

    Images that fit twice or more are enlarged first, so that a margin of a quarter of the new image is left.

    Args:
        data: Data set of images.
        side: Number of rows and columns of the larger images.

    Raises:
        InvalidValue: The examples are not images, or are larger.

    >>> from zoo import datasets
    >>> framed(datasets.load("digits"), 32).input_shape
    (32, 32, 1)
    """
    _check_images(data)
    rows, columns, _ = data.input_shape
    if max(rows, columns) > side:
        raise InvalidValue(f"side must be at least that of the images, {rows}x{columns}; got {side}.")
    times = max(1, side // 2 // max(rows, columns))
    margins = [(side - times * size) // 2 for size in (rows, columns)]
    around = [(before, side - times * size - before) for before, size in zip(margins, (rows, columns), strict=True)]

    def enlarge(split: Split) -> Split:
        x = split.x.repeat(times, axis=1).repeat(times, axis=2)
        return Split(np.pad(x, [(0, 0), *around, (0, 0)]), split.y)

    source = replace(data.source, input_shape=(side, side, data.input_shape[2]))
    parts: Any = {name: enlarge(split) for name, split in data.splits.items()}
    return replace(data, source=source, loaded={}, **parts)


def _check_images(data: Dataset) -> None:
    if len(data.input_shape) != 3:
        raise InvalidValue(f"data must be images; {data.name} has examples of shape {data.input_shape}.")
