import copy

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import zoo
from zoo.errors import InvalidValue
from zoo.telemetry import GradientProbe


@pytest.fixture
def model():
    keras.utils.set_random_seed(1)
    model = zoo.create("deep_mlp", input_shape=(2,), classes=2, depth=2, activation="sigmoid", l2=0.01)
    model.compile(keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy")
    return model


def compute_norms(model, x, y):
    with tf.GradientTape() as tape:
        loss = model.compute_loss(x, y, model(x))
    return [float(tf.norm(gradient)) for gradient in tape.gradient(loss, model.trainable_variables)]


def test_measure_agrees_with_a_tape_and_leaves_the_weights(points, model):
    before = model.get_weights()
    frame = GradientProbe(*points).measure(model)
    np.testing.assert_allclose(frame["l2"], compute_norms(model, *points), rtol=1e-5)
    assert frame["step"].eq(0).all()
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("steps_per_execution", [1, 2])
def test_callback_measures_before_every_nth_update(points, model, steps_per_execution):
    model.compile(model.optimizer, model.loss, steps_per_execution=steps_per_execution)
    probe, x, y = GradientProbe(*points, every=4), *points
    model.fit(x, y, batch_size=10, epochs=2, shuffle=False, verbose=0, callbacks=[probe])
    frame = probe.frame()
    assert frame[["epoch", "step"]].drop_duplicates().to_numpy().tolist() == [[1, 0], [1, 4], [2, 7], [2, 11]]

    keras.utils.set_random_seed(1)
    reference = zoo.create("deep_mlp", input_shape=(2,), classes=2, depth=2, activation="sigmoid", l2=0.01)
    reference.compile(keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy")
    expected = []
    for step, start in enumerate([*range(0, 64, 10)] * 2):
        if step in (0, 4, 7, 11):
            expected += compute_norms(reference, x, y)
        reference.train_on_batch(x[start : start + 10], y[start : start + 10])
    np.testing.assert_allclose(frame["l2"], expected, rtol=1e-5)


def test_callback_measures_before_each_epoch(points, model):
    probe = GradientProbe(*points)
    model.fit(*points, batch_size=32, epochs=3, verbose=0, callbacks=[probe])
    assert probe.frame()[["epoch", "step"]].drop_duplicates().to_numpy().tolist() == [[1, 0], [2, 2], [3, 4]]


def test_dropout_is_off(points):
    model = zoo.create("dropout_mlp", input_shape=(2,), classes=2, width=20)
    model.compile("sgd", "sparse_categorical_crossentropy")
    probe = GradientProbe(*points)
    assert probe.measure(model).equals(probe.measure(model))


def test_a_loaded_model_is_measured_as_the_saved_one(points, model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert GradientProbe(*points).measure(loaded).equals(GradientProbe(*points).measure(model))


def test_training_logs_the_same_without_a_probe(points):
    def train(callbacks):
        keras.utils.set_random_seed(0)
        x = keras.Input((2,))
        hidden = layers.Dense(4, "tanh")(x)
        model = keras.Model(
            x, {"a": layers.Dense(1, name="a")(hidden), "b": layers.Dense(2, "softmax", name="b")(hidden)}
        )
        model.compile("sgd", {"a": "mse", "b": "sparse_categorical_crossentropy"})
        targets = {"a": points[0][:, 0], "b": points[1]}
        return model.fit(points[0], targets, epochs=2, shuffle=False, verbose=0, callbacks=callbacks(targets)).history

    assert train(lambda targets: [GradientProbe(points[0], targets, every=1)]) == train(lambda _: [])


def test_a_recompiled_or_partly_frozen_model_is_measured_in_its_current_state(points, model):
    probe = GradientProbe(points[0], np.eye(2, dtype="float32")[points[1]])
    model.compile("sgd", "mse")
    first = probe.measure(model)
    model.compile("sgd", "categorical_crossentropy")
    assert (probe.measure(model)["l2"] != first["l2"]).any()
    model.get_layer("hidden_1").trainable = False
    model.compile("sgd", "mse")
    frozen = first[first["layer"] != "hidden_1"].reset_index(drop=True)
    np.testing.assert_allclose(probe.measure(model)["l2"], frozen["l2"], rtol=1e-6)


def test_measuring_many_models_does_not_warn_of_retracing(points, model, caplog, monkeypatch):
    monkeypatch.setattr(tf.get_logger(), "propagate", True)
    for _ in range(8):
        GradientProbe(*points).measure(model)
    assert "retracing" not in caplog.text


def test_weights_without_a_gradient_have_no_rows(points):
    x = keras.Input((2,))
    unused = layers.Dense(3, name="unused")
    model = keras.Model(x, layers.Dense(2, "softmax", name="used")(x + 0 * keras.ops.stop_gradient(unused(x))[:, :2]))
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert set(GradientProbe(*points).measure(model)["layer"]) == {"used"}


def test_a_model_that_is_not_compiled_is_rejected(points):
    with pytest.raises(InvalidValue, match="compile the model first"):
        GradientProbe(*points).measure(zoo.create("shallow_mlp", input_shape=(2,), classes=2))


def test_a_deep_copy_has_the_batch_and_no_records(points, model):
    probe = GradientProbe(*points, every=3)
    model.fit(*points, verbose=0, callbacks=[probe])
    copied = copy.deepcopy(probe)
    assert copied.every == 3
    assert copied.frame().empty
    assert copied.measure(model).equals(probe.measure(model))
