"""Any Keras model is served as `model.predict` computes it, or refused in one sentence."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import zoo
from zoo.errors import InvalidValue

X = np.random.default_rng(0).normal(100, 15, (64, 4)).astype("float32")
TOKENS = np.random.default_rng(1).integers(0, 50, (5, 7)).astype("int32")
COLORS = tf.constant([["green"], ["blue"]])
TEXTS = tf.constant(["the cat sat", "a dog", "", "zebra the"])


def dense(units=3, activation="softmax"):
    return layers.Dense(units, activation=activation)


def adapted(layer, data):
    layer.adapt(data)
    return layer


def vectorizer():
    return adapted(layers.TextVectorization(20, output_sequence_length=6), ["the cat sat on a mat", "a dog ran"])


def text_layers():
    return vectorizer(), layers.Embedding(20, 4), layers.GlobalAveragePooling1D(), dense(1, "sigmoid")


class Subclassed(keras.Model):
    """A model that declares no inputs."""

    def __init__(self, *stack):
        super().__init__()
        self.stack = list(stack)

    def call(self, x):
        for layer in self.stack:
            x = layer(x)
        return x


class Compiled(Subclassed):
    """A model whose `call` is a TensorFlow function."""

    @tf.function
    def call(self, x):
        return super().call(x)


class Unregistered(layers.Layer):
    """A layer without a configuration, with a variable of TensorFlow."""

    def __init__(self, factor):
        super().__init__()
        self.factor, self.shift = factor, tf.Variable(2.0)

    def call(self, x):
        return self.factor * x + self.shift


def called(model, x):
    model(x)
    return model


def images(*stack, dtype="float32"):
    return keras.Sequential([keras.Input((8, 8, 3), dtype=dtype), *stack, layers.Flatten(), dense()])


def embedded(*stack):
    return layers.Embedding(50, 4, mask_zero=True), layers.GlobalAveragePooling1D(), *stack


PIXELS = np.random.default_rng(2).integers(0, 256, (5, 8, 8, 3))
# RandomHue draws numbers in inference, too, and does not use them.
AUGMENTED = (layers.RandomFlip, lambda: layers.RandomHue(0.1), lambda: layers.Dropout(0.5))
MODELS = {
    "adapted Normalization": (
        lambda: keras.Sequential([keras.Input((4,)), adapted(layers.Normalization(), X), dense()]), X, "float32",
    ),
    "Sequential built by call": (lambda: called(keras.Sequential([dense()]), X), X, "float32"),
    "subclassed": (lambda: called(Subclassed(dense()), X), X, "float32"),
    "unregistered layer": (lambda: called(Subclassed(Unregistered(3.0), dense()), X), X, "float32"),
    "tokens, declared": (
        lambda: keras.Sequential([keras.Input((None,), dtype="int32"), *embedded(dense())]), TOKENS, "int32",
    ),
    "tokens, not declared": (lambda: called(keras.Sequential([*embedded(dense())]), TOKENS), TOKENS, "int32"),
    "tokens, subclassed": (lambda: called(Subclassed(*embedded(dense())), TOKENS), TOKENS, "int32"),
    "tokens, in a TensorFlow function": (lambda: called(Compiled(*embedded(dense())), TOKENS), TOKENS, "int32"),
    "texts": (lambda: keras.Sequential([keras.Input((), dtype="string"), *text_layers()]), TEXTS, "string"),
    "texts, subclassed": (lambda: called(Subclassed(*text_layers()), TEXTS), TEXTS, "string"),
    "words": (
        lambda: keras.Sequential([
            keras.Input((1,), dtype="string"),
            layers.StringLookup(vocabulary=["red", "green"], num_oov_indices=0, output_mode="one_hot"),
            dense(),
        ]),
        tf.constant([["green"], ["red"]]), "string",
    ),
    "numbers of a vocabulary": (
        lambda: keras.Sequential([
            keras.Input((1,), dtype="int64"),
            layers.IntegerLookup(vocabulary=[10, 30], num_oov_indices=0, output_mode="one_hot"),
            dense(),
        ]),
        np.array([[30], [10]]), "int64",
    ),
    "hashes": (
        lambda: keras.Sequential([
            keras.Input((1,), dtype="string"), layers.Hashing(8, output_mode="one_hot"), dense(),
        ]),
        COLORS, "string",
    ),
    "hashes, subclassed": (
        lambda: called(Subclassed(layers.Hashing(8, output_mode="one_hot"), dense()), COLORS), COLORS, "string",
    ),
    "bins": (
        lambda: keras.Sequential([
            keras.Input((1,)),
            adapted(layers.Discretization(num_bins=4, output_mode="one_hot"), X[:, :1]),
            dense(),
        ]),
        X[:5, :1], "float32",
    ),
    "categories": (
        lambda: keras.Sequential([keras.Input((1,), dtype="int32"), layers.CategoryEncoding(5), dense()]),
        np.array([[4], [0]]), "int32",
    ),
    "augmented images": (
        lambda: images(*(make() for make in AUGMENTED), layers.Rescaling(1 / 255), layers.BatchNormalization()),
        PIXELS.astype("float32"), "float32",
    ),
    "integer images": (lambda: images(layers.Rescaling(1 / 255), dtype="uint8"), PIXELS.astype("uint8"), "uint8"),
    "sequences of any length": (
        lambda: keras.Sequential([keras.Input((None, 2)), layers.Bidirectional(layers.GRU(3)), dense()]),
        np.random.default_rng(3).random((4, 5, 2)), "float32",
    ),
    "images of any size": (
        lambda: keras.Sequential([
            keras.Input((None, None, 1)), layers.Conv2D(4, 5, strides=2), layers.MaxPooling2D(), layers.Conv2D(3, 5),
        ]),
        np.random.default_rng(4).random((2, 40, 60, 1)), "float32",
    ),
    "a fixed batch": (lambda: keras.Sequential([keras.Input(batch_shape=(64, 4)), dense()]), X, "float32"),
    "double precision": (
        lambda: keras.Sequential([keras.Input((4,), dtype="float64"), layers.Dense(2, dtype="float64")]), X, "float64",
    ),
    "half precision": (
        lambda: called(keras.Sequential([layers.Dense(8, dtype="mixed_float16"), dense()]), X / 100),
        X / 100, "float32",
    ),
    "a layer called code": (
        lambda: keras.Sequential([keras.Input((4,)), layers.Dense(3, name="code"), dense()]), X, "float32",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", MODELS)
def test_a_model_is_served_as_keras_predicts(kind, serve):
    make, x, dtype = MODELS[kind]
    model = make()
    served = serve(model)
    assert list(served.inputs.values()) == [dtype]
    outputs = served(x)
    first = next(name for name in outputs if name != "classes")
    np.testing.assert_allclose(outputs[first], model.predict(x, verbose=0), rtol=1e-5, atol=1e-6)


def test_inputs_and_outputs_of_a_dictionary_keep_their_names(serve):
    age, city = keras.Input((4,), name="age"), keras.Input((1,), dtype="string", name="city")
    place = layers.StringLookup(vocabulary=["Ulm", "Bonn"], output_mode="one_hot")(city)
    both = layers.Concatenate()([age, place])
    model = keras.Model({"age": age, "city": city}, {"price": layers.Dense(1)(both), "kind": dense()(both)})
    x = {"age": X[:3], "city": tf.constant([["Bonn"], ["Ulm"], ["Rome"]])}
    served, expected = serve(model)(**x), model.predict(x, verbose=0)
    assert set(served) == {"price", "kind"}
    for name, value in served.items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-5)


def test_inputs_and_outputs_of_a_list_are_called_as_their_layers(serve):
    age, other = keras.Input((4,), name="age"), keras.Input((2,), name="rooms and floors")
    both = layers.Concatenate()([age, other])
    model = keras.Model([age, other], [layers.Dense(1, name="price")(both), layers.Dense(3, name="kind")(both)])
    served = serve(model)(age=X, rooms_and_floors=X[:, :2])
    price, kind = model.predict([X, X[:, :2]], verbose=0)
    np.testing.assert_allclose(served["price"], price, rtol=1e-5)
    np.testing.assert_allclose(served["kind"], kind, rtol=1e-5)


def test_an_export_leaves_the_model_as_it_was(serve):
    model = zoo.create("autoencoder", input_shape=(8, 8, 1))
    model.compile("sgd", "mse")
    before, weights = model.to_json(), model.get_weights()
    serve(model)
    assert model.to_json() == before
    for old, new in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_model_trained_by_a_strategy_takes_its_constants_and_words_along(serve):
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        model = keras.Sequential([keras.Input((4,)), adapted(layers.Normalization(), X), dense()])
    np.testing.assert_allclose(serve(model)(X)["probabilities"], model.predict(X, verbose=0), rtol=1e-5)


def test_the_whole_export_is_verified_in_another_process(tmp_path):
    model = keras.Sequential([keras.Input((), dtype="string"), *text_layers()])
    assert zoo.export(model, tmp_path / "served").signatures == {"serve": pytest.approx(0, abs=1e-6)}


class RandomLayer(layers.Layer):
    """Draws random numbers in inference, as the sampling layer of a variational autoencoder does."""

    def __init__(self, draw):
        super().__init__(name="sampling")
        self.draw, self.seed_generator = draw, keras.random.SeedGenerator(0)

    def call(self, x):
        return x + self.draw(tf.shape(x), self.seed_generator)


@pytest.mark.parametrize(
    ("shape", "layer"),
    [
        ((2, 3, 4), lambda: layers.LSTM(2, stateful=True, name="sampling")),
        ((None, 4), lambda: RandomLayer(lambda shape, seed: keras.random.normal(shape, seed=seed))),
        ((None, 4), lambda: RandomLayer(lambda shape, _: tf.random.normal(shape))),
    ],
)
def test_a_model_that_changes_from_call_to_call_is_refused(shape, layer, tmp_path):
    model = keras.Sequential([keras.Input(batch_shape=shape), layer()])
    with pytest.raises(InvalidValue, match="same outputs for the same inputs; its layer sampling keeps a state or"):
        zoo.export(model, tmp_path / "served")
    assert not list(tmp_path.iterdir())


class TwoArguments(keras.Model):
    """A model of which Keras records the shape of one argument only."""

    def call(self, x, y):
        return x + y


class Ragged(keras.Model):
    """A model whose outputs have no fixed shape."""

    def call(self, x):
        return tf.RaggedTensor.from_tensor(x)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: layers.Dense(3), "model must be a keras.Model; got Dense"),
        (lambda: Subclassed(dense()), "must be built, so that its inputs are known; call subclassed.* on a batch"),
        (lambda: keras.Sequential([dense()]), "must be built, so that its inputs are known; call sequential.* on a"),
        (lambda: called(Ragged(), X), "outputs of a model must be dense tensors; one of ragged.* is a RaggedTensor"),
    ],
)
def test_a_model_that_cannot_be_served_is_refused(model, message, tmp_path):
    with pytest.raises(InvalidValue, match=message):
        zoo.export(model(), tmp_path / "served")
    assert not list(tmp_path.iterdir())


def test_a_model_of_two_arguments_is_refused(tmp_path):
    model = TwoArguments()
    model(X, X)
    with pytest.raises(InvalidValue, match="model must be one that TensorFlow can trace; two_arguments.* fails on its"):
        zoo.export(model, tmp_path / "served")
