"""Records agree with a plain gradient tape, however Keras runs the step."""

import copy
import functools
import pickle
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from keras import layers

import zoo
from zoo.errors import InvalidValue
from zoo.telemetry import Alarm, GradientRecorder, GradientWarning
from zoo.telemetry.frames import COLUMNS

ROOT = Path(__file__).parents[3]
STATISTICS = ["l2", "mean_abs", "rms"]


def create_model(optimizer=None, **compiled):
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
    return recorder.frame(full=True)


def compute_with_tape(model, x, y, *, epochs=2, batch_size=10):
    """Trains as `fit` does, with a tape, and returns statistics of shape (steps, weights, 3)."""
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


def to_array(frame, weights):
    return frame[STATISTICS].to_numpy().reshape(-1, weights, 3)


@pytest.fixture(scope="module")
def expected(points):
    """Statistics of the steps, computed with a tape."""
    return compute_with_tape(create_model(), *points)


@pytest.fixture(scope="module")
def steps(points):
    """Records of the steps."""
    return record(create_model(), *points)


@pytest.mark.parametrize(
    "compiled",
    [
        pytest.param({}, id="plain"),
        pytest.param({"steps_per_execution": 3}, id="steps_per_execution=3"),
        pytest.param({"steps_per_execution": 50}, id="steps_per_execution=50"),
        pytest.param({"jit_compile": True, "steps_per_execution": 4}, id="jit_compile, steps_per_execution=4"),
        pytest.param({"run_eagerly": True}, id="run_eagerly"),
    ],
)
def test_records_agree_with_a_tape_in_every_execution_mode(points, expected, compiled):
    steps = record(create_model(**compiled), *points)
    np.testing.assert_allclose(to_array(steps, 4), expected, rtol=1e-5)
    epochs = record(create_model(**compiled), *points, every="epoch")
    np.testing.assert_allclose(to_array(epochs, 4), expected.reshape(2, 7, 4, 3).mean(axis=1), rtol=1e-5)


@pytest.fixture
def double_precision():
    policy, floatx = keras.config.dtype_policy(), keras.config.floatx()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(policy)


@pytest.mark.large
@settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    widths=st.lists(st.integers(1, 7), min_size=1, max_size=4),
    activation=st.sampled_from(["sigmoid", "tanh", "softplus", "linear"]),
    # Optimizers that divide by the gradient's size would amplify rounding.
    optimizer=st.sampled_from(["sgd", "adagrad"]),
    penalty=st.sampled_from([0.0, 0.01]),
    batch_size=st.integers(5, 64),
    steps_per_execution=st.sampled_from([1, 4]),
)
@pytest.mark.usefixtures("double_precision")
def test_records_agree_with_a_tape_for_any_architecture(
    points, widths, activation, optimizer, penalty, batch_size, steps_per_execution
):
    """In double precision, since single precision loses digits in a mean whose terms cancel."""

    def model():
        keras.utils.set_random_seed(1)
        hidden = [layers.Dense(w, activation, kernel_regularizer=keras.regularizers.L2(penalty)) for w in widths]
        model = keras.Sequential([keras.Input((2,)), *hidden, layers.Dense(2, "softmax")])
        model.compile(optimizer, "sparse_categorical_crossentropy", steps_per_execution=steps_per_execution)
        return model

    expected = compute_with_tape(model(), *points, batch_size=batch_size)
    frame = record(model(), *points, batch_size=batch_size)
    np.testing.assert_allclose(to_array(frame, 2 * len(widths) + 2), expected, rtol=1e-5, atol=1e-9)


def test_frame_is_tidy(steps):
    labels = ["epoch", "step", "layer", "variable"]
    assert list(COLUMNS) == [*labels, *STATISTICS]
    assert steps.columns.tolist() == [*COLUMNS, "max_abs", "zeros", "nans", "infs", "update_ratio"]
    assert steps["epoch"].unique().tolist() == [1, 2]
    assert steps["step"].unique().tolist() == list(range(1, 15))
    assert not steps.duplicated(["step", "layer", "variable"]).any()
    assert steps[["layer", "variable"]].drop_duplicates().to_numpy().tolist() == [
        ["hidden", "kernel"],
        ["hidden", "bias"],
        ["output", "kernel"],
        ["output", "bias"],
    ]
    assert GradientRecorder().frame().columns.tolist() == list(COLUMNS)


