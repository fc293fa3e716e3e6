import keras
from keras import layers

from zoo.telemetry.weights import list_trainable_weights


def names(model):
    return [(weight.layer, weight.variable) for weight in list_trainable_weights(model)]


def test_layers_come_in_order_each_with_its_weights():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="first"), layers.Dense(2, name="second")])
    assert names(model) == [("first", "kernel"), ("first", "bias"), ("second", "kernel"), ("second", "bias")]


def test_a_layer_of_layers_keeps_the_names_inside_it():
    model = keras.Sequential([keras.Input((5, 4)), layers.LSTM(3, name="memory")])
    assert names(model) == [("memory", f"lstm_cell/{name}") for name in ("kernel", "recurrent_kernel", "bias")]


def test_models_in_a_model_are_told_apart():
    def tower(name):
        return keras.Sequential([keras.Input((4,)), layers.Dense(2, name="dense", use_bias=False)], name=name)

    x = keras.Input((4,))
    model = keras.Model(x, layers.Add()([tower("left")(x), tower("right")(x)]))
    assert names(model) == [("left/dense", "kernel"), ("right/dense", "kernel")]


def test_a_shared_layer_comes_once():
    shared = layers.Dense(4, name="shared", use_bias=False)
    x = keras.Input((4,))
    assert names(keras.Model(x, shared(shared(x)))) == [("shared", "kernel")]


def test_frozen_weights_are_left_out():
    frozen = layers.Dense(3, name="frozen", trainable=False)
    model = keras.Sequential([keras.Input((4,)), frozen, layers.BatchNormalization(name="norm")])
    assert names(model) == [("norm", "gamma"), ("norm", "beta")]


def test_a_weight_of_the_model_itself_has_its_name():
    class Scaled(keras.Model):
        def build(self, input_shape):
            self.scale = self.add_weight(name="scale", shape=())

        def call(self, x):
            return x * self.scale

    model = Scaled(name="scaled")
    model.build((None, 2))
    assert names(model) == [("scaled", "scale")]


def test_layers_of_the_same_name_are_told_apart():
    class Twins(keras.Model):
        def __init__(self):
            super().__init__()
            self.one = layers.Dense(2, name="dense", use_bias=False)
            self.other = layers.Dense(2, name="dense", use_bias=False)

        def call(self, x):
            return self.one(x) + self.other(x)

    model = Twins()
    model(keras.ops.ones((1, 2)))
    assert names(model) == [("dense", "kernel"), ("dense#2", "kernel")]
