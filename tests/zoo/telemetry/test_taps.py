"""Wherever a model has its optimizers, each one's gradients are recorded; what has no record is told."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from zoo.errors import InvalidValue
from zoo.telemetry import GradientRecorder, GradientWarning

X = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
Y = X[:, :1] * 2
BATCHES = [(X[start : start + 10], Y[start : start + 10]) for start in range(0, 40, 10)]


def create_model(optimizer="sgd", kind=keras.Sequential):
    keras.utils.set_random_seed(0)
    model = kind([keras.Input((3,)), layers.Dense(4, "tanh", name="hidden"), layers.Dense(1, name="output")])
    model.compile(optimizer, "mse")
    return model


def record(model, *, every=1, **options):
    recorder = GradientRecorder(every=every, **options)
    model.fit(X, Y, batch_size=10, shuffle=False, verbose=0, callbacks=[recorder])
    return recorder


def compute_norms(model, apply):
    """Returns the norms of the gradients of four steps, `(step, weight)`."""
    norms = []
    for x, y in BATCHES:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(x) - y) ** 2)
        gradients = tape.gradient(loss, model.trainable_variables)
        apply(gradients, model.trainable_variables)
        norms.append([np.linalg.norm(gradient) for gradient in gradients])
    return np.array(norms)


def to_norms(frame):
    return frame.pivot_table(index="step", columns=["layer", "variable"], values="l2", sort=False).to_numpy()


def choose_by_map():
    optimizers = {"hidden/.*": keras.optimizers.SGD(0.1)}
    return keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.3), optimizers)


def choose_by_function():
    chosen = keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.3)
    return lambda variable: chosen["output" in variable.path]


@pytest.mark.parametrize("choose", [choose_by_map, choose_by_function])
def test_the_parts_of_a_multi_optimizer_are_recorded(choose):
    expected = create_model(keras.optimizers.MultiOptimizer(choose()))
    norms = compute_norms(expected, expected.optimizer.apply)
    model = create_model(keras.optimizers.MultiOptimizer(choose()))
    frame = record(model, activations=True).frame()
    for layer, columns in (("hidden", slice(2)), ("output", slice(2, 4))):
        np.testing.assert_allclose(to_norms(frame[frame["layer"] == layer]), norms[:, columns], rtol=1e-5)


@pytest.mark.parametrize("container", [lambda a, b: [a, b], lambda a, b: {"hidden": a, "output": b}])
def test_optimizers_in_a_container_are_recorded(container):
    class Split(keras.Sequential):
        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((self(x) - y) ** 2)
            gradients = tape.gradient(loss, self.trainable_variables)
            first, second = keras.tree.flatten(self.optimizers)
            first.apply(gradients[:2], self.trainable_variables[:2])
            second.apply(gradients[2:], self.trainable_variables[2:])
            return {"loss": loss}

    plain = create_model(keras.optimizers.SGD(0.1))
    norms = compute_norms(plain, plain.optimizer.apply)
    model = create_model(kind=Split)
    model.optimizers = container(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
    frame = record(model).frame()
    np.testing.assert_allclose(to_norms(frame[frame["layer"] == "hidden"]), norms[:, :2], rtol=1e-5)
    np.testing.assert_allclose(to_norms(frame[frame["layer"] == "output"]), norms[:, 2:], rtol=1e-5)


class TestLoopOfYourOwn:
    @pytest.fixture(params=["eager", "graph"])
    def train(self, request):
        """Function that trains a model on all batches once, eagerly or in a graph."""
        functions = {}

        def step(model, optimizer, x, y):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((model(x) - y) ** 2)
            optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)

        def train(model, optimizer):
            run = step
            if request.param == "graph":
                run = functions.setdefault(id(model), tf.function(lambda x, y: step(model, optimizer, x, y)))
            for batch in BATCHES:
                run(*batch) if request.param == "graph" else run(model, optimizer, *batch)

        return train

    @pytest.mark.parametrize("options", [{"every": 1}, {}])
    def test_its_updates_are_recorded(self, train, options):
        plain = create_model(keras.optimizers.SGD(0.1))
        norms = np.stack([compute_norms(plain, plain.optimizer.apply) for _ in range(2)])
        model, optimizer, recorder = create_model(), keras.optimizers.SGD(0.1), GradientRecorder(**options)
        for _ in range(2):
            with recorder.recording(model, optimizer, steps=4):
                train(model, optimizer)
        frame = recorder.frame()
        assert frame["epoch"].unique().tolist() == [1, 2]
        expected = norms.reshape(8, 4) if options else norms.mean(axis=1)
        np.testing.assert_allclose(to_norms(frame), expected, rtol=1e-5)

    def test_a_block_without_an_update_is_told(self, train):
        model, recorder = create_model(), GradientRecorder()
        with pytest.warns(GradientWarning, match="No gradient of sequential.* was recorded"):  # noqa: SIM117
            with recorder.recording(model, keras.optimizers.SGD()):
                train(model, keras.optimizers.SGD())

    def test_models_take_turns(self, train):
        recorder = GradientRecorder()
        for _ in range(2):
            model, optimizer = create_model(), keras.optimizers.SGD(0.1)
            with recorder.recording(model, optimizer):
                train(model, optimizer)
        assert recorder.frame()[["epoch", "step"]].drop_duplicates().to_numpy().tolist() == [[1, 4]]
        assert len(recorder.frame()) == 8

    def test_bad_arguments_are_errors(self):
        with (
            pytest.raises(InvalidValue, match="optimizer must be a Keras optimizer or a list of them; got 'sgd'"),
            GradientRecorder().recording(create_model(), "sgd"),
        ):
            pass
        with (
            pytest.raises(InvalidValue, match="steps must be the number of updates"),
            GradientRecorder(every=2).recording(create_model(), keras.optimizers.SGD()),
        ):
            pass
        unbuilt = keras.Sequential([layers.Dense(1)])
        with (
            pytest.raises(InvalidValue, match="model must have trainable weights"),
            GradientRecorder().recording(unbuilt, keras.optimizers.SGD()),
        ):
            pass


class TestUnknownLength:
    """Of a generator, Keras does not know the number of steps; the last one fails for want of a batch."""

    @pytest.mark.parametrize("every", [1, 3, "epoch"])
    def test_its_records_are_those_of_arrays(self, every):
        expected = record(create_model(keras.optimizers.SGD(0.1)), every=every).frame(full=True)
        recorder = GradientRecorder(every=every)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Your input ran out|`shuffle=True`")
            model = create_model(keras.optimizers.SGD(0.1))
            model.fit((batch for batch in BATCHES), verbose=0, callbacks=[recorder])
        frame = recorder.frame(full=True)
        assert frame.iloc[:, :4].equals(expected.iloc[:, :4])
        np.testing.assert_allclose(frame.iloc[:, 4:], expected.iloc[:, 4:], rtol=1e-5)

    def test_steps_go_on_in_the_next_epoch(self):
        signature = (tf.TensorSpec((None, 3)), tf.TensorSpec((None, 1)))
        data = tf.data.Dataset.from_generator(lambda: iter(BATCHES), output_signature=signature)
        recorder = GradientRecorder()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Your input ran out|`shuffle=True`")
            create_model().fit(data, epochs=2, verbose=0, callbacks=[recorder])
        assert recorder.frame()[["epoch", "step"]].drop_duplicates().to_numpy().tolist() == [[1, 4], [2, 8]]


class TestMissing:
    def test_an_optimizer_that_is_out_of_reach_is_told(self):
        hidden = [keras.optimizers.SGD(0.1)]

        class Model(keras.Sequential):
            def train_step(self, data):
                with tf.GradientTape() as tape:
                    loss = tf.reduce_mean((self(data[0]) - data[1]) ** 2)
                variables = self.trainable_variables
                hidden[0].apply(tape.gradient(loss, variables), variables)
                return {"loss": loss}

        with pytest.warns(GradientWarning, match="No gradient of .* was recorded: none of its optimizers"):
            assert record(create_model(kind=Model)).frame().empty

    def test_weights_without_a_gradient_are_told(self):
        inputs = keras.Input((3,))
        unused = layers.Dense(2, name="unused")(inputs)
        outputs = layers.Dense(1, name="output")(inputs) + 0 * keras.ops.stop_gradient(keras.ops.sum(unused))
        model = keras.Model(inputs, outputs)
        model.compile("sgd", "mse")
        with (
            pytest.warns(UserWarning, match="Gradients do not exist"),
            pytest.warns(GradientWarning, match=r"was applied: unused \(kernel\), unused \(bias\)"),
        ):
            assert set(record(model).frame()["layer"]) == {"output"}

    def test_no_step_is_no_reason_to_warn(self):
        recorder = GradientRecorder()
        create_model().fit(X, Y, epochs=0, verbose=0, callbacks=[recorder])
        assert recorder.frame().empty
