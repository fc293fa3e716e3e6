"""Problems in the plane that no straight line solves, generated from a seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from zoo.datasets.dataset import Source

EXAMPLES = 1000


def xor(seed: int = 0, *, examples: int = EXAMPLES, noise: float = 0.25) -> tuple[np.ndarray, np.ndarray]:
    """Returns four clouds at (+-1, +-1); class 1 is where the coordinates differ in sign.

    Args:
        seed: Random seed. Defaults to 0.
        examples: Number of points. Defaults to 1,000.
        noise: Standard deviation of a cloud, in each coordinate.

    >>> x, y = xor(noise=0)
    >>> bool(((x[:, 0] * x[:, 1] < 0) == y).all())
    True
    """
    random = np.random.default_rng(seed)
    corner = np.arange(examples) % 4
    center = np.stack([corner % 2, corner // 2], axis=1) * 2 - 1
    x = center + noise * random.standard_normal((examples, 2))
    return x.astype(np.float32), corner % 2 ^ corner // 2


def rings(seed: int = 0, *, examples: int = EXAMPLES, noise: float = 0.08) -> tuple[np.ndarray, np.ndarray]:
    """Returns a circle of radius 1 (class 0) around one of radius 0.5 (class 1), with Gaussian noise."""
    from sklearn.datasets import make_circles

    x, y = make_circles(examples, noise=noise, factor=0.5, random_state=seed)
    return x.astype(np.float32), y


def moons(seed: int = 0, *, examples: int = EXAMPLES, noise: float = 0.15) -> tuple[np.ndarray, np.ndarray]:
    """Returns two interleaving half circles, with Gaussian noise."""
    from sklearn.datasets import make_moons

    x, y = make_moons(examples, noise=noise, random_state=seed)
    return x.astype(np.float32), y


def spirals(
    seed: int = 0, *, examples: int = EXAMPLES, noise: float = 0.03, turns: float = 1.5
) -> tuple[np.ndarray, np.ndarray]:
    """Returns two spirals, one of them rotated by half a circle.

    Args:
        seed: Random seed. Defaults to 0.
        examples: Number of points. Defaults to 1,000.
        noise: Standard deviation of the noise, in each coordinate; the outer radius is 1.
        turns: Number of turns of each arm. Defaults to 1.5.
    """
    random = np.random.default_rng(seed)
    label = np.arange(examples) % 2
    radius = np.sqrt(random.uniform(0.01, 1, examples))
    angle = 2 * np.pi * turns * radius + np.pi * label
    x = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return (x + noise * random.standard_normal(x.shape)).astype(np.float32), label


def _source(read: Callable[[int], tuple[np.ndarray, np.ndarray]], title: str) -> Source:
    return Source(
        name=read.__name__,
        title=title,
        origin="generated from the seed",
        licence="Apache-2.0",
        input_shape=(2,),
        examples=EXAMPLES,
        class_names=("0", "1"),
        read=read,
    )


SOURCES = (
    _source(xor, "Four clouds of points, opposite ones of one class"),
    _source(rings, "A ring of points around another"),
    _source(moons, "Two half moons that reach into each other"),
    _source(spirals, "Two spirals, one inside the other"),
)
