"""Numbers of several digits side by side in an image, like house numbers.

A small stand-in for the street numbers of Goodfellow et al., «Multi-digit number recognition from street view imagery
using deep convolutional neural networks», ICLR 2014 (arXiv:1312.6082).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Annotated, Any

import numpy as np

from zoo.datasets import digits, mnist
from zoo.datasets.dataset import Dataset, Source, Split
from zoo.errors import InvalidValue
from zoo.utils.constraints import Count, Seed, check, non_negative, positive


def sequences(
    data: Dataset,
    *,
    per_digit: float = 1.0,
    longest: int = 5,
    noise: float = 0.1,
    shift: int = 2,
    shrink: int = 1,
    seed: int = 0,
) -> Dataset:
    """Makes sequences of the digits of a data set; each split's sequences have its own digits.

    All lengths are equally probable, and so are all digits of a split. A sequence is centered in its image, which has a
    margin of `shift` pixels, and then moved at random.

    A label has `1 + longest` columns: the length minus 1 as a class, and the digits from the left. A place without a
    digit has the class after the digits', "none".

    Args:
        data: Images of single digits with one label each.
        per_digit: Number of sequences per digit of a split. Defaults to 1.
        longest: Number of digits of the longest sequence; the shortest has one. Defaults to 5.
        noise: Standard deviation of the Gaussian noise added to every pixel before clipping to [0, 1]. Defaults to 0.1.
        shift: Largest random shift of a sequence in each of the four directions, in pixels. Defaults to 2.
        shrink: Side in pixels of the squares that the digits are averaged over first. Defaults to 1.
        seed: Random seed. Defaults to 0.

    Returns:
        The sequences: images `(rows + 2 * shift, longest * columns + 2 * shift, channels)` in [0, 1], with the `rows`
        and `columns` of the shrunk digits.

    Raises:
        InvalidValue: A number has the wrong type or is out of range, or the examples are not images with one label.

    >>> from zoo import datasets
    >>> data = sequences(datasets.load("digits"), longest=3)
    >>> data.input_shape, data.train.y[0].tolist()
    ((12, 28, 1), [2, 9, 8, 9])
    """
    per_digit = check("per_digit", per_digit, Annotated[float, positive])
    longest = check("longest", longest, Count)
    noise = check("noise", noise, Annotated[float, non_negative])
    shift = check("shift", shift, Annotated[int, non_negative])
    shrink = check("shrink", shrink, Count)
    seed = check("seed", seed, Seed)
    if data.longest is not None or len(data.input_shape) != 3:
        raise InvalidValue(f"data must be images with one label each, such as digits; got {data.name}.")
    source = _source(data.source, per_digit=per_digit, longest=longest, noise=noise, shift=shift, shrink=shrink)
    splits: Any = {
        # One generator per split: the test set is the same with and without a validation set.
        name: _make_sequences(
            Split(_shrink(split.x, shrink), split.y),
            round(len(split) * per_digit),
            longest=longest,
            none=data.classes,
            noise=np.float32(noise),
            shift=shift,
            random=np.random.default_rng([seed, ("train", "validation", "test").index(name)]),
        )
        for name, split in data.splits.items()
    }
    return replace(data, source=source, loaded={}, **splits)


def _make_sequences(
    digits: Split, count: int, *, longest: int, none: int, noise: np.float32, shift: int, random: np.random.Generator
) -> Split:
    _, rows, columns, channels = digits.x.shape
    length = random.integers(1, longest + 1, count)
    chosen = random.integers(len(digits), size=(count, longest))
    down, right = random.integers(-shift, shift + 1, (2, count))
    x = noise * random.standard_normal(
        (count, rows + 2 * shift, longest * columns + 2 * shift, channels), dtype=np.float32
    )
    top, left = shift + down, shift + right + (longest - length) * columns // 2
    for place in range(longest):
        longer = np.flatnonzero(length > place)
        across = (left[longer] + place * columns)[:, None, None] + np.arange(columns)
        down = top[longer, None, None] + np.arange(rows)[:, None]
        x[longer[:, None, None], down, across] += digits.x[chosen[longer, place]]
    labels = np.where(np.arange(longest) < length[:, None], digits.y[chosen], none)
    return Split(np.clip(x, 0, 1, out=x), np.column_stack([length - 1, labels]))


def _shrink(x: np.ndarray, shrink: int) -> np.ndarray:
    examples, rows, columns, channels = x.shape
    if rows % shrink or columns % shrink:
        raise InvalidValue(f"shrink must divide the sides of the images, {rows} and {columns}; got {shrink}.")
    return x.reshape(examples, rows // shrink, shrink, columns // shrink, shrink, channels).mean(axis=(2, 4))


def _source(single: Source, *, per_digit: float, longest: int, noise: float, shift: int, shrink: int) -> Source:
    rows, columns, channels = single.input_shape
    shape = (rows // shrink + 2 * shift, longest * (columns // shrink) + 2 * shift, channels)
    settings = {"per_digit": per_digit, "longest": longest, "noise": noise, "shift": shift, "shrink": shrink}
    return replace(
        single,
        name=f"{single.name}_sequences",
        title=f"One to {longest} digits of {single.name} side by side, {shape[0]}x{shape[1]}, with noise",
        origin=f"generated from the seed, of: {single.origin}",
        input_shape=shape,
        examples=round(single.examples * per_digit),
        class_names=(*single.class_names, "none"),
        levels=1,  # noise leaves no whole numbers
        make=partial(_load, single, settings),
    )


def _load(single: Source, settings: dict, validation: float | int | None, seed: int) -> Dataset:
    if validation is not None and check("validation", validation, float) >= 1:
        validation = round(validation / settings["per_digit"])  # from a number of sequences to one of digits
    return sequences(single.load(validation=validation, seed=seed), **settings, seed=seed)


SOURCES = (
    _source(digits.SOURCE, per_digit=8.0, longest=5, noise=0.1, shift=2, shrink=1),
    # At full size they would take a gigabyte, and twenty times the training time of single digits.
    _source(mnist.SOURCE, per_digit=0.4, longest=5, noise=0.1, shift=2, shrink=2),
)
