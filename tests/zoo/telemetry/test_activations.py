"""Activations and back-propagated errors agree with the equations of backpropagation in NumPy."""

import keras
import numpy as np
import pytest
from keras import layers

from zoo.telemetry import GradientRecorder, GradientWarning

MODES = [
    *((name, {}) for name in ("sigmoid", "tanh", "relu")),
    ("tanh", {"steps_per_execution": 3}),
    ("relu", {"jit_compile": True}),
    ("sigmoid", {"run_eagerly": True}),
]
X = np.random.default_rng(0).normal(size=(30, 4)).astype("float32") * 2
Y = (X[:, 0] > 0).astype("int64")


def create_network(activation, *, learning_rate=0.0, **compiled):
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(6, activation, name="first", bias_initializer="normal"),
            layers.Dense(5, activation, name="second"),
            layers.Dense(2, "softmax", name="output"),
        ]
    )
    model.compile(keras.optimizers.SGD(learning_rate), "sparse_categorical_crossentropy", **compiled)
    return model


def record(model, x=X, y=Y, *, every=1, epochs=1, batch_size=10, full=False, **fitted):
    recorder = GradientRecorder(every=every, activations=True)
    model.fit(x, y, epochs=epochs, batch_size=batch_size, shuffle=False, verbose=0, callbacks=[recorder], **fitted)
    return recorder.activation_frame(full=full)


FUNCTIONS = {
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda a: a * (1 - a)),
    "tanh": (np.tanh, lambda a: 1 - a**2),
    "relu": (lambda z: np.maximum(z, 0), lambda a: (a > 0) * 1.0),
}


def compute_in_numpy(model, activation, x, y):
    """Returns outputs and errors of the three layers, as in Rumelhart, Hinton and Williams (1986)."""
    function, slope = FUNCTIONS[activation]
    w1, b1, w2, b2, w3, b3 = (np.float64(w) for w in model.get_weights())
    first = function(x @ w1 + b1)
    second = function(first @ w2 + b2)
    scores = np.exp(second @ w3 + b3)
    output = scores / scores.sum(axis=1, keepdims=True)
    error_3 = output - np.eye(2)[y]
    error_2 = error_3 @ w3.T * slope(second)
    error_1 = error_2 @ w2.T * slope(first)
    return (first, second, output), (error_1, error_2, error_3)


@pytest.mark.parametrize(("activation", "compiled"), MODES, ids=str)
def test_records_agree_with_numpy_in_every_execution_mode(activation, compiled):
    model = create_network(activation, **compiled)
    frame = record(model).set_index(["step", "layer"])
    for step in (1, 2, 3):
        batch = slice(10 * step - 10, 10 * step)
        for layer, a, error in zip(
            ("first", "second", "output"), *compute_in_numpy(model, activation, X[batch], Y[batch]), strict=True
        ):
            row = frame.loc[(step, layer)]
            norms = np.linalg.norm(error, axis=1)
            expected = [a.mean(), a.std(), norms.mean(), np.sqrt((error**2).mean())]
            np.testing.assert_allclose(row[["mean", "std", "delta_l2", "delta_rms"]], expected, rtol=1e-5)
            hidden = layer != "output"
            low, high = {"sigmoid": (0.05, 0.95), "tanh": (-0.9, 0.9)}.get(activation, (np.nan, np.nan))
            saturated = ((a < low) | (a > high)).mean() if hidden and activation != "relu" else np.nan
            dead = (a == 0).all(axis=0).mean() if hidden and activation == "relu" else np.nan
            np.testing.assert_allclose(row[["saturated", "dead"]].astype(float), [saturated, dead], rtol=1e-6)


def test_an_epoch_has_the_mean_minimum_and_maximum_over_its_updates():
    model = create_network("tanh")
    steps, epoch = record(model), record(model, every="epoch", full=True)
    for name in ("std", "saturated", "delta_rms"):
        table = steps.pivot_table(index="layer", columns="step", values=name, sort=False, dropna=False)
        np.testing.assert_allclose(epoch[name], table.mean(axis=1, skipna=False), rtol=1e-6)
        np.testing.assert_allclose(epoch[f"{name}_min"], table.min(axis=1), rtol=1e-6)
        np.testing.assert_allclose(epoch[f"{name}_max"], table.max(axis=1), rtol=1e-6)


def test_a_unit_that_is_active_once_in_an_epoch_is_not_dead():
    x = np.ones((30, 4), "float32")
    x[-1] = -1  # one example of thirty activates the third unit
    model = create_network("relu")
    kernel = np.zeros((4, 6), "float32")
    kernel[:, 1], kernel[:, 2] = 1, -1
    model.get_layer("first").set_weights([kernel, np.zeros(6, "float32")])
    assert record(model, x).query("layer == 'first'")["dead"].round(6).tolist() == pytest.approx([5 / 6, 5 / 6, 4 / 6])
    assert record(model, x, every="epoch").query("layer == 'first'")["dead"].tolist() == pytest.approx([4 / 6])


