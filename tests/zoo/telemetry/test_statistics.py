import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from zoo.telemetry.statistics import STATISTICS, compute_relative_change, measure


def measure_magnitude(gradient):
    return measure(gradient)[:3]


finite = st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=False)  # TensorFlow flushes these to zero


@settings(deadline=None)
@given(arrays(np.float32, array_shapes(max_dims=4, max_side=6), elements=finite))
def test_magnitudes_agree_with_numpy_in_double_precision(gradient):
    exact = gradient.astype(np.float64)
    expected = [np.linalg.norm(exact), np.abs(exact).mean(), np.sqrt((exact**2).mean())]
    np.testing.assert_allclose(measure_magnitude(tf.constant(gradient)), expected, rtol=1e-5, atol=1e-44)


@pytest.mark.parametrize("size", [1e-37, 1e-25, 1e25, 1e38])
def test_norm_does_not_underflow_or_overflow(size):
    np.testing.assert_allclose(measure_magnitude(tf.constant([size, -size])), [size * 2**0.5, size, size], rtol=1e-5)


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float64])
def test_every_floating_type_is_measured(dtype):
    np.testing.assert_allclose(measure_magnitude(tf.constant([3, 4], dtype)), [5, 3.5, 5 / 2**0.5], rtol=1e-6)


def test_a_gradient_of_zeros_is_zero():
    assert measure_magnitude(tf.zeros((3, 2))).numpy().tolist() == [0, 0, 0]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_nan_and_infinity_are_not_hidden(value):
    assert not np.isfinite(measure_magnitude(tf.constant([1.0, value]))).any()


def test_slices_of_the_same_row_are_summed():
    slices = tf.IndexedSlices(tf.constant([[1.0, 0.0], [2.0, 4.0]]), tf.constant([1, 1]), tf.constant([3, 2]))
    np.testing.assert_allclose(measure_magnitude(slices), [5, 7 / 6, 5 / 6**0.5], rtol=1e-6)


@settings(deadline=None)
@given(arrays(np.float32, array_shapes(max_dims=3, max_side=5), elements=st.sampled_from([0, 1, -2, np.nan, np.inf])))
def test_zeros_nans_and_infinities_are_counted(gradient):
    row = dict(zip(STATISTICS, measure(tf.constant(gradient)).numpy(), strict=True))
    assert row["zeros"] == pytest.approx((gradient == 0).mean())
    assert row["nans"] == np.isnan(gradient).sum()
    assert row["infs"] == np.isinf(gradient).sum()
    if np.isfinite(gradient).all():
        assert row["max_abs"] == np.abs(gradient).max()


def test_a_change_is_relative_to_the_norm_before_it():
    before, after = np.random.default_rng(0).normal(size=(2, 5, 3))
    expected = np.linalg.norm(after - before) / np.linalg.norm(before)
    assert float(compute_relative_change(before, after)) == pytest.approx(expected)
    assert float(compute_relative_change(tf.zeros(3), tf.zeros(3))) == 0
