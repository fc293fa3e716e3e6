"""TensorBoard reads the records from the event files."""

import copy

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from zoo.telemetry import GradientRecorder


def train(points, recorder, *, epochs=2):
    keras.utils.set_random_seed(0)
    hidden = layers.Dense(3, "sigmoid", name="hidden")
    model = keras.Sequential([keras.Input((2,)), hidden, layers.Dense(2, "softmax", name="output")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(*points, batch_size=16, epochs=epochs, verbose=0, callbacks=[recorder])


def read_events(folder):
    reader = EventAccumulator(str(folder))
    reader.Reload()
    return reader


@pytest.fixture
def recorder(points, tmp_path):
    recorder = GradientRecorder(activations=True, histograms=True, log_dir=tmp_path)
    train(points, recorder)
    return recorder


def read_scalars(reader, tag):
    return [(event.step, float(tf.make_ndarray(event.tensor_proto))) for event in reader.Tensors(tag)]


def test_every_statistic_is_a_scalar_at_its_step(recorder, tmp_path):
    reader = read_events(tmp_path)
    rows = recorder.frame(full=True).query("layer == 'hidden' and variable == 'kernel'")
    for name in ("l2", "rms", "update_ratio", "zeros"):
        scalars = read_scalars(reader, f"gradient_{name}/hidden/kernel")
        assert [step for step, _ in scalars] == [4, 8] == rows["step"].tolist()
        np.testing.assert_allclose([value for _, value in scalars], rows[name], rtol=1e-6)


def test_activations_are_scalars_if_they_are_defined(recorder, tmp_path):
    reader = read_events(tmp_path)
    tags = [tag for tag in reader.Tags()["tensors"] if tag.startswith("activation_")]
    assert "activation_saturated/hidden" in tags
    assert "activation_saturated/output" not in tags
    scalars = [value for _, value in read_scalars(reader, "activation_delta_rms/output")]
    np.testing.assert_allclose(scalars, recorder.activation_frame().query("layer == 'output'")["delta_rms"], rtol=1e-6)


def test_histograms_are_over_the_power_of_ten(recorder, tmp_path):
    (first, _) = read_events(tmp_path).Tensors("gradient_log10/hidden/kernel")
    left, right, count = np.frombuffer(first.tensor_proto.tensor_content, "float64").reshape(-1, 3).T
    rows = recorder.histogram_frame().query("epoch == 1 and layer == 'hidden' and variable == 'kernel'")
    np.testing.assert_allclose(10**left, rows["low"])
    np.testing.assert_allclose(10**right, rows["high"])
    assert count.tolist() == rows["count"].tolist()
    assert count.sum() == 4 * 6


def test_another_training_adds_a_file_to_the_folder(recorder, points, tmp_path):
    train(points, recorder, epochs=1)
    assert len(list(tmp_path.glob("events.out.*"))) == 2


def test_a_deep_copy_writes_to_a_folder_of_its_own(recorder, points, tmp_path):
    for _ in range(2):
        train(points, copy.deepcopy(recorder))
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"1", "2"}
    assert read_events(tmp_path / "2").Tags()["tensors"]


def test_no_folder_is_created_before_the_first_record(tmp_path):
    GradientRecorder(log_dir=tmp_path / "logs")
    assert not (tmp_path / "logs").exists()
