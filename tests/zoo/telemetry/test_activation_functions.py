"""Activation functions are found wherever Keras keeps them."""

import keras
import pytest
from keras import layers

from zoo.telemetry.activation_functions import list_activation_functions, list_hidden_functions


class Applies(layers.Layer):
    def call(self, x):
        return keras.ops.relu(x)


class AppliesInside(layers.Layer):
    def call(self, x):
        return (lambda z: keras.activations.get("tanh")(z) + keras.ops.sigmoid(z))(x)


class Calls(layers.Layer):
    def __init__(self):
        super().__init__(name="calls")
        self.squash = keras.activations.tanh

    def call(self, x):
        return self.squash(x)


def create(*stack, shape=(5, 3)):
    return keras.Sequential([keras.Input(shape), *stack])


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (lambda: layers.Dense(2, name="dense"), ("dense", "activation", "linear")),
        (lambda: layers.Dense(2, "relu", name="dense"), ("dense", "activation", "relu")),
        (lambda: layers.Conv1D(2, 3, activation="tanh", name="conv"), ("conv", "activation", "tanh")),
        (lambda: layers.Activation("gelu", name="gelu"), ("gelu", "activation", "gelu")),
        (lambda: layers.ReLU(name="relu"), ("relu", "call", "relu")),
        (lambda: layers.ReLU(negative_slope=0.1, name="leaky"), ("leaky", "call", "")),
        (lambda: layers.PReLU(name="prelu"), ("prelu", "call", "prelu")),
        (lambda: layers.Softmax(name="softmax"), ("softmax", "call", "softmax")),
        (lambda: layers.GRU(2, activation="sigmoid", name="gru"), ("gru", "call", "sigmoid")),
        (lambda: layers.TimeDistributed(layers.Dense(2, "tanh"), name="each"), ("each", "call", "tanh")),
        (Calls, ("calls", "squash", "tanh")),
    ],
)
def test_a_layer_has_one_function(layer, expected):
    (function,) = list_activation_functions(create(layer()))
    assert (function.name, function.attribute, function.function) == expected


@pytest.mark.parametrize("layer", [layers.BatchNormalization, layers.Flatten, lambda: layers.Embedding(4, 2)])
def test_a_layer_without_a_function_is_left_out(layer):
    model = create(layer())
    assert list_activation_functions(model) == []
    assert list_hidden_functions(model) == []


def test_operations_of_a_functional_model_are_found_in_order():
    inputs = keras.Input((3,))
    hidden = keras.ops.relu(layers.Dense(4, name="first")(inputs))
    inner_inputs = keras.Input((4,))
    inner = keras.Model(inner_inputs, keras.ops.tanh(layers.Dense(2, name="second")(inner_inputs)), name="inner")
    found = list_activation_functions(keras.Model(inputs, inner(hidden)))
    assert [each.function for each in found] == ["linear", "relu", "linear", "tanh"]
    assert [each.name.partition("/")[0] for each in found][2:] == ["inner", "inner"]


@pytest.mark.parametrize("layer", [Applies, AppliesInside])
def test_a_function_in_call_is_hidden(layer):
    model = create(layer(name="block"))
    assert list_hidden_functions(model) == ["block"]