def test_every_nth_update_is_recorded_from_the_first_on(points, steps):
    some = record(create_model(), *points, every=4)
    assert some["step"].unique().tolist() == [1, 5, 9, 13]
    expected = steps[steps["step"] % 4 == 1].reset_index(drop=True)
    assert some.equals(expected)


def test_no_record_is_lost_when_there_are_more_than_the_capacity(points):
    x, y = (np.tile(points[0], (6, 1)), np.tile(points[1], 6))
    frame = record(create_model(steps_per_execution=7), x, y, every=1, batch_size=1, epochs=1)
    assert frame["step"].unique().tolist() == list(range(1, 385))
    expected = compute_with_tape(create_model(), x, y, batch_size=1, epochs=1)
    np.testing.assert_allclose(to_array(frame, 4), expected, rtol=1e-4)


def test_an_epoch_has_the_mean_minimum_and_maximum_over_its_updates(points, steps):
    steps = to_array(steps, 4).reshape(2, 7, 4, 3)
    epochs = record(create_model(), *points, every="epoch")
    for suffix, summary in (("", steps.mean(axis=1)), ("_min", steps.min(axis=1)), ("_max", steps.max(axis=1))):
        actual = epochs[[name + suffix for name in STATISTICS]].to_numpy().reshape(2, 4, 3)
        np.testing.assert_allclose(actual, summary, rtol=1e-12)


def test_samples_are_spread_evenly_over_a_long_epoch(points):
    everything = record(create_model(), *points, every=1, batch_size=4)
    recorder = GradientRecorder(samples=5)
    create_model().fit(*points, epochs=2, batch_size=4, shuffle=False, verbose=0, callbacks=[recorder])
    sampled = everything[(everything["step"] - 1) % 4 == 0]
    expected = sampled.groupby(["epoch", "layer", "variable"], sort=False)["l2"].agg(["mean", "min", "max"])
    np.testing.assert_allclose(recorder.frame(full=True)[["l2", "l2_min", "l2_max"]], expected, rtol=1e-12)


@pytest.fixture(scope="module")
def update_ratios(points):
    """Function that returns the relative change of each weight in each step."""

    @functools.cache
    def compute(optimizer):
        model, ratios = create_model(optimizer(0.1)), []
        x, y = points
        for start in list(range(0, 64, 10)) * 2:
            before = model.get_weights()
            model.train_on_batch(x[start : start + 10], y[start : start + 10])
            pairs = zip(before, model.get_weights(), strict=True)
            # Biases start at zero: there is no ratio yet.
            ratios.append([np.linalg.norm(new - old) / np.linalg.norm(old) if old.any() else 0 for old, new in pairs])
        return ratios

    return compute


@pytest.mark.parametrize(
    ("optimizer", "compiled"),
    [
        (keras.optimizers.SGD, {}),
        # AdamW decays weights between clipping and reduction too, in every execution mode.
        (keras.optimizers.AdamW, {}),
        pytest.param(keras.optimizers.AdamW, {"jit_compile": True}, marks=pytest.mark.large),
        (keras.optimizers.AdamW, {"run_eagerly": True}),
    ],
)
def test_update_ratio_is_the_relative_change_of_the_weight(points, update_ratios, compiled, optimizer):
    ratios = update_ratios(optimizer)
    frame = record(create_model(optimizer(0.1), **compiled), *points)
    np.testing.assert_allclose(frame["update_ratio"].to_numpy().reshape(14, 4), ratios, rtol=1e-4)
    epochs = record(create_model(optimizer(0.1), **compiled), *points, every="epoch")
    expected = np.reshape(ratios, (2, 7, 4)).mean(axis=1).ravel()
    np.testing.assert_allclose(epochs["update_ratio"], expected, rtol=1e-4)


