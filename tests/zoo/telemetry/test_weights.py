import keras
from keras import layers

from zoo.telemetry.weights import list_trainable_weights


def list_names(model):
    return [(weight.layer, weight.variable) for weight in list_trainable_weights(model)]


def test_weights_are_listed_by_layer_in_order():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="first"), layers.Dense(2, name="second")])
    assert list_names(model) == [("first", "kernel"), ("first", "bias"), ("second", "kernel"), ("second", "bias")]


def test_inner_layers_are_part_of_the_variable_name():
    model = keras.Sequential([keras.Input((5, 4)), layers.LSTM(3, name="memory")])
    assert list_names(model) == [("memory", f"lstm_cell/{name}") for name in ("kernel", "recurrent_kernel", "bias")]


def test_inner_models_are_part_of_the_layer_name():
    def tower(name):
        return keras.Sequential([keras.Input((4,)), layers.Dense(2, name="dense", use_bias=False)], name=name)

    x = keras.Input((4,))
    model = keras.Model(x, layers.Add()([tower("left")(x), tower("right")(x)]))
    assert list_names(model) == [("left/dense", "kernel"), ("right/dense", "kernel")]


def test_a_shared_layer_is_listed_once():
    shared = layers.Dense(4, name="shared", use_bias=False)
    x = keras.Input((4,))
    assert list_names(keras.Model(x, shared(shared(x)))) == [("shared", "kernel")]


def test_frozen_weights_are_omitted():
    frozen = layers.Dense(3, name="frozen", trainable=False)
    model = keras.Sequential([keras.Input((4,)), frozen, layers.BatchNormalization(name="norm")])
    assert list_names(model) == [("norm", "gamma"), ("norm", "beta")]


def test_a_weight_of_the_model_itself_has_the_name_of_the_model():
    class Scaled(keras.Model):
        def build(self, input_shape):
            self.scale = self.add_weight(name="scale", shape=())

        def call(self, x):
            return x * self.scale

    model = Scaled(name="scaled")
    model.build((None, 2))
    assert list_names(model) == [("scaled", "scale")]


def test_layers_of_the_same_name_are_numbered():
    class Twins(keras.Model):
        def __init__(self):
            super().__init__()
            self.one = layers.Dense(2, name="dense", use_bias=False)
            self.other = layers.Dense(2, name="dense", use_bias=False)

        def call(self, x):
            return self.one(x) + self.other(x)

    model = Twins()
    model(keras.ops.ones((1, 2)))
    assert list_names(model) == [("dense", "kernel"), ("dense#2", "kernel")]
