"""The one private method of Keras that is used: these fail when a new Keras changes it."""

import keras
import pytest
import tensorflow as tf

from zoo.telemetry.tap import SEAM, Tap


@pytest.mark.parametrize("optimizer", [keras.optimizers.SGD, keras.optimizers.Adam, keras.optimizers.Lion])
def test_every_update_passes_through_the_seam_with_its_weights(optimizer):
    passed = []
    optimizer, weight = optimizer(0.1), keras.Variable([1.0, 2.0])
    below = getattr(optimizer, SEAM)

    def seen(pairs):
        passed.extend(pairs)
        return below(pairs)

    vars(optimizer)[SEAM] = seen
    optimizer.apply([tf.constant([3.0, 4.0])], [weight])
    ((gradient, variable),) = passed
    assert gradient.numpy().tolist() == [3, 4]
    assert variable is weight.value


def test_a_keras_without_the_seam_is_refused_with_its_version():
    class Other:
        pass

    with pytest.raises(RuntimeError, match=rf"cannot be recorded with Keras {keras.__version__}.*no {SEAM}"):
        Tap(Other(), list, every=None, capacity=1)
