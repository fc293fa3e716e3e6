import keras
import numpy as np
import pytest
from keras.optimizers.schedules import PiecewiseConstantDecay

from zoo.errors import InvalidValue
from zoo.optimizers import DiagonalLevenbergMarquardt, MomentumSGD

GRADIENTS = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")


def path(optimizer):
    """Returns where each gradient takes a weight that starts at zero."""
    weight = keras.Variable(np.zeros(4, "float32"))
    seen = []
    for gradient in GRADIENTS:
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [weight])
        seen.append(weight.numpy())
    return np.array(seen)


@pytest.mark.parametrize("nesterov", [False, True])
def test_constant_momentum_equals_keras_sgd(nesterov):
    ours, stock = (kind(0.1, momentum=0.8, nesterov=nesterov) for kind in (MomentumSGD, keras.optimizers.SGD))
    np.testing.assert_array_equal(path(ours), path(stock))


@pytest.mark.parametrize("nesterov", [False, True])
def test_constant_schedule_equals_a_number(nesterov):
    never = PiecewiseConstantDecay([10**6], [0.8, 0.8])
    scheduled, stock = MomentumSGD(0.1, never, nesterov=nesterov), keras.optimizers.SGD(0.1, 0.8, nesterov=nesterov)
    np.testing.assert_allclose(path(scheduled), path(stock), rtol=1e-5, atol=1e-7)


def test_momentum_follows_the_schedule():
    found = path(MomentumSGD(0.1, PiecewiseConstantDecay([2], [0.5, 0.9])))
    change, weight = np.zeros(4), np.zeros(4)
    for step, gradient in enumerate(GRADIENTS):
        change = (0.5 if step <= 2 else 0.9) * change - 0.1 * gradient
        weight = weight + change
        np.testing.assert_allclose(found[step], weight, rtol=1e-5, atol=1e-6)


def test_schedules_survive_save_and_load():
    optimizer = MomentumSGD(PiecewiseConstantDecay([3], [0.2, 0.1]), PiecewiseConstantDecay([2], [0.5, 0.9]))
    opened = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))
    np.testing.assert_array_equal(path(opened), path(optimizer))


def test_levenberg_marquardt_divides_steps_by_the_curvature():
    optimizer = DiagonalLevenbergMarquardt(0.1, damping=0.5)
    weights = [keras.Variable([1.0, 2.0, 3.0]), keras.Variable([4.0])]
    optimizer.build(weights)
    for curvature, values in zip(optimizer.curvatures, ([0.5, 1.5, 0.0], [2.0]), strict=True):
        curvature.assign(values)
    optimizer.apply([keras.ops.convert_to_tensor([1.0, -2.0, 3.0]), keras.ops.convert_to_tensor([5.0])])
    np.testing.assert_allclose(weights[0], [1 - 0.1 / 1.0, 2 + 0.2 / 2.0, 3 - 0.3 / 0.5], rtol=1e-6)
    np.testing.assert_allclose(weights[1], [4 - 0.5 / 2.5], rtol=1e-6)


def test_levenberg_marquardt_takes_newton_steps_on_a_quadratic():
    """Where the curvatures are the true ones, and nothing is added to them to speak of."""
    h, lowest = np.array([0.1, 3.0, 50.0], "float32"), np.array([1.0, -2.0, 0.5], "float32")
    optimizer, weight = DiagonalLevenbergMarquardt(1.0, damping=1e-9), keras.Variable(np.zeros(3, "float32"))
    optimizer.build([weight])
    optimizer.curvatures[0].assign(h)
    optimizer.apply([keras.ops.convert_to_tensor(h * (weight.numpy() - lowest))])
    np.testing.assert_allclose(weight, lowest, rtol=1e-5)


def test_initial_curvature_is_1():
    stock = path(keras.optimizers.SGD(0.1))
    np.testing.assert_allclose(path(DiagonalLevenbergMarquardt(0.15, damping=0.5)), stock, rtol=1e-5)


def test_levenberg_marquardt_survives_save_and_load():
    optimizer = DiagonalLevenbergMarquardt(PiecewiseConstantDecay([3], [0.2, 0.1]), damping=0.3)
    opened = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))
    np.testing.assert_array_equal(path(opened), path(optimizer))


def test_damping_must_be_positive():
    with pytest.raises(InvalidValue, match="damping must be a number > 0; got 0"):
        DiagonalLevenbergMarquardt(damping=0)