@pytest.mark.parametrize("clip", [{"clipnorm": 0.2}, {"clipvalue": 0.1}, {"global_clipnorm": 0.5}])
def test_norm_before_clipping_and_share_of_clipped_updates_are_recorded(points, clip):
    model, unclipped = create_model(keras.optimizers.SGD(0.1, **clip)), []
    original = type(model.optimizer)._clip_gradients

    def observe(self, gradients):
        after = original(self, gradients)
        pairs = zip(gradients, after, strict=True)
        unclipped.append([(np.linalg.norm(b), not np.allclose(a, b, rtol=1e-5, atol=0)) for b, a in pairs])
        return after

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(model.optimizer), "_clip_gradients", observe)
        compute_with_tape(model, *points)
    expected = np.array(unclipped).reshape(2, 7, 4, 2).mean(axis=1).reshape(-1, 2)
    epochs = record(create_model(keras.optimizers.SGD(0.1, **clip)), *points, every="epoch")
    np.testing.assert_allclose(epochs[["l2_unclipped", "clipped"]], expected, rtol=1e-5)
    assert 0 < epochs["clipped"].mean() < 1


@pytest.mark.large
def test_two_replicas_record_the_same_as_one_device():
    program = """
import json, sys
import keras, numpy as np, tensorflow as tf
from zoo.telemetry import Alarm, GradientRecorder, GradientWarning
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
# Each replica has the same eight examples, so that the first one's activations are those of the batch.
x = np.random.default_rng(0).normal(size=(4, 8, 2)).repeat(2, axis=0).reshape(64, 2).astype("float32")
y = (x[:, 0] > 0).astype("int64")
frames, activations, counts = [], [], []
for strategy in (tf.distribute.get_strategy(), tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])):
    for every in (1, "epoch"):
        with strategy.scope():
            keras.utils.set_random_seed(1)
            hidden = keras.layers.Dense(5, "tanh", kernel_regularizer="l2", name="hidden")
            model = keras.Sequential([keras.Input((2,)), hidden, keras.layers.Dense(2, "softmax", name="output")])
            model.compile(keras.optimizers.Adam(0.1, clipnorm=1000.0), "sparse_categorical_crossentropy")
        recorder = GradientRecorder(every=every, activations=True, histograms=True)
        model.fit(x, y, batch_size=16, epochs=2, shuffle=False, verbose=0, callbacks=[recorder])
        frames.append(recorder.frame(full=True))
        activations.append(recorder.activation_frame().drop(columns=["layer", "saturated", "dead"]).dropna())
        counts.append(recorder.histogram_frame()["count"].sum())
assert len(activations[0]) == 16 and counts[0] == counts[2] == 8 * (10 + 5 + 10 + 2)
for one, two in zip(activations[:2], activations[2:]):
    np.testing.assert_allclose(two, one, rtol=1e-5, atol=1e-7)
for one, two in zip(frames[:2], frames[2:]):
    assert one[["epoch", "step", "layer", "variable"]].equals(two[["epoch", "step", "layer", "variable"]])
    numbers = [name for name in one.columns[4:] if "clipped" not in name]
    assert not [name for name in two.columns if "clipped" in name]
    np.testing.assert_allclose(two[numbers], one[numbers], rtol=1e-5, atol=1e-7)
print("same", len(frames[2]), len(frames[3]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "same 32 8", done.stderr[-2000:]


def test_an_epoch_of_few_updates_has_a_record_under_gradient_accumulation(points):
    model = create_model(keras.optimizers.SGD(0.1, gradient_accumulation_steps=4))
    recorder = GradientRecorder(samples=2)
    model.fit(*points, batch_size=8, epochs=6, verbose=0, callbacks=[recorder])
    assert recorder.frame()["epoch"].unique().tolist() == [1, 2, 3, 4, 5, 6]


def test_an_optimizer_that_is_two_attributes_is_recorded_once(points):
    model = create_model()
    model.favourite = model.optimizer
    assert len(record(model, *points, epochs=1)) == 7 * 4


def test_a_recorder_is_reused_with_more_steps_per_execution(points):
    x, y = np.tile(points[0], (4, 1)), np.tile(points[1], 4)
    recorder = GradientRecorder(every=1)
    for steps_per_execution in (1, 50):
        model = create_model(steps_per_execution=steps_per_execution)
        model.fit(x, y, batch_size=1, verbose=0, callbacks=[recorder])
    assert len(recorder.frame()) == 2 * 256 * 4


def test_a_deep_copy_has_the_arguments_and_no_records(points):
    recorder = GradientRecorder(every=2, samples=7, alarms=[Alarm("nan")])
    create_model().fit(*points, verbose=0, callbacks=[recorder])
    copied = copy.deepcopy(recorder)
    assert (copied.every, copied.samples, copied.alarms) == (2, 7, (Alarm("nan"),))
    assert copied.frame().empty
    assert not recorder.frame().empty


def test_a_recorder_can_be_pickled_before_it_is_used():
    assert pickle.loads(pickle.dumps(GradientRecorder(every=3))).every == 3


def test_a_resumed_training_has_the_records_of_an_uninterrupted_one(points, tmp_path):
    uninterrupted = record(create_model("adam"), *points, epochs=4, every="epoch")
    first = GradientRecorder()
    model = create_model("adam")
    model.fit(*points, batch_size=10, shuffle=False, epochs=2, verbose=0, callbacks=[first])
    model.save(tmp_path / "model.keras")
    first.frame(full=True).to_csv(tmp_path / "gradients.csv", index=False)
    loaded, second = keras.saving.load_model(tmp_path / "model.keras"), GradientRecorder()
    second.restore(pd.read_csv(tmp_path / "gradients.csv"))
    loaded.fit(*points, batch_size=10, shuffle=False, epochs=4, initial_epoch=2, verbose=0, callbacks=[second])
    pd.testing.assert_frame_equal(second.frame(full=True), uninterrupted, rtol=1e-6)


def test_restore_rejects_other_tables():
    with pytest.raises(InvalidValue, match="the columns step, layer, variable"):
        GradientRecorder().restore(pd.DataFrame({"epoch": [1]}))


class TestAlarms:
    def test_action_stop_ends_the_training_after_the_epoch(self, points):
        model = zoo.create("deep_mlp", input_shape=(2,), classes=2, depth=8, activation="sigmoid")
        model.compile("sgd", "sparse_categorical_crossentropy")
        recorder = GradientRecorder(alarms=[Alarm("vanishing", 0.1, action="stop")])
        with pytest.warns(GradientWarning, match=r"vanished on its way to hidden_1: .* at epoch 1, step 2"):
            model.fit(*points, epochs=5, verbose=0, callbacks=[recorder])
        assert recorder.frame()["epoch"].unique().tolist() == [1]

    def test_action_warn_does_not_end_the_training(self, points):
        recorder = GradientRecorder(alarms=[Alarm("exploding", 1e-3)])
        with pytest.warns(GradientWarning, match="The gradient of output"):
            create_model().fit(*points, epochs=2, verbose=0, callbacks=[recorder])
        assert recorder.frame()["epoch"].unique().tolist() == [1, 2]

    def test_a_healthy_training_raises_no_alarm(self, points):
        alarms = [Alarm(kind, action="stop") for kind in ("vanishing", "exploding", "dead", "nan")]
        recorder = GradientRecorder(alarms=alarms)
        create_model().fit(*points, epochs=2, verbose=0, callbacks=[recorder])
        assert recorder.frame()["epoch"].unique().tolist() == [1, 2]

    def test_other_objects_than_alarms_are_rejected(self):
        with pytest.raises(InvalidValue, match=r"alarms must be a sequence of zoo.telemetry.Alarm; got 'nan'"):
            GradientRecorder(alarms=["nan"])


@pytest.mark.parametrize("clip", [{"clipnorm": 0.05}, {"clipvalue": 0.01}, {"global_clipnorm": 0.05}])
def test_clipped_gradients_are_recorded_as_applied(points, clip):
    model = create_model(keras.optimizers.SGD(1.0, **clip))
    before = model.get_weights()
    frame = record(model, *points, epochs=1, batch_size=64)
    applied = [np.linalg.norm(old - new) for old, new in zip(before, model.get_weights(), strict=True)]
    np.testing.assert_allclose(frame["l2"], applied, rtol=1e-5)


def test_accumulated_gradients_are_recorded_once_per_update(points):
    expected = compute_with_tape(create_model(), *points, batch_size=32)
    frame = record(create_model(keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)), *points, batch_size=16)
    assert frame["step"].unique().tolist() == [1, 2, 3, 4]
    model, recorder = create_model(keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)), GradientRecorder()
    model.fit(*points, batch_size=16, epochs=2, verbose=0)
    model.fit(*points, batch_size=16, epochs=2, verbose=0, callbacks=[recorder])
    assert recorder.frame()["step"].unique().tolist() == [6, 8]
    np.testing.assert_allclose(to_array(frame, 4), expected, rtol=1e-5)


def test_gradients_under_mixed_precision_are_unscaled(points, expected):
    model = create_model(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), initial_scale=1024.0))
    np.testing.assert_allclose(to_array(record(model, *points), 4), expected, rtol=1e-5)


def test_frozen_layers_have_no_rows(points):
    model = create_model()
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
    with (
        pytest.warns(UserWarning, match="Gradients do not exist"),
        pytest.warns(GradientWarning, match=r"unused \(kernel\), unused \(bias\)"),
    ):
        assert set(record(model, *points)["layer"]) == {"used"}


def test_slices_of_an_embedding_are_summed():
    def model():
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((3,)), layers.Embedding(4, 2), layers.Flatten(), layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    x = np.random.default_rng(0).integers(4, size=(20, 3))
    y = np.ones((20, 1), "float32")
    np.testing.assert_allclose(to_array(record(model(), x, y), 3), compute_with_tape(model(), x, y), rtol=1e-5)


def test_a_custom_train_step_with_two_optimizers_is_recorded(points):
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


class TestModelIsLeftAsItWas:
    def test_after_training(self, points):
        model = create_model()
        model.fit(*points, verbose=0)
        train_function, optimizer_state = model.train_function, set(vars(model.optimizer))
        variables = len(model.variables), len(model.optimizer.variables)
        record(model, *points)
        assert model.train_function is train_function
        assert set(vars(model.optimizer)) == optimizer_state
        assert (len(model.variables), len(model.optimizer.variables)) == variables

    def test_weights_are_those_of_a_training_without_a_recorder(self, points):
        recorded, plain = create_model(), create_model()
        record(recorded, *points)
        plain.fit(*points, epochs=2, batch_size=10, shuffle=False, verbose=0)
        for one, other in zip(recorded.get_weights(), plain.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)

    @pytest.mark.parametrize("hook", ["on_train_batch_begin", "on_train_batch_end", "on_epoch_begin", "on_epoch_end"])
    def test_after_an_exception_in_another_callback(self, points, hook):
        model, recorder = create_model(), GradientRecorder()

        def fail(*_, **__):
            raise KeyboardInterrupt

        other = keras.callbacks.Callback()
        setattr(other, hook, fail)
        model.fit(*points, verbose=0)
        train_function, optimizer_state = model.train_function, set(vars(model.optimizer))
        with pytest.raises(KeyboardInterrupt):
            model.fit(*points, verbose=0, callbacks=[other, recorder])
        assert model.train_function is train_function
        assert set(vars(model.optimizer)) == optimizer_state

    def test_after_an_exception_in_the_step(self, points):
        class Failing(keras.layers.Layer):
            def call(self, x):
                tf.debugging.assert_less(tf.reduce_max(x), 100.0)
                return x

        model = keras.Sequential([keras.Input((2,)), Failing(), layers.Dense(2, "softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
        model.fit(*points, verbose=0)
        train_function, optimizer_state = model.train_function, set(vars(model.optimizer))
        with pytest.raises(tf.errors.InvalidArgumentError):
            record(model, points[0] * 1000, points[1])
        assert model.train_function is train_function
        assert set(vars(model.optimizer)) == optimizer_state

    def test_saved_model_has_no_trace_of_the_recorder(self, points, tmp_path):
        model = create_model()
        record(model, *points)
        model.save(tmp_path / "model.keras")
        assert "zoo" not in keras.saving.load_model(tmp_path / "model.keras").to_json()


def test_frame_includes_an_interrupted_epoch(points, expected):
    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                raise KeyboardInterrupt

    expected = expected[:3].mean(axis=0)
    model, recorder = create_model(), GradientRecorder()
    with pytest.raises(KeyboardInterrupt):
        model.fit(*points, batch_size=10, shuffle=False, verbose=0, callbacks=[recorder, Interrupt()])
    frame = recorder.frame()
    assert frame["step"].unique().tolist() == [3]
    np.testing.assert_allclose(to_array(frame, 4)[0], expected, rtol=1e-5)
    assert recorder.frame().equals(frame)


def test_steps_continue_the_count_of_the_optimizer(points):
    model, recorder = create_model(), GradientRecorder()
    model.fit(*points, batch_size=32, verbose=0)
    model.fit(*points, batch_size=32, epochs=2, verbose=0, callbacks=[recorder])
    model.fit(*points, batch_size=32, epochs=3, initial_epoch=2, verbose=0, callbacks=[recorder])
    assert recorder.frame()[["epoch", "step"]].drop_duplicates().to_numpy().tolist() == [[1, 4], [2, 6], [3, 8]]


def test_one_recorder_records_two_models_in_turn(points, expected):
    recorder = GradientRecorder(every=1)
    for _ in range(2):
        create_model().fit(*points, batch_size=10, shuffle=False, verbose=0, callbacks=[recorder])
    np.testing.assert_allclose(to_array(recorder.frame(), 4), np.concatenate([expected[:7]] * 2), rtol=1e-5)


def test_two_recorders_record_one_model(points, expected):
    recorders = [GradientRecorder(every=1), GradientRecorder(every=2)]
    create_model().fit(*points, batch_size=10, shuffle=False, epochs=2, verbose=0, callbacks=recorders)
    every, other = (recorder.frame(full=True) for recorder in recorders)
    np.testing.assert_allclose(to_array(every, 4), expected, rtol=1e-5)
    assert other.equals(every[every["step"] % 2 == 1].reset_index(drop=True))


def test_first_broken_is_nearest_to_the_loss(points):
    model = create_model(keras.optimizers.SGD(1e30))
    recorder = GradientRecorder()
    model.fit(*points, batch_size=10, verbose=0, callbacks=[recorder])
    step, layer, variable = recorder.first_broken()
    assert step > 1
    assert (layer, variable) == ("output", "bias")
    assert GradientRecorder().first_broken() is None


def test_a_gradient_whose_square_underflows_is_measured(points):
    keras.utils.set_random_seed(0)
    model = zoo.create("deep_mlp", input_shape=(2,), classes=2, depth=40, activation="sigmoid", initializer="glorot")
    model.compile("sgd", "sparse_categorical_crossentropy")
    first = record(model, *points, epochs=1).query("step == 1 and variable == 'kernel'")["l2"]
    assert 0 < first.iloc[0] < 1e-19
    assert first.iloc[-1] > 1e-3


@pytest.mark.parametrize("every", [0, -1, 1.5, "step", None, True])
def test_other_values_of_every_are_rejected(every):
    with pytest.raises(InvalidValue, match="every must be an integer >= 1 or 'epoch'"):
        GradientRecorder(every=every)
