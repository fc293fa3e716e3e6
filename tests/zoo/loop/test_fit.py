"""The compiled loop trains as Keras' own `fit` does, given the same batches."""

import dataclasses
import functools
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import zoo
from zoo.errors import InvalidValue
from zoo.recipes.compiling import compile_model, prepare
from zoo.telemetry import GradientProbe, GradientRecorder
from zoo.training import SlowFit, fit

ROOT = Path(__file__).parents[3]
OPTIMIZERS = [
    name
    for name, value in vars(keras.optimizers).items()
    if isinstance(value, type)
    and issubclass(value, keras.optimizers.Optimizer)
    and name not in ("Optimizer", "LossScaleOptimizer", "MultiOptimizer")  # the last two wrap others
]


@pytest.fixture(autouse=True)
def _no_memory(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))


def model(optimizer="sgd", *, dropout=0.0, **compiled):
    keras.utils.set_random_seed(1)
    net = keras.Sequential(
        [
            keras.Input((2,)),
            layers.Dense(5, "tanh", name="hidden", kernel_regularizer="l2"),
            layers.Dropout(dropout),
            layers.Dense(2, "softmax", name="output"),
        ]
    )
    net.compile(
        optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], **{"jit_compile": False, **compiled}
    )
    return net


def assert_same_weights(one, other, *, rtol=1e-5):
    for first, second in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(first, second, rtol=rtol, atol=1e-6)


def train_both(points, make=model, *, epochs=2, jit_compile=False, **options):
    """Trains a model by Keras' own fit and another by the loop, on the same batches."""
    stock, ours = make(), make()
    same = {"batch_size": 10, "epochs": epochs, "shuffle": False, "verbose": 0}
    expected = stock.fit(*points, **same, **options)
    history = fit(ours, *points, **same, jit_compile=jit_compile, **options)
    return stock, ours, expected.history, history.history


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_of_keras_gives_the_same_weights(points, name):
    def make():
        net = model(getattr(keras.optimizers, name)(0.01))
        # Keras 3.15's fit builds it inside the step, where ScheduleFreeAdamW starts anew at every step.
        net.optimizer.build(net.trainable_variables)
        return net

    stock, ours, expected, history = train_both(points, make)
    assert_same_weights(stock, ours)
    assert history == pytest.approx({key: pytest.approx(values, rel=1e-4) for key, values in expected.items()})


@pytest.mark.parametrize("name", zoo.list_models())
def test_every_model_of_the_zoo_has_the_same_weights(name):
    random = np.random.default_rng(0)
    recipe = dataclasses.replace(zoo.card(name).recipe(), learning_rate=1e-3)
    net = zoo.create(name)
    x = random.uniform(size=(64, *net.input_shape[1:])).astype("float32")
    places = net.output_shape[1:-1] if recipe.loss == "sequence_crossentropy" else ()
    points = prepare(recipe, x, random.integers(5 if places else 10, size=(64, *places)), classes=10)

    def make():
        keras.utils.set_random_seed(2)
        net = zoo.create(name)
        compile_model(net, recipe, steps_per_epoch=7)
        net.jit_compile = False
        return net

    stock, ours, *_ = train_both(points, make)
    assert_same_weights(stock, ours)


def test_xla_gives_the_same_weights(points):
    stock, ours, expected, history = train_both(points, jit_compile=True)
    assert_same_weights(stock, ours)
    assert history["loss"] == pytest.approx(expected["loss"], rel=1e-5)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_dropout_draws_the_same_masks(points, jit_compile):
    stock, ours, *_ = train_both(points, lambda: model(dropout=0.5, jit_compile=jit_compile), jit_compile=jit_compile)
    assert_same_weights(stock, ours)


