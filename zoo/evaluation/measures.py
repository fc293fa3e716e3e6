"""How good predictions are: a share with its interval, calibration.

Wilson, JASA 22, 1927; Brown, Cai and DasGupta, Statistical Science 16, 2001 (why this interval). Guo et al., «On
calibration of modern neural networks», ICML 2017, section 2 (reliability diagram, ECE).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

Z = 1.959963984540054  # of 95 %
BINS = 15


class Interval(NamedTuple):
    """A figure and its 95 % interval.

    Args:
        value: The figure.
        low: Lower end.
        high: Upper end.
        examples: How many it is of.
    """

    value: float
    low: float
    high: float
    examples: int


def wilson(right: int, examples: int) -> Interval:
    """Returns a share and Wilson's 95 % interval for it.

    Args:
        right: How many there are.
        examples: Of how many, at least 1.

    >>> [round(each, 4) for each in wilson(9905, 10_000)[:3]]
    [0.9905, 0.9884, 0.9922]
    """
    share, spread = right / examples, Z**2 / examples
    centre = (share + spread / 2) / (1 + spread)
    half = math.sqrt(share * (1 - share) * spread + spread**2 / 4) / (1 + spread)
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half), examples)


def mean_interval(values: np.ndarray) -> Interval:
    """Returns a mean and its 95 % interval, by the normal approximation.

    Args:
        values: One an example, `(examples,)`, two or more.
    """
    mean, half = float(values.mean()), Z * float(values.std(ddof=1)) / math.sqrt(len(values))
    return Interval(mean, mean - half, mean + half, len(values))


def calibration(confidence: np.ndarray, right: np.ndarray, *, bins: int = BINS) -> tuple[float, pd.DataFrame]:
    """Returns the expected calibration error, and how often predictions are right by how sure they were.

    Args:
        confidence: The probability of the class that was predicted, `(examples,)`.
        right: Whether it was the right one, `(examples,)`.
        bins: How many bins of equal width.

    Returns:
        The mean, over the examples, of their bin's distance between confidence and accuracy; and a row a bin: `low`,
        `high`, `examples`, `confidence`, `accuracy` (NaN where there is no example).

    >>> error, table = calibration(np.array([0.9, 0.9, 0.9, 0.9]), np.array([True, True, True, False]))
    >>> round(error, 3), int(table["examples"].max())
    (0.15, 4)
    """
    import pandas as pd

    edges = np.linspace(0, 1, bins + 1)
    # The first bin has both of its ends, the others their upper one.
    number = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    count = np.bincount(number, minlength=bins)
    with np.errstate(invalid="ignore"):
        sure = np.bincount(number, confidence, minlength=bins) / count
        often = np.bincount(number, right.astype(float), minlength=bins) / count
    table = pd.DataFrame(
        {"low": edges[:-1], "high": edges[1:], "examples": count, "confidence": sure, "accuracy": often}
    )
    return float(np.nansum(count * np.abs(often - sure)) / count.sum()), table
