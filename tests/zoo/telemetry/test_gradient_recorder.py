"""The records are those of a plain gradient tape, whatever way Keras runs the step."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keras import layers

import zoo
from zoo.errors import InvalidValue
from zoo.telemetry import GradientRecorder
from zoo.telemetry.gradient_recorder import COLUMNS

STATISTICS = ["l2", "mean_abs", "rms"]


def small_model(optimizer=None, **compiled):
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((2,)),
            layers.Dense(5, "tanh", name="hidden", kernel_regularizer="l2"),
            layers.Dense(2, "softmax", name="output"),
        ]
    )
    model.compile(optimizer or keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", **compiled)
    return model


def record(model, x, y, *, every=1, epochs=2, batch_size=10):
    recorder = GradientRecorder(every=every)
    model.fit(x, y, epochs=epochs, batch_size=batch_size, shuffle=False, verbose=0, callbacks=[recorder])
    return recorder.frame()


def taped(model, x, y, *, epochs=2, batch_size=10):
    """Trains as `fit` does, with a tape, and returns the statistics of each step: (steps, weights, 3)."""
    rows = []
    for _ in range(epochs):
        for start in range(0, len(x), batch_size):
            batch = slice(start, start + batch_size)
            with tf.GradientTape() as tape:
                loss = model.compute_loss(x[batch], y[batch], model(x[batch], training=True))
            gradients = tape.gradient(loss, model.trainable_variables)
            model.optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            exact = [tf.convert_to_tensor(g).numpy().astype(np.float64) for g in gradients]
            rows.append([[np.linalg.norm(g), np.abs(g).mean(), np.sqrt((g**2).mean())] for g in exact])
    return np.array(rows)


def as_array(frame, weights):
    return frame[STATISTICS].to_numpy().reshape(-1, weights, 3)


@pytest.mark.parametrize(
    "compiled",
    [
        pytest.param({}, id="plain"),
        pytest.param({"steps_per_execution": 3}, id="steps_per_execution=3"),
        pytest.param({"steps_per_execution": 50}, id="steps_per_execution=50"),
        pytest.param({"jit_compile": True}, id="jit_compile"),
        pytest.param({"jit_compile": True, "steps_per_execution": 4}, id="jit_compile, steps_per_execution=4"),
        pytest.param({"run_eagerly": True}, id="run_eagerly"),
    ],
)
def test_every_way_to_run_a_step_gives_the_tape_s_numbers(points, compiled):
    expected = taped(small_model(), *points)
    steps = record(small_model(**compiled), *points)
    np.testing.assert_allclose(as_array(steps, 4), expected, rtol=1e-5)
    epochs = record(small_model(**compiled), *points, every="epoch")
    np.testing.assert_allclose(as_array(epochs, 4), expected.reshape(2, 7, 4, 3).mean(axis=1), rtol=1e-5)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    widths=st.lists(st.integers(1, 7), min_size=1, max_size=4),
    activation=st.sampled_from(["sigmoid", "tanh", "softplus", "linear"]),
    optimizer=st.sampled_from(["sgd", "adam", "rmsprop", "adagrad"]),
    penalty=st.sampled_from([0.0, 0.01]),
    batch_size=st.integers(5, 64),
    steps_per_execution=st.sampled_from([1, 4]),
)
def test_any_architecture_gives_the_tape_s_numbers(
    points, widths, activation, optimizer, penalty, batch_size, steps_per_execution
):
    def model():
        keras.utils.set_random_seed(1)
        hidden = [layers.Dense(w, activation, kernel_regularizer=keras.regularizers.L2(penalty)) for w in widths]
        model = keras.Sequential([keras.Input((2,)), *hidden, layers.Dense(2, "softmax")])
        model.compile(optimizer, "sparse_categorical_crossentropy", steps_per_execution=steps_per_execution)
        return model

    expected = taped(model(), *points, batch_size=batch_size)
    frame = record(model(), *points, batch_size=batch_size)
    np.testing.assert_allclose(as_array(frame, 2 * len(widths) + 2), expected, rtol=1e-5, atol=1e-12)


def test_the_frame_is_tidy(points):
    frame = record(small_model(), *points, every=1)
    assert frame.columns.tolist() == list(COLUMNS) == ["epoch", "step", "layer", "variable", *STATISTICS]
    assert frame["epoch"].unique().tolist() == [1, 2]
    assert frame["step"].unique().tolist() == list(range(1, 15))
    assert not frame.duplicated(["step", "layer", "variable"]).any()
    assert frame[["layer", "variable"]].drop_duplicates().to_numpy().tolist() == [
        ["hidden", "kernel"],
        ["hidden", "bias"],
        ["output", "kernel"],
        ["output", "bias"],
    ]
    assert GradientRecorder().frame().columns.tolist() == list(COLUMNS)


def test_every_n_updates_are_recorded_from_the_first_on(points):
    everything = record(small_model(), *points, every=1, epochs=3)
    some = record(small_model(), *points, every=4, epochs=3)
    assert some["step"].unique().tolist() == [1, 5, 9, 13, 17, 21]
    expected = everything[everything["step"] % 4 == 1].reset_index(drop=True)
    assert some.equals(expected)


def test_more_records_than_the_device_keeps_are_all_there(points):
    x, y = (np.tile(points[0], (10, 1)), np.tile(points[1], 10))
    frame = record(small_model(steps_per_execution=7), x, y, every=1, batch_size=1, epochs=1)
    assert frame["step"].unique().tolist() == list(range(1, 641))
    expected = taped(small_model(), x, y, batch_size=1, epochs=1)
    np.testing.assert_allclose(as_array(frame, 4), expected, rtol=1e-4)


@pytest.mark.parametrize("clip", [{"clipnorm": 0.05}, {"clipvalue": 0.01}, {"global_clipnorm": 0.05}])
def test_clipped_gradients_are_recorded_as_they_are_applied(points, clip):
    model = small_model(keras.optimizers.SGD(1.0, **clip))
    before = model.get_weights()
    frame = record(model, *points, epochs=1, batch_size=64)
    applied = [np.linalg.norm(old - new) for old, new in zip(before, model.get_weights(), strict=True)]
    np.testing.assert_allclose(frame["l2"], applied, rtol=1e-5)


def test_accumulated_gradients_are_recorded_once_an_update(points):
    expected = taped(small_model(), *points, batch_size=32)
    frame = record(small_model(keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)), *points, batch_size=16)
    assert frame["step"].unique().tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(as_array(frame, 4), expected, rtol=1e-5)


def test_gradients_under_mixed_precision_are_unscaled(points):
    model = small_model(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), initial_scale=1024.0))
    np.testing.assert_allclose(as_array(record(model, *points), 4), taped(small_model(), *points), rtol=1e-5)


def test_frozen_layers_have_no_rows(points):
    model = small_model()
    model.get_layer("hidden").trainable = False
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert set(record(model, *points)["layer"]) == {"output"}


def test_weights_without_a_gradient_have_no_rows(points):
    class Lazy(keras.Model):
        def __init__(self):
            super().__init__()
            self.used, self.unused = layers.Dense(2, "softmax", name="used"), layers.Dense(3, name="unused")

        def call(self, x):
            self.unused(x)
            return self.used(x)

    model = Lazy()
    model.compile("sgd", "sparse_categorical_crossentropy")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Gradients do not exist")
        assert set(record(model, *points)["layer"]) == {"used"}


def test_an_embedding_s_slices_are_added_up():
    def model():
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((3,)), layers.Embedding(4, 2), layers.Flatten(), layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    x = np.random.default_rng(0).integers(4, size=(20, 3))
    y = np.ones((20, 1), "float32")
    np.testing.assert_allclose(as_array(record(model(), x, y), 3), taped(model(), x, y), rtol=1e-5)


def test_a_train_step_of_one_s_own_with_two_optimizers_is_recorded(points):
    class Rivals(keras.Model):
        def __init__(self):
            super().__init__()
            self.left, self.right = layers.Dense(1, name="left"), layers.Dense(1, name="right")
            self.left_optimizer, self.right_optimizer = keras.optimizers.SGD(0.1), keras.optimizers.Adam(0.1)

        def call(self, x):
            return self.left(x) - self.right(x)

        def train_step(self, data):
            x, y = data
            for layer, optimizer in ((self.left, self.left_optimizer), (self.right, self.right_optimizer)):
                with tf.GradientTape() as tape:
                    loss = tf.reduce_mean((self(x)[:, 0] - tf.cast(y, tf.float32)) ** 2)
                optimizer.apply(tape.gradient(loss, layer.trainable_variables), layer.trainable_variables)
            return {"loss": loss}

    model = Rivals()
    model.compile()
    frame = record(model, *points, epochs=1)
    assert frame.groupby("layer")["step"].unique().map(list).to_dict() == {
        "left": list(range(1, 8)),
        "right": list(range(1, 8)),
    }
    assert (frame["l2"] > 0).all()


class TestTheModelIsLeftAsItWasFound:
    def test_after_training(self, points):
        model = small_model()
        model.fit(*points, verbose=0)
        found, optimizer_state = model.train_function, set(vars(model.optimizer))
        variables = len(model.variables), len(model.optimizer.variables)
        record(model, *points)
        assert model.train_function is found
        assert set(vars(model.optimizer)) == optimizer_state
        assert (len(model.variables), len(model.optimizer.variables)) == variables

    def test_its_weights_are_those_of_a_training_without_a_recorder(self, points):
        watched, alone = small_model(), small_model()
        record(watched, *points)
        alone.fit(*points, epochs=2, batch_size=10, shuffle=False, verbose=0)
        for one, other in zip(watched.get_weights(), alone.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)

    @pytest.mark.parametrize("hook", ["on_train_batch_begin", "on_train_batch_end", "on_epoch_begin", "on_epoch_end"])
    def test_after_an_exception_in_another_callback(self, points, hook):
        model, recorder = small_model(), GradientRecorder()

        def fail(*_, **__):
            raise KeyboardInterrupt

        other = keras.callbacks.Callback()
        setattr(other, hook, fail)
        model.fit(*points, verbose=0)
        found, optimizer_state = model.train_function, set(vars(model.optimizer))
        with pytest.raises(KeyboardInterrupt):
            model.fit(*points, verbose=0, callbacks=[other, recorder])
        assert model.train_function is found
        assert set(vars(model.optimizer)) == optimizer_state

    def test_after_an_exception_in_the_step(self, points):
        class Failing(keras.layers.Layer):
            def call(self, x):
                tf.debugging.assert_less(tf.reduce_max(x), 100.0)
                return x

        model = keras.Sequential([keras.Input((2,)), Failing(), layers.Dense(2, "softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
        model.fit(*points, verbose=0)
        found, optimizer_state = model.train_function, set(vars(model.optimizer))
        with pytest.raises(tf.errors.InvalidArgumentError):
            record(model, points[0] * 1000, points[1])
        assert model.train_function is found
        assert set(vars(model.optimizer)) == optimizer_state

    def test_it_is_saved_without_a_trace_of_the_recorder(self, points, tmp_path):
        model = small_model()
        record(model, *points)
        model.save(tmp_path / "model.keras")
        assert "zoo" not in keras.saving.load_model(tmp_path / "model.keras").to_json()


def test_an_interrupted_epoch_is_in_the_frame(points):
    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                raise KeyboardInterrupt

    expected = taped(small_model(), *points, epochs=1)[:3].mean(axis=0)
    model, recorder = small_model(), GradientRecorder()
    with pytest.raises(KeyboardInterrupt):
        model.fit(*points, batch_size=10, shuffle=False, verbose=0, callbacks=[recorder, Interrupt()])
    frame = recorder.frame()
    assert frame["step"].unique().tolist() == [3]
    np.testing.assert_allclose(as_array(frame, 4)[0], expected, rtol=1e-5)
    assert recorder.frame().equals(frame)


def test_steps_go_on_where_the_optimizer_stands(points):
    model, recorder = small_model(), GradientRecorder()
    model.fit(*points, batch_size=32, verbose=0)
    model.fit(*points, batch_size=32, epochs=2, verbose=0, callbacks=[recorder])
    model.fit(*points, batch_size=32, epochs=3, initial_epoch=2, verbose=0, callbacks=[recorder])
    assert recorder.frame()[["epoch", "step"]].drop_duplicates().to_numpy().tolist() == [[1, 4], [2, 6], [3, 8]]


def test_one_recorder_watches_two_models_in_turn(points):
    recorder = GradientRecorder(every=1)
    for _ in range(2):
        small_model().fit(*points, batch_size=10, shuffle=False, verbose=0, callbacks=[recorder])
    expected = taped(small_model(), *points, epochs=1)
    np.testing.assert_allclose(as_array(recorder.frame(), 4), np.concatenate([expected] * 2), rtol=1e-5)


def test_two_recorders_watch_one_model(points):
    recorders = [GradientRecorder(every=1), GradientRecorder(every=2)]
    small_model().fit(*points, batch_size=10, shuffle=False, epochs=2, verbose=0, callbacks=recorders)
    every, other = (recorder.frame() for recorder in recorders)
    np.testing.assert_allclose(as_array(every, 4), taped(small_model(), *points), rtol=1e-5)
    assert other.equals(every[every["step"] % 2 == 1].reset_index(drop=True))


def test_the_first_break_is_found_nearest_to_the_loss(points):
    model = small_model(keras.optimizers.SGD(1e30))
    recorder = GradientRecorder()
    model.fit(*points, batch_size=10, verbose=0, callbacks=[recorder])
    step, layer, variable = recorder.first_broken()
    assert step > 1
    assert (layer, variable) == ("output", "bias")
    assert GradientRecorder().first_broken() is None


def test_a_vanished_gradient_is_measured_far_below_what_its_square_could_be(points):
    keras.utils.set_random_seed(0)
    model = zoo.create("deep_mlp", input_shape=(2,), classes=2, depth=40, activation="sigmoid", initializer="glorot")
    model.compile("sgd", "sparse_categorical_crossentropy")
    first = record(model, *points, epochs=1).query("step == 1 and variable == 'kernel'")["l2"]
    assert 0 < first.iloc[0] < 1e-19
    assert first.iloc[-1] > 1e-3


@pytest.mark.parametrize("every", [0, -1, 1.5, "step", None, True])
def test_another_interval_is_refused(every):
    with pytest.raises(InvalidValue, match="every must be a whole number of at least 1, or one of 'epoch'"):
        GradientRecorder(every=every)
