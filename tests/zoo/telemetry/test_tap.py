"""The two private methods of Keras that are used: these fail when a new Keras changes them."""

import keras
import pytest
import tensorflow as tf

from zoo.telemetry.tap import CLIP, SEAM, Tap


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


def test_every_gradient_passes_through_the_clipping_in_order():
    passed = []
    optimizer, weights = keras.optimizers.SGD(0.1, clipvalue=1.0), [keras.Variable([1.0]), keras.Variable([2.0])]
    below = getattr(optimizer, CLIP)

    def seen(gradients):
        passed.append(([float(g[0]) for g in gradients], [float(g[0]) for g in below(gradients)]))
        return below(gradients)

    vars(optimizer)[CLIP] = seen
    optimizer.apply([tf.constant([3.0]), tf.constant([0.5])], weights)
    assert passed == [([3.0, 0.5], [1.0, 0.5])]


def test_a_keras_without_the_seam_is_refused_with_its_version():
    class Other:
        pass

    with pytest.raises(RuntimeError, match=rf"cannot be recorded with Keras {keras.__version__}.*no {CLIP}"):
        Tap(Other(), list, every=None, capacity=1)