@pytest.mark.parametrize(
    "optimizer",
    [
        pytest.param(lambda: keras.optimizers.SGD(0.1, gradient_accumulation_steps=3), id="accumulated"),
        pytest.param(lambda: keras.optimizers.SGD(0.1, momentum=0.9, clipnorm=0.5), id="clipped"),
        pytest.param(lambda: keras.optimizers.Adam(0.01, use_ema=True), id="averaged"),
        pytest.param(
            lambda: keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.5, 3, 0.5)), id="scheduled"
        ),
        pytest.param(lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1)), id="scaled"),
    ],
)
def test_options_of_optimizers_work(points, optimizer):
    stock, ours, *_ = train_both(points, lambda: model(optimizer()))
    assert_same_weights(stock, ours)


def test_validation_and_example_weights_are_those_of_keras(points):
    x, y = points
    weights = np.linspace(0.1, 2, len(x)).astype("float32")
    for options in (
        {"validation_data": (x[:15], y[:15])},
        {"validation_split": 0.25},
        {"validation_data": (x[:15], y[:15], weights[:15]), "validation_batch_size": 4, "validation_freq": 2},
        {"sample_weight": weights},
        {"class_weight": {0: 1.0, 1: 3.0}},
    ):
        stock, ours, expected, history = train_both(points, epochs=3, **options)
        assert_same_weights(stock, ours)
        assert list(history) == list(expected)
        for name, values in expected.items():
            assert history[name] == pytest.approx(values, rel=1e-5), (name, options)


def test_a_model_with_several_inputs_and_outputs_is_trained(points):
    x, y = points

    def make():
        keras.utils.set_random_seed(1)
        left, right = keras.Input((1,), name="left"), keras.Input((1,), name="right")
        joined = layers.Concatenate()([left, right])
        outputs = {"sum": layers.Dense(1, name="sum")(joined), "side": layers.Dense(2, "softmax", name="side")(joined)}
        net = keras.Model({"left": left, "right": right}, outputs)
        net.compile("sgd", {"sum": "mse", "side": "sparse_categorical_crossentropy"}, jit_compile=False)
        return net

    data = ({"left": x[:, :1], "right": x[:, 1:]}, {"sum": x.sum(axis=1), "side": y})
    stock, ours, expected, history = train_both(data, make)
    assert_same_weights(stock, ours)
    assert history["loss"] == pytest.approx(expected["loss"], rel=1e-5)


def test_a_custom_train_step_is_run_and_its_logs_are_returned(points):
    class Custom(keras.Model):
        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, self(x, training=True)))
            weights = self.trainable_variables
            self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
            return {"my_loss": loss}

    def make():
        keras.utils.set_random_seed(1)
        inputs = keras.Input((2,))
        net = Custom(inputs, layers.Dense(2, "softmax")(inputs))
        net.compile("sgd", jit_compile=False)
        return net

    stock, ours, expected, history = train_both(points, make)
    assert_same_weights(stock, ours)
    assert history["my_loss"] == pytest.approx(expected["my_loss"], rel=1e-5)


def test_batch_normalization_updates_its_statistics(points):
    def make():
        keras.utils.set_random_seed(1)
        net = keras.Sequential([keras.Input((2,)), layers.BatchNormalization(), layers.Dense(2, "softmax")])
        net.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
        return net

    stock, ours, *_ = train_both(points, make)
    assert_same_weights(stock, ours)


def test_every_epoch_has_an_order_of_its_own_and_every_example_once(points):
    seen = []

    class Spy(layers.Layer):
        def call(self, x):
            tf.py_function(lambda rows: seen.append(rows.numpy()[:, 0].tolist()), [x], [])
            return x

    net = keras.Sequential([keras.Input((2,)), Spy(), layers.Dense(2, "softmax")])
    net.compile("sgd", "sparse_categorical_crossentropy")
    fit(net, *points, batch_size=10, epochs=2, verbose=0, jit_compile=False)
    assert [len(rows) for rows in seen] == [10] * 6 + [4] + [10] * 6 + [4]
    first, second = (np.concatenate(rows).tolist() for rows in (seen[:7], seen[7:]))
    assert sorted(first) == sorted(second) == sorted(points[0][:, 0].tolist())
    assert first != second


