"""The private methods of Keras are tested in tests/zoo/utils/test_keras_private.py."""

import keras
import pytest

from zoo.telemetry.tap import Tap


def test_an_optimizer_without_the_gradient_methods_is_rejected_with_the_version():
    class Other:
        pass

    with pytest.raises(RuntimeError, match=rf"cannot be recorded with Keras {keras.__version__}.*no _clip_gradients"):
        Tap(Other(), list, every=None, capacity=1)
