"""Models of every kind that Keras trains on arrays have the weights and the history of Keras' own `fit`."""

import keras
import numpy as np
import pytest
from keras import layers

from tests.zoo.loop.small_model import assert_same_weights
from zoo.training import fit

pytestmark = pytest.mark.usefixtures("no_timings")
RNG = np.random.default_rng(0)
LEFT, RIGHT = (RNG.normal(size=(40, size)).astype("float32") for size in (3, 2))
VALUES, LABELS = LEFT[:, :1] - RIGHT[:, 1:], (LEFT[:, 0] > 0).astype("int64")
SERIES = RNG.normal(size=(40, 4, 2)).astype("float32")
WEIGHTS = np.linspace(0.2, 2, 40).astype("float32")
TARGETS = {"value": VALUES, "label": LABELS}
LOSSES = {"value": "mse", "label": "sparse_categorical_crossentropy"}


def create_two_outputs(*, named=True, **compiled):
    left, right = keras.Input((3,), name="left"), keras.Input((2,), name="right")
    hidden = layers.Dense(5, "tanh")(layers.Concatenate()([left, right]))
    value, label = layers.Dense(1, name="value")(hidden), layers.Dense(2, "softmax", name="label")(hidden)
    outputs = {"value": value, "label": label} if named else [value, label]
    model = keras.Model({"left": left, "right": right} if named else [left, right], outputs)
    model.compile("sgd", jit_compile=False, **compiled)
    return model


def create_nested():
    inputs = {"pair": [keras.Input((3,)), keras.Input((2,))], "series": (keras.Input((4, 2)),)}
    flat = [layers.Flatten()(each) for each in keras.tree.flatten(inputs)]
    model = keras.Model(inputs, layers.Dense(1)(layers.Concatenate()(flat)))
    model.compile("sgd", "mse", metrics=["mae"], jit_compile=False)
    return model


def create_stateful():
    model = keras.Sequential([keras.Input(batch_shape=(8, 4, 2)), layers.GRU(3, stateful=True), layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"], jit_compile=False)
    return model


def create_masked():
    stack = [layers.Masking(0.0), layers.Bidirectional(layers.LSTM(3)), layers.BatchNormalization(), layers.Dense(1)]
    model = keras.Sequential([keras.Input((4, 2)), *stack])
    model.compile("adam", "mse", weighted_metrics=["mae"], jit_compile=False)
    return model


def create_divided():
    parts = {"first/.*": keras.optimizers.SGD(0.1)}
    optimizers = keras.optimizers.OptimizerMap(keras.optimizers.Adam(0.1), parts)
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4, "tanh", name="first"), layers.Dense(1)])
    model.compile(keras.optimizers.MultiOptimizer(optimizers), "mse", jit_compile=False)
    return model


def create_with_scores_by_class():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, "softmax")])
    metrics = [keras.metrics.F1Score(average=None), "accuracy"]
    model.compile("sgd", "categorical_crossentropy", metrics=metrics, jit_compile=False)
    return model


class OwnLoss(keras.Model):
    """Has a loss of its own, another that a layer adds, and a metric of its own."""

    def __init__(self):
        super().__init__()
        self.inner = layers.Dense(1, activity_regularizer="l2")
        self.size = keras.metrics.Mean("size")

    def call(self, x):
        return self.inner(x)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        self.size.update_state(keras.ops.abs(y_pred))
        return keras.ops.mean((y - y_pred) ** 4) + sum(self.losses)


def create_own_loss():
    model = OwnLoss()
    model.compile("sgd", jit_compile=False)
    return model


def create_scaled(*, auto_scale_loss):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = keras.Sequential([keras.Input((3,)), layers.Dense(4, "tanh"), layers.Dense(1, dtype="float32")])
        model.compile("sgd", "mse", auto_scale_loss=auto_scale_loss, jit_compile=False)
    finally:
        keras.config.set_dtype_policy(policy)
    return model


NAMED, UNNAMED = {"left": LEFT, "right": RIGHT}, [LEFT, RIGHT]
KINDS = {
    "losses by name": (lambda: create_two_outputs(loss=LOSSES, metrics={"label": ["accuracy"]}), (NAMED, TARGETS)),
    "losses in a list": (
        lambda: create_two_outputs(named=False, loss=list(LOSSES.values()), metrics=[["mae"], ["accuracy"]]),
        (UNNAMED, [VALUES, LABELS]),
    ),
    "loss_weights": (
        lambda: create_two_outputs(loss=LOSSES, loss_weights={"value": 0.2, "label": 3}),
        (NAMED, TARGETS),
    ),
    "a loss for one of two outputs": (
        lambda: create_two_outputs(loss={"value": "mse", "label": None}),
        (NAMED, {"value": VALUES, "label": LABELS}),
    ),
    "weighted_metrics": (
        lambda: create_two_outputs(loss=LOSSES, metrics={"value": "mae"}, weighted_metrics={"value": "mae"}),
        (NAMED, TARGETS, WEIGHTS),
    ),
    "weights of each output": (
        lambda: create_two_outputs(loss=LOSSES, weighted_metrics={"label": "accuracy"}),
        (NAMED, TARGETS, {"value": WEIGHTS, "label": WEIGHTS[::-1].copy()}),
    ),
    "nested inputs": (create_nested, ({"pair": [LEFT, RIGHT], "series": (SERIES,)}, VALUES)),
    "stateful RNN": (create_stateful, (SERIES, VALUES)),
    "masked bidirectional RNN": (create_masked, (SERIES * (RNG.random((40, 4, 1)) > 0.3), VALUES, WEIGHTS)),
    "a metric with a value per class": (create_with_scores_by_class, (LEFT, np.eye(2, dtype="float32")[LABELS])),
    "MultiOptimizer": (create_divided, (LEFT, VALUES)),
    "compute_loss of its own": (create_own_loss, (LEFT, VALUES)),
    "auto_scale_loss": (lambda: create_scaled(auto_scale_loss=True), (LEFT, VALUES)),
    "mixed precision without a scaled loss": (lambda: create_scaled(auto_scale_loss=False), (LEFT, VALUES)),
}


@pytest.mark.large
@pytest.mark.filterwarnings("ignore:Gradients do not exist")  # of the output without a loss
@pytest.mark.parametrize(("create", "data"), KINDS.values(), ids=KINDS)
def test_models_have_the_numbers_of_keras(create, data):
    models, histories = [], []
    x, y, *weights = data
    # A stateful model takes whole batches only.
    options = {"batch_size": 8, "epochs": 3, "verbose": 0, "shuffle": False, "validation_data": data}
    options |= {"sample_weight": weights[0]} if weights else {}
    for train in (keras.Model.fit, fit):
        keras.utils.set_random_seed(1)
        model = create()
        histories.append(train(model, x, y, **options).history)
        models.append(model)
    assert_same_weights(*models)
    assert list(histories[1]) == list(histories[0])
    for name, values in histories[0].items():
        np.testing.assert_allclose(histories[1][name], values, rtol=1e-4, atol=1e-6, err_msg=name)
