"""The distribution of a gradient's entries over the powers of ten."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

LOWEST, HIGHEST, PER_DECADE = -12, 4, 4
EDGES = 10.0 ** (np.arange((HIGHEST - LOWEST) * PER_DECADE + 1) / PER_DECADE + LOWEST)
LOWS = np.concatenate([[0.0], EDGES])
HIGHS = np.concatenate([EDGES, [np.inf]])
BINS = tuple(f"bin_{number}" for number in range(len(LOWS)))


def count(gradient: tf.Tensor | tf.IndexedSlices) -> tf.Tensor:
    """Counts the entries of a gradient by absolute value, in four bins per power of ten.

    Args:
        gradient: Gradient of any shape and floating type.

    Returns:
        float64 of shape `(66,)`: number of entries at or above each of `LOWS` and below each of `HIGHS`. The first
        bin, below 1e-12, includes the exact zeros; the last, from 1e4 on, the infinite values. NaN is in no bin.

    >>> counts = count(tf.constant([0.0, 3e-5, -3e-5, 2.0, np.inf]))
    >>> [(f"{LOWS[i]:.3g}", int(n)) for i, n in enumerate(counts.numpy()) if n]
    [('0', 1), ('1.78e-05', 2), ('1.78', 1), ('1e+04', 1)]
    """
    absolute = tf.reshape(tf.abs(tf.cast(tf.convert_to_tensor(gradient), tf.float32)), [-1])
    bins = tf.searchsorted(tf.constant(EDGES, tf.float32), absolute, side="right")
    is_number = tf.cast(~tf.math.is_nan(absolute), tf.float32)  # sums are exact up to 16 million per bin
    return tf.cast(tf.math.unsorted_segment_sum(is_number, bins, len(BINS)), tf.float64)
