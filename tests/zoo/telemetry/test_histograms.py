"""Counts of a gradient's entries agree with NumPy."""

import itertools

import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from zoo.telemetry.histograms import BINS, EDGES, HIGHS, LOWS, count


@settings(deadline=None, max_examples=50)
@given(arrays(np.float32, st.integers(1, 30), elements=st.floats(width=32)))
def test_every_entry_except_nan_is_in_one_bin(values):
    absolute = np.abs(values[~np.isnan(values)])
    limits = np.concatenate([[0], EDGES.astype(np.float32), [np.inf]])
    expected = [np.count_nonzero((absolute >= low) & (absolute < high)) for low, high in itertools.pairwise(limits)]
    expected[-1] += np.count_nonzero(np.isinf(absolute))
    assert count(tf.constant(values)).numpy().tolist() == expected
    assert sum(expected) == len(absolute)


def test_bins_are_a_quarter_of_a_power_of_ten_wide():
    assert len(BINS) == len(LOWS) == len(HIGHS) == 66
    np.testing.assert_allclose(HIGHS[1:-1] / LOWS[1:-1], 10**0.25)
    assert (LOWS[0], LOWS[1], HIGHS[-2], HIGHS[-1]) == (0, 1e-12, 1e4, np.inf)


def test_slices_of_the_same_row_are_summed_first():
    slices = tf.IndexedSlices(tf.constant([[0.5], [0.5]]), tf.constant([1, 1]), tf.constant([3, 1]))
    counts = count(slices).numpy()
    assert counts[0] == 2
    assert counts[LOWS.tolist().index(1.0)] == 1


def test_half_precision_is_counted():
    assert count(tf.constant([1.5], tf.float16)).numpy().sum() == 1
