import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.activations import scaled_tanh


def curvature(at):
    at = tf.Variable(at, dtype=tf.float64)
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            value = scaled_tanh(at)
        slope = inner.gradient(value, at)
    return value.numpy(), slope.numpy(), outer.gradient(slope, at).numpy()


def test_values_at_1_and_slope_at_0_are_as_published():
    value, slope, _ = curvature([-1.0, 0.0, 1.0])
    np.testing.assert_allclose(value, [-0.9999973, 0, 0.9999973], atol=5e-8)
    assert slope[1] == pytest.approx(1.7159 * 2 / 3)
    assert slope[1] == pytest.approx(1.14393, abs=5e-6)


def test_curvature_is_largest_near_1():
    a = np.linspace(0, 3, 30_001)
    assert a[np.abs(curvature(a)[2]).argmax()] == pytest.approx(0.98772, abs=1e-4)


def test_config_round_trip_of_a_layer():
    layer = keras.layers.Dense(3, scaled_tanh)
    assert keras.layers.Dense.from_config(layer.get_config()).activation is scaled_tanh
