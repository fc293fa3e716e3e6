"""The compiled loop trains as Keras' own `fit` does, given the same batches."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import zoo
from tests.zoo.loop.small_model import assert_same_weights, create_model, train_both
from zoo.errors import InvalidValue
from zoo.recipes.compiling import compile_model, prepare
from zoo.training import fit

pytestmark = pytest.mark.usefixtures("no_timings")
OPTIMIZERS = [
    name
    for name, value in vars(keras.optimizers).items()
    if isinstance(value, type)
    and issubclass(value, keras.optimizers.Optimizer)
    and name not in ("Optimizer", "LossScaleOptimizer", "MultiOptimizer")  # the last two wrap others
]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_of_keras_gives_the_same_weights(points, name):
    def create():
        network = create_model(getattr(keras.optimizers, name)(0.01))
        # Keras 3.15's fit builds it inside the step, where ScheduleFreeAdamW starts anew at every step.
        network.optimizer.build(network.trainable_variables)
        return network

    keras_model, loop_model, expected, history = train_both(points, create)
    assert_same_weights(keras_model, loop_model)
    assert history == pytest.approx({key: pytest.approx(values, rel=1e-4) for key, values in expected.items()})


@pytest.mark.parametrize("name", zoo.list_models())
def test_every_model_of_the_zoo_gets_the_same_weights(name):
    random = np.random.default_rng(0)
    recipe = dataclasses.replace(zoo.card(name).recipe(), learning_rate=1e-3)
    network = zoo.create(name)
    x = random.uniform(size=(64, *network.input_shape[1:])).astype("float32")
    places = network.output_shape[1:-1] if recipe.loss == "sequence_crossentropy" else ()
    points = prepare(recipe, x, random.integers(5 if places else 10, size=(64, *places)), classes=10)

    def create():
        keras.utils.set_random_seed(2)
        network = zoo.create(name)
        compile_model(network, recipe, steps_per_epoch=7)
        network.jit_compile = False
        return network

    keras_model, loop_model, *_ = train_both(points, create)
    assert_same_weights(keras_model, loop_model)


def test_xla_gives_the_same_weights(points):
    keras_model, loop_model, expected, history = train_both(points, jit_compile=True)
    assert_same_weights(keras_model, loop_model)
    assert history["loss"] == pytest.approx(expected["loss"], rel=1e-5)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_dropout_draws_the_same_masks(points, jit_compile):
    keras_model, loop_model, *_ = train_both(
        points, lambda: create_model(dropout=0.5, jit_compile=jit_compile), jit_compile=jit_compile
    )
    assert_same_weights(keras_model, loop_model)


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
    keras_model, loop_model, *_ = train_both(points, lambda: create_model(optimizer()))
    assert_same_weights(keras_model, loop_model)


def test_a_model_with_several_inputs_and_outputs_is_trained(points):
    x, y = points

    def create():
        keras.utils.set_random_seed(1)
        left, right = keras.Input((1,), name="left"), keras.Input((1,), name="right")
        joined = layers.Concatenate()([left, right])
        outputs = {"sum": layers.Dense(1, name="sum")(joined), "side": layers.Dense(2, "softmax", name="side")(joined)}
        network = keras.Model({"left": left, "right": right}, outputs)
        network.compile("sgd", {"sum": "mse", "side": "sparse_categorical_crossentropy"}, jit_compile=False)
        return network

    data = ({"left": x[:, :1], "right": x[:, 1:]}, {"sum": x.sum(axis=1), "side": y})
    keras_model, loop_model, expected, history = train_both(data, create)
    assert_same_weights(keras_model, loop_model)
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

    def create():
        keras.utils.set_random_seed(1)
        inputs = keras.Input((2,))
        network = Custom(inputs, layers.Dense(2, "softmax")(inputs))
        network.compile("sgd", jit_compile=False)
        return network

    keras_model, loop_model, expected, history = train_both(points, create)
    assert_same_weights(keras_model, loop_model)
    assert history["my_loss"] == pytest.approx(expected["my_loss"], rel=1e-5)


def test_batch_normalization_updates_its_statistics(points):
    def create():
        keras.utils.set_random_seed(1)
        network = keras.Sequential([keras.Input((2,)), layers.BatchNormalization(), layers.Dense(2, "softmax")])
        network.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
        return network

    keras_model, loop_model, *_ = train_both(points, create)
    assert_same_weights(keras_model, loop_model)


def test_a_training_in_two_parts_has_the_weights_of_one(points):
    uninterrupted, parts = create_model(), create_model()
    fit(uninterrupted, *points, batch_size=10, epochs=4, verbose=0, jit_compile=False)
    fit(parts, *points, batch_size=10, epochs=2, verbose=0, jit_compile=False)
    fit(parts, *points, batch_size=10, epochs=4, initial_epoch=2, verbose=0, jit_compile=False)
    for expected, weight in zip(uninterrupted.get_weights(), parts.get_weights(), strict=True):
        assert (weight == expected).all()


def test_many_trainings_in_one_process_raise_no_warning(points, caplog, monkeypatch):
    monkeypatch.setattr(tf.get_logger(), "propagate", True)
    for _ in range(8):
        fit(create_model(), *points, batch_size=10, epochs=2, jit_compile=False, verbose=0)
    assert "retracing" not in caplog.text


def test_a_callback_can_stop_the_training(points):
    stopping = keras.callbacks.EarlyStopping("loss", patience=2, min_delta=100)
    history = fit(create_model(), *points, epochs=9, verbose=0, callbacks=[stopping], jit_compile=False)
    assert len(history.history["loss"]) == 3


def test_the_learning_rate_can_be_set_between_epochs(points):
    def create_callbacks():
        return [keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1))]

    keras_model, loop_model = create_model(), create_model()
    keras_model.fit(*points, batch_size=10, epochs=3, shuffle=False, verbose=0, callbacks=create_callbacks())
    fit(
        loop_model,
        *points,
        batch_size=10,
        epochs=3,
        shuffle=False,
        verbose=0,
        callbacks=create_callbacks(),
        jit_compile=False,
    )
    assert_same_weights(keras_model, loop_model)


def test_the_progress_bar_counts_the_steps(points, capsys):
    fit(create_model(), *points, batch_size=10, epochs=1, verbose=2, jit_compile=False)
    assert "7/7" in capsys.readouterr().out


def test_tensors_give_the_weights_of_arrays(points):
    keras_model, loop_model, *_ = train_both([tf.constant(array) for array in points])
    assert_same_weights(keras_model, loop_model)


def test_invalid_arguments_are_rejected(points):
    x, y = points
    with pytest.raises(InvalidValue, match="compile the model first"):
        fit(keras.Sequential([keras.Input((2,)), layers.Dense(1)]), x, y)
    with pytest.raises(InvalidValue, match="the same number of examples, 1 or more; got 60, 64"):
        fit(create_model(), x, y[:60])
    with pytest.raises(InvalidValue, match="batch_size must be an integer >= 1 or None; got 0"):
        fit(create_model(), x, y, batch_size=0)
    with pytest.raises(InvalidValue, match="class_weight or sample_weight, not both"):
        fit(create_model(), x, y, class_weight={0: 1.0}, sample_weight=np.ones(64))