def test_units_of_a_convolution_are_its_channels():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((6, 6, 1)), layers.Conv2D(3, 3, activation="relu", name="maps"), layers.Flatten(), layers.Dense(2)]
    )
    model.get_layer("maps").set_weights([np.ones((3, 3, 1, 3), "float32"), np.array([0, -100, -100], "float32")])
    model.compile(keras.optimizers.SGD(0.0), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    images = np.random.default_rng(0).uniform(size=(20, 6, 6, 1)).astype("float32")
    frame = record(model, images, np.arange(20) % 2)
    assert frame.query("layer == 'maps'")["dead"].tolist() == pytest.approx([2 / 3, 2 / 3])


def test_activation_layers_are_recorded():
    keras.utils.set_random_seed(0)
    dense = [
        layers.Dense(6, name="dense"),
        layers.ReLU(name="relu"),
        layers.Dense(5),
        layers.Activation("tanh", name="t"),
    ]
    model = keras.Sequential([keras.Input((4,)), *dense, layers.Dense(2, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    frame = record(model).query("step == 1").set_index("layer")
    assert frame["delta_l2"]["relu"] == pytest.approx(frame["delta_l2"]["dense"])
    assert frame["dead"].notna().to_dict()["relu"]
    assert frame["saturated"].notna().to_dict()["t"]


def test_a_layer_that_is_called_twice_has_the_mean_of_both_calls():
    keras.utils.set_random_seed(0)
    shared = layers.Dense(4, "tanh", name="shared")
    inputs = keras.Input((4,))
    once = shared(inputs)
    model = keras.Model(inputs, layers.Dense(2, "softmax")(shared(once)))
    model.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
    frame = record(model).query("layer == 'shared'")
    first = shared(X[:10])
    assert frame["mean"].iloc[0] == pytest.approx((first.numpy().mean() + shared(first).numpy().mean()) / 2, rel=1e-5)


def test_a_frozen_layer_has_the_same_error():
    model = create_network("tanh")
    model.get_layer("first").trainable = False
    np.testing.assert_allclose(record(model)["delta_rms"], record(create_network("tanh"))["delta_rms"], rtol=1e-5)


def test_an_error_that_is_not_propagated_is_nan():
    class Cut(layers.Layer):
        def call(self, x):
            return keras.ops.stop_gradient(x)

    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(3, "tanh", name="below"), Cut(), layers.Dense(2, "softmax", name="above")]
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.warns(UserWarning, match="Gradients do not exist"), pytest.warns(GradientWarning, match="below"):
        frame = record(model).set_index("layer")
    assert frame["delta_l2"].isna().to_dict() == {"below": True, "above": False}
    assert frame["mean"].notna().all()


@pytest.mark.parametrize("scaled", ["mixed_float16", "float32"])
def test_errors_under_a_scaled_loss_are_unscaled(scaled):
    expected = record(create_network("tanh"))
    keras.config.set_dtype_policy(scaled)
    try:
        model = create_network("tanh")
        model.compile(
            keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.0), initial_scale=1024.0),
            "sparse_categorical_crossentropy",
        )
        records = record(model)
    finally:
        keras.config.set_dtype_policy("float32")
    tolerance = 1e-2 if "16" in scaled else 1e-5
    np.testing.assert_allclose(records["delta_rms"], expected["delta_rms"], rtol=tolerance)


def test_weights_are_those_of_a_training_without_a_recorder():
    recorded, plain = create_network("relu", learning_rate=0.1), create_network("relu", learning_rate=0.1)
    record(recorded, epochs=2, validation_data=(X, Y))
    plain.fit(X, Y, epochs=2, batch_size=10, shuffle=False, verbose=0)
    for one, other in zip(recorded.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


def test_layers_are_left_as_they_were():
    model = create_network("relu")
    before = [layer.activation for layer in model.layers]
    record(model)
    assert [layer.activation for layer in model.layers] == before
    assert all("call" not in vars(layer) for layer in model.layers)


def test_errors_shrink_at_the_published_rate_but_weight_gradients_do_not():
    """Glorot and Bengio (2010): with U(-1/sqrt(n), 1/sqrt(n)) a layer shrinks the error by sqrt(1/3), not dC/dW."""
    keras.utils.set_random_seed(3)
    standard = keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
    x = np.random.default_rng(0).normal(size=(100, 1000)).astype("float32") * 0.3
    hidden = [layers.Dense(1000, "tanh", kernel_initializer=standard, name=f"hidden_{n}") for n in range(1, 6)]
    model = keras.Sequential([keras.Input((1000,)), *hidden, layers.Dense(10, "softmax", name="output")])
    model.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
    recorder = GradientRecorder(every=1, activations=True)
    model.fit(x, np.arange(100) % 10, batch_size=100, verbose=0, callbacks=[recorder])
    errors = recorder.activation_frame()["delta_rms"].to_numpy()[:5]
    np.testing.assert_allclose(errors[:-1] / errors[1:], 3**-0.5, rtol=0.05)
    kernels = recorder.frame().query("variable == 'kernel'")["l2"].to_numpy()[:5]
    assert kernels.max() / kernels.min() < 2
    assert errors[-1] / errors[0] > 6


def test_activations_are_recorded_in_the_same_steps_as_gradients():
    recorder = GradientRecorder(every=2, activations=True)
    create_network("tanh").fit(X, Y, epochs=2, batch_size=10, verbose=0, callbacks=[recorder])
    assert (
        recorder.activation_frame()["step"].unique().tolist() == recorder.frame()["step"].unique().tolist() == [1, 3, 5]
    )


def test_a_model_that_is_not_built_is_recorded():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.hidden = layers.Dense(3, "relu", name="hidden")
            self.out = layers.Dense(2, "softmax", name="out")

        def call(self, x):
            return self.out(self.hidden(x))

    model = Net()
    model.compile("sgd", "sparse_categorical_crossentropy")
    frame = record(model)
    assert set(frame["layer"]) == {"hidden", "out"}
    assert frame.query("layer == 'hidden'")["dead"].notna().all()


SEQUENCES = np.random.default_rng(0).normal(size=(30, 5, 3)).astype("float32")


@pytest.mark.parametrize(
    ("layer", "names"),
    [
        (lambda: layers.SimpleRNN(4, name="rnn"), ["rnn"]),
        (lambda: layers.GRU(4, name="gru"), ["gru"]),
        (lambda: layers.LSTM(4, return_sequences=True, name="lstm"), ["lstm"]),
        (lambda: layers.TimeDistributed(layers.Dense(4, "tanh"), name="each"), ["each"]),
    ],
)
def test_outputs_of_layers_that_loop_over_time_are_recorded(layer, names):
    keras.utils.set_random_seed(0)
    stack = [layer(), layers.Flatten(), layers.Dense(2, "softmax", name="output")]
    model = keras.Sequential([keras.Input((5, 3)), *stack])
    model.compile("sgd", "sparse_categorical_crossentropy")
    outputs = model.layers[0](SEQUENCES[:10]).numpy()
    frame = record(model, SEQUENCES).query("step == 1").set_index("layer")
    assert list(frame.index) == [*names, "output"]
    saturated = (np.abs(outputs) > 0.9).mean()
    expected = [outputs.mean(), outputs.std(), saturated]
    np.testing.assert_allclose(frame.loc[names[0]][["mean", "std", "saturated"]].astype(float), expected, rtol=1e-5)
    assert frame["delta_l2"].isna().tolist() == [True, False]


def test_both_directions_of_a_recurrent_layer_are_recorded():
    model = keras.Sequential([keras.Input((5, 3)), layers.Bidirectional(layers.LSTM(4), name="both"), layers.Dense(1)])
    model.compile("sgd", "mse")
    outputs = model.layers[0](SEQUENCES[:10]).numpy()
    frame = record(model, SEQUENCES, np.zeros(30)).query("step == 1")
    np.testing.assert_allclose(frame["mean"][:2], [outputs[:, :4].mean(), outputs[:, 4:].mean()], rtol=1e-5)
    assert frame["layer"].str.startswith(("both/forward_lstm", "both/backward_lstm", "dense")).all()


def test_layers_inside_a_layer_are_recorded():
    class Block(layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.inner, self.function = layers.Dense(4, "relu", name="inner"), keras.activations.sigmoid

        def call(self, x):
            return self.function(self.inner(x))

    block = Block(name="block")
    model = keras.Sequential([keras.Input((4,)), block, layers.Dense(2, "softmax", name="output")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    inner, outer = block.inner(X[:10]).numpy(), block(X[:10]).numpy()
    frame = record(model).query("step == 1").set_index("layer")
    assert list(frame.index) == ["block/inner", "block", "output"]
    np.testing.assert_allclose(frame["mean"].iloc[:2], [inner.mean(), outer.mean()], rtol=1e-5)


def test_a_layer_that_is_not_called_is_told():
    inputs = keras.Input((5, 3))
    attention = layers.MultiHeadAttention(2, 4, name="attention")(inputs, inputs)
    model = keras.Model(inputs, layers.Dense(1)(layers.Flatten()(attention)))
    model.compile("sgd", "mse")
    # Keras computes the softmax of the scores within `ops.dot_product_attention`.
    with pytest.warns(GradientWarning, match="No step has called the activation functions of attention/softmax"):
        frame = record(model, SEQUENCES, np.zeros(30))
    assert set(frame["layer"].iloc[:4]) == {
        f"attention/{name}" for name in ("query", "key", "value", "attention_output")
    }


def test_functions_in_call_are_told_before_the_training():
    class Block(layers.Layer):
        def call(self, x):
            return keras.ops.tanh(x)

    model = keras.Sequential([keras.Input((4,)), Block(name="block"), layers.Dense(2, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    stop = keras.callbacks.LambdaCallback(on_train_batch_begin=lambda batch, logs: pytest.fail("A step has run."))
    recorder = GradientRecorder(activations=True)
    with pytest.raises(GradientWarning, match="functions that block applies in `call`"):
        model.fit(X, Y, verbose=0, callbacks=[recorder, stop])
