"""Digits side by side in an image, as in a house number, and the whole number to be read.

A small stand-in for the street numbers of Goodfellow et al., «Multi-digit number recognition from street view imagery
using deep convolutional neural networks», ICLR 2014 (arXiv:1312.6082).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Annotated

import numpy as np

from zoo.datasets import digits, mnist
from zoo.datasets.dataset import Dataset, Source, Split
from zoo.errors import InvalidValue
from zoo.utils.constraints import Seed, at_least, check, non_negative, positive


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
    """Puts the digits of a data set side by side, each split's own in its sequences.

    All lengths are equally probable, and so are all digits of a split. A sequence stands in the middle of its image,
    which has a margin of `shift` pixels, and is then moved as a whole.

    A label has `1 + longest` columns: the length less 1, which is its class, and the digits from the left. Where there
    is none, its class is the one after the digits' own, «none».

    Args:
        data: Images of single digits, each with its label.
        per_digit: How many sequences a split has for each digit in it.
        longest: Digits of the longest sequence; the shortest has one.
        noise: Standard deviation of the Gaussian noise that is added to every pixel, before it is cut to [0, 1].
        shift: How many pixels a sequence is moved at most, at random, in each of the four directions.
        shrink: Side, in pixels, of the squares that the digits' pixels are first averaged over; 1 leaves them.
        seed: Decides every draw.

    Returns:
        The sequences: images `(rows + 2 * shift, longest * columns + 2 * shift, channels)` in [0, 1], where the digits
        have `rows` and `columns` once they are shrunk.

    Raises:
        InvalidValue: A number of the wrong type or out of range, or examples that are not images with one label each.

    >>> from zoo import datasets
    >>> data = sequences(datasets.load("digits"), longest=3)
    >>> data.input_shape, data.train.y[0].tolist()
    ((12, 28, 1), [2, 9, 8, 9])
    """
    per_digit = check("per_digit", per_digit, Annotated[float, positive])
    longest = check("longest", longest, Annotated[int, at_least(1)])
    noise = check("noise", noise, Annotated[float, non_negative])
    shift = check("shift", shift, Annotated[int, non_negative])
    shrink = check("shrink", shrink, Annotated[int, at_least(1)])
    seed = check("seed", seed, Seed)
    if data.longest is not None or len(data.input_shape) != 3:
        raise InvalidValue(f"Sequences are made of images with one label each, such as digits; got {data.name}.")
    source = _source(data.source, per_digit=per_digit, longest=longest, noise=noise, shift=shift, shrink=shrink)
    made = {
        # A stream of its own for each: the test set is the same with and without a validation set.
        name: _put_together(
            Split(_shrunk(split.x, shrink), split.y),
            round(len(split) * per_digit),
            longest=longest,
            none=data.classes,
            noise=np.float32(noise),
            shift=shift,
            random=np.random.default_rng([seed, ("train", "validation", "test").index(name)]),
        )
        for name, split in data.splits.items()
    }
    return replace(data, source=source, **made)


def _put_together(
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
        those = np.flatnonzero(length > place)
        across = (left[those] + place * columns)[:, None, None] + np.arange(columns)
        x[those[:, None, None], top[those, None, None] + np.arange(rows)[:, None], across] += digits.x[
            chosen[those, place]
        ]
    labels = np.where(np.arange(longest) < length[:, None], digits.y[chosen], none)
    return Split(np.clip(x, 0, 1, out=x), np.column_stack([length - 1, labels]))


def _shrunk(x: np.ndarray, shrink: int) -> np.ndarray:
    examples, rows, columns, channels = x.shape
    if rows % shrink or columns % shrink:
        raise InvalidValue(f"shrink must divide the images' sides, {rows} and {columns}; got {shrink}.")
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
        make=partial(_load, single, settings),
    )


def _load(single: Source, settings: dict, validation: float | int | None, seed: int) -> Dataset:
    if validation is not None and check("validation", validation, float) >= 1:
        validation = round(validation / settings["per_digit"])  # a number of sequences, which so many digits make
    return sequences(single.load(validation=validation, seed=seed), **settings, seed=seed)


SOURCES = (
    _source(digits.SOURCE, per_digit=8.0, longest=5, noise=0.1, shift=2, shrink=1),
    # At full size they would take a gigabyte, and twenty times the time of a single digit.
    _source(mnist.SOURCE, per_digit=0.4, longest=5, noise=0.1, shift=2, shrink=2),
)