def test_a_training_in_two_parts_has_the_weights_of_one(points):
    uninterrupted, parts = model(), model()
    fit(uninterrupted, *points, batch_size=10, epochs=4, verbose=0, jit_compile=False)
    fit(parts, *points, batch_size=10, epochs=2, verbose=0, jit_compile=False)
    fit(parts, *points, batch_size=10, epochs=4, initial_epoch=2, verbose=0, jit_compile=False)
    for one, other in zip(uninterrupted.get_weights(), parts.get_weights(), strict=True):
        assert (one == other).all()


def test_many_trainings_in_one_process_raise_no_warning(points, caplog, monkeypatch):
    monkeypatch.setattr(tf.get_logger(), "propagate", True)
    for _ in range(8):
        fit(model(), *points, batch_size=10, epochs=2, jit_compile=False, verbose=0)
    assert "retracing" not in caplog.text


@pytest.fixture(scope="module")
def recorded_by_keras(points):
    """A function that returns the tables of a recorder in Keras' own fit; every training runs once."""
    return functools.cache(lambda every: train_recorded(points, every, keras.Model.fit))


def train_recorded(points, every, train, **options):
    recorder = GradientRecorder(every=every, samples=3, activations=True, histograms=True)
    same = {"batch_size": 10, "epochs": 3, "shuffle": False, "verbose": 0}
    train(model("adam"), *points, callbacks=[recorder], **same, **options)
    return recorder.frame(full=True), recorder.activation_frame(full=True), recorder.histogram_frame()


