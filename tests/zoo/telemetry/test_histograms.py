"""A gradient's entries are counted as NumPy counts them."""

import itertools

import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from zoo.telemetry.histograms import BINS, EDGES, HIGHS, LOWS, count


@settings(deadline=None, max_examples=50)
@given(arrays(np.float32, st.integers(1, 30), elements=st.floats(width=32)))
def test_every_entry_but_nan_is_in_one_bin(values):
    absolute = np.abs(values[~np.isnan(values)])
    limits = np.concatenate([[0], EDGES.astype(np.float32), [np.inf]])
    inside = [np.count_nonzero((absolute >= low) & (absolute < high)) for low, high in itertools.pairwise(limits)]
    inside[-1] += np.count_nonzero(np.isinf(absolute))
    assert count(tf.constant(values)).numpy().tolist() == inside
    assert sum(inside) == len(absolute)


def test_the_bins_are_a_quarter_of_a_power_of_ten_wide():
    assert len(BINS) == len(LOWS) == len(HIGHS) == 66
    np.testing.assert_allclose(HIGHS[1:-1] / LOWS[1:-1], 10**0.25)
    assert (LOWS[0], LOWS[1], HIGHS[-2], HIGHS[-1]) == (0, 1e-12, 1e4, np.inf)


def test_slices_that_fall_on_the_same_row_are_added_up_first():
    slices = tf.IndexedSlices(tf.constant([[0.5], [0.5]]), tf.constant([1, 1]), tf.constant([3, 1]))
    found = count(slices).numpy()
    assert found[0] == 2
    assert found[LOWS.tolist().index(1.0)] == 1


def test_half_precision_is_counted_too():
    assert count(tf.constant([1.5], tf.float16)).numpy().sum() == 1
