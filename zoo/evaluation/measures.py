"""Intervals and calibration of predictions.

Wilson, JASA 22, 1927; Brown, Cai and DasGupta, Statistical Science 16, 2001 (why this interval). Guo et al., «On
calibration of modern neural networks», ICML 2017, section 2 (reliability diagram, ECE).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import softmax


class Interval(NamedTuple):
    """A measure and its 95 % confidence interval.

    Args:
        value: Value of the measure.
        low: Lower end of the interval.
        high: Upper end of the interval.
        examples: Number of examples that it was measured on.
    """

    value: float
    low: float
    high: float
    examples: int


def to_probabilities(outputs: np.ndarray) -> np.ndarray:
    """Returns the outputs of a classifier as probabilities: as they are, or the softmax of scores, such as LeNet-5's.

    Args:
        outputs: Outputs, `(examples, classes)`; scores if any is negative.
    """
    return outputs if (outputs >= 0).all() else softmax(outputs, axis=-1)


def wilson(correct: int, examples: int) -> Interval:
    """Returns a share and its 95 % interval by Wilson's method.

    Args:
        correct: Number of correct examples.
        examples: Number of all examples, at least 1.

    >>> [round(value, 4) for value in wilson(9905, 10_000)[:3]]
    [0.9905, 0.9884, 0.9922]
    """
    interval = stats.binomtest(correct, examples).proportion_ci(method="wilson")
    return Interval(correct / examples, float(interval.low), float(interval.high), examples)


def mean_interval(values: np.ndarray) -> Interval:
    """Returns a mean and its 95 % interval, by the normal approximation.

    Args:
        values: One value per example, `(examples,)`, two or more.
    """
    mean = float(values.mean())
    low, high = stats.norm.interval(0.95, mean, float(values.std(ddof=1)) / len(values) ** 0.5)
    return Interval(mean, float(low), float(high), len(values))


def calibration(confidence: np.ndarray, correct: np.ndarray, *, bins: int = 15) -> tuple[float, pd.DataFrame]:
    """Returns the expected calibration error, and the accuracy by confidence.

    Args:
        confidence: Probability of each predicted class, `(examples,)`.
        correct: Whether each prediction is correct, `(examples,)`.
        bins: Number of bins of equal width. Defaults to 15.

    Returns:
        The difference between the confidence and the accuracy of a bin, averaged over the examples; and a table with
        one row per bin: columns `low`, `high`, `examples`, `confidence`, `accuracy` (NaN without examples).

    >>> error, table = calibration(np.array([0.9, 0.9, 0.9, 0.9]), np.array([True, True, True, False]))
    >>> round(error, 3), int(table["examples"].max())
    (0.15, 4)
    """
    edges = np.linspace(0, 1, bins + 1)
    number = np.digitize(confidence, edges[1:-1], right=True)
    count = np.bincount(number, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(number, confidence, minlength=bins) / count
        accuracy = np.bincount(number, correct.astype(float), minlength=bins) / count
    table = pd.DataFrame(
        {"low": edges[:-1], "high": edges[1:], "examples": count, "confidence": mean, "accuracy": accuracy}
    )
    return float(np.nansum(count * np.abs(accuracy - mean)) / count.sum()), table