class TestCallbacks:
    def test_a_callback_can_stop_the_training(self, points):
        stopping = keras.callbacks.EarlyStopping("loss", patience=2, min_delta=100)
        history = fit(model(), *points, epochs=9, verbose=0, callbacks=[stopping], jit_compile=False)
        assert len(history.history["loss"]) == 3

    def test_the_learning_rate_can_be_set_between_epochs(self, points):
        def make_callbacks():
            return [keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1))]

        stock, ours = model(), model()
        stock.fit(*points, batch_size=10, epochs=3, shuffle=False, verbose=0, callbacks=make_callbacks())
        fit(
            ours,
            *points,
            batch_size=10,
            epochs=3,
            shuffle=False,
            verbose=0,
            callbacks=make_callbacks(),
            jit_compile=False,
        )
        assert_same_weights(stock, ours)

    def test_one_that_needs_every_step_is_called_at_every_step_with_a_warning(self, points):
        class EveryStep(keras.callbacks.Callback):
            steps = 0

            def on_train_batch_end(self, batch, logs=None):
                self.steps += 1

        counter = EveryStep()
        slow, quick = model(), model()
        with pytest.warns(SlowFit, match="step by step.*EveryStep must be called at every step"):
            fit(slow, *points, batch_size=10, epochs=2, verbose=0, callbacks=[counter])
        assert counter.steps == 14
        fit(quick, *points, batch_size=10, epochs=2, verbose=0, jit_compile=False)
        assert_same_weights(slow, quick)

    def test_one_that_is_content_with_calls_is_called_once_per_call(self, points):
        class Now(keras.callbacks.Callback):
            content_with_calls = True
            ends = ()

            def on_train_batch_end(self, batch, logs=None):
                self.ends += (batch,)

        now = Now()
        fit(model(), *points, batch_size=10, verbose=0, callbacks=[now], jit_compile=False)
        assert now.ends == (5, 6)

    def test_those_of_keras_run_without_a_warning(self, points, tmp_path):
        callbacks = [
            keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", monitor="loss", save_best_only=True),
            keras.callbacks.CSVLogger(tmp_path / "log.csv"),
            keras.callbacks.TerminateOnNaN(),
            keras.callbacks.ReduceLROnPlateau("loss"),
            keras.callbacks.TensorBoard(tmp_path / "logs"),
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("error", SlowFit)
            fit(model(), *points, epochs=2, verbose=0, callbacks=callbacks, jit_compile=False)
        assert (tmp_path / "best.keras").exists()

    def test_the_progress_bar_counts_the_steps(self, points, capsys):
        fit(model(), *points, batch_size=10, epochs=1, verbose=2, jit_compile=False)
        assert "7/7" in capsys.readouterr().out

    @pytest.mark.xdist_group("recorded by Keras")
    @pytest.mark.parametrize(
        ("every", "jit_compile"),
        [
            *(("epoch", False), (1, False), (3, False), ("epoch", True)),
            *(pytest.param(every, True, marks=pytest.mark.large) for every in (1, 3)),
        ],
    )
    def test_a_recorder_records_what_it_records_in_keras_fit(self, points, recorded_by_keras, every, jit_compile):
        stock, activity, counts = recorded_by_keras(every)
        ours, our_activity, our_counts = train_recorded(points, every, fit, jit_compile=jit_compile)
        assert ours[["epoch", "step", "layer", "variable"]].equals(stock[["epoch", "step", "layer", "variable"]])
        np.testing.assert_allclose(ours.iloc[:, 4:], stock.iloc[:, 4:], rtol=2e-5, atol=1e-7)
        np.testing.assert_allclose(our_activity.iloc[:, 3:], activity.iloc[:, 3:], rtol=2e-5, atol=1e-7)
        assert our_counts["count"].sum() == counts["count"].sum()

    def test_the_step_at_which_a_gradient_breaks_is_found(self, points):
        x, y = points[0].copy(), points[1]
        x[34] = np.inf
        recorder = GradientRecorder(samples=1)
        fit(model(), x, y, batch_size=10, shuffle=False, verbose=0, callbacks=[recorder], jit_compile=False)
        assert recorder.first_broken() == (4, "output", "bias")

    def test_a_recorder_can_return_to_keras_fit(self, points):
        recorder, net = GradientRecorder(), model()
        fit(net, *points, batch_size=10, verbose=0, callbacks=[recorder], jit_compile=False)
        net.fit(*points, batch_size=10, verbose=0, callbacks=[recorder])
        assert recorder.frame()["step"].unique().tolist() == [7, 14]

    def test_a_probe_measures_at_its_steps(self, points):
        probe = GradientProbe(*points, every=3)
        fit(model(), *points, batch_size=10, verbose=0, callbacks=[probe], jit_compile=False)
        assert probe.frame()["step"].unique().tolist() == [0, 3, 6]


@pytest.mark.parametrize("data", ["dataset", "generator"])
def test_keras_trains_on_data_that_are_not_arrays(points, data):
    x = tf.data.Dataset.from_tensor_slices(points).batch(10)
    if data == "generator":
        x = keras.utils.timeseries_dataset_from_array(points[0], points[1], 1, batch_size=10).map(
            lambda x, y: (x[:, 0], y)
        )
    with pytest.warns(SlowFit, match="its data are a .*Dataset, not arrays"):
        fit(model(), x, verbose=0)


def test_keras_trains_a_model_that_runs_eagerly(points):
    with pytest.warns(SlowFit, match="run_eagerly"):
        fit(model(run_eagerly=True), *points, verbose=0)


def test_invalid_arguments_are_refused(points):
    x, y = points
    with pytest.raises(InvalidValue, match="compile the model first"):
        fit(keras.Sequential([keras.Input((2,)), layers.Dense(1)]), x, y)
    with pytest.raises(InvalidValue, match="the same number of examples, 1 or more; got 60, 64"):
        fit(model(), x, y[:60])
    with pytest.raises(InvalidValue, match="batch_size must be an integer >= 1; got 0"):
        fit(model(), x, y, batch_size=0)
    with pytest.raises(InvalidValue, match="class_weight or sample_weight, not both"):
        fit(model(), x, y, class_weight={0: 1.0}, sample_weight=np.ones(64))
