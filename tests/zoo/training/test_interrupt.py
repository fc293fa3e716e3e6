import os
import signal

import keras
import pytest
from keras import layers

from zoo.training import fit
from zoo.training.interrupt import Interrupt


class CtrlCDuringDeletion(keras.callbacks.Callback):
    """Sends Ctrl-C while an object is deleted, where Python drops it."""

    def on_epoch_end(self, epoch, logs=None):
        class Deleted:
            def __del__(self):
                os.kill(os.getpid(), signal.SIGINT)
                for _ in range(1000):
                    pass

        if epoch == 1:
            deleted = Deleted()
            del deleted


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_that_python_drops_ends_the_training_at_the_next_call(points):
    model = keras.Sequential([keras.Input((2,)), layers.Dense(2, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), Interrupt() as interrupt:
        fit(model, *points, epochs=50, verbose=0, callbacks=[interrupt, CtrlCDuringDeletion()], jit_compile=False)
    assert len(model.history.history["loss"]) == 2
    assert signal.getsignal(signal.SIGINT) is before
