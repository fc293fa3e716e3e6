import keras
import numpy as np
import pytest
from keras.optimizers.schedules import PiecewiseConstantDecay

from zoo.optimizers import MomentumSGD

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
def test_with_a_number_it_is_keras_own(nesterov):
    ours, stock = (kind(0.1, momentum=0.8, nesterov=nesterov) for kind in (MomentumSGD, keras.optimizers.SGD))
    np.testing.assert_array_equal(path(ours), path(stock))


@pytest.mark.parametrize("nesterov", [False, True])
def test_a_schedule_that_never_changes_is_a_number(nesterov):
    never = PiecewiseConstantDecay([10**6], [0.8, 0.8])
    scheduled, stock = MomentumSGD(0.1, never, nesterov=nesterov), keras.optimizers.SGD(0.1, 0.8, nesterov=nesterov)
    np.testing.assert_allclose(path(scheduled), path(stock), rtol=1e-5, atol=1e-7)


def test_the_momentum_changes_when_the_schedule_says_so():
    found = path(MomentumSGD(0.1, PiecewiseConstantDecay([2], [0.5, 0.9])))
    change, weight = np.zeros(4), np.zeros(4)
    for step, gradient in enumerate(GRADIENTS):
        change = (0.5 if step <= 2 else 0.9) * change - 0.1 * gradient
        weight = weight + change
        np.testing.assert_allclose(found[step], weight, rtol=1e-5, atol=1e-6)


def test_its_schedules_are_saved_and_opened():
    optimizer = MomentumSGD(PiecewiseConstantDecay([3], [0.2, 0.1]), PiecewiseConstantDecay([2], [0.5, 0.9]))
    opened = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))
    np.testing.assert_array_equal(path(opened), path(optimizer))
