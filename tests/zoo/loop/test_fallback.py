"""Trainings that cannot run in compiled calls fall back to Keras' own `fit` with a warning."""

import warnings

import keras
import pytest
import tensorflow as tf

from tests.zoo.loop.small_model import assert_same_weights, create_model
from zoo.loop.fallback import find_fallback_reason
from zoo.training import SlowFit, fit

pytestmark = pytest.mark.usefixtures("no_timings")


def test_a_callback_that_needs_every_step_is_called_at_every_step_with_a_warning(points):
    class EveryStep(keras.callbacks.Callback):
        steps = 0

        def on_train_batch_end(self, batch, logs=None):
            self.steps += 1

    counter = EveryStep()
    slow, quick = create_model(), create_model()
    with pytest.warns(SlowFit, match="step by step.*EveryStep must be called at every step.*content_with_calls = True"):
        fit(slow, *points, batch_size=10, epochs=2, verbose=0, callbacks=[counter])
    assert counter.steps == 14
    fit(quick, *points, batch_size=10, epochs=2, verbose=0, jit_compile=False)
    assert_same_weights(slow, quick)


def test_callbacks_of_keras_run_without_a_warning(points, tmp_path):
    callbacks = [
        keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", monitor="loss", save_best_only=True),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.ReduceLROnPlateau("loss"),
        keras.callbacks.TensorBoard(tmp_path / "logs"),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error", SlowFit)
        fit(create_model(), *points, epochs=2, verbose=0, callbacks=callbacks, jit_compile=False)
    assert (tmp_path / "best.keras").exists()


@pytest.mark.parametrize(
    "options", [{"write_steps_per_second": True}, {"profile_batch": 2}, {"update_freq": "batch"}, {"update_freq": 3}]
)
def test_tensorboard_by_step_is_called_at_every_step(tmp_path, options):
    callback = keras.callbacks.TensorBoard(tmp_path, **options)
    assert "TensorBoard must be called at every step" in find_fallback_reason(create_model(), [callback])


@pytest.mark.parametrize("data", ["dataset", "generator"])
def test_keras_trains_on_data_that_are_not_arrays(points, data):
    x = tf.data.Dataset.from_tensor_slices(points).batch(10)
    if data == "generator":
        x = keras.utils.timeseries_dataset_from_array(points[0], points[1], 1, batch_size=10).map(
            lambda x, y: (x[:, 0], y)
        )
    with pytest.warns(SlowFit, match="its data are a .*Dataset, not arrays"):
        fit(create_model(), x, verbose=0)


def test_keras_trains_a_model_that_runs_eagerly(points):
    with pytest.warns(SlowFit, match="run_eagerly"):
        fit(create_model(run_eagerly=True), *points, verbose=0)
