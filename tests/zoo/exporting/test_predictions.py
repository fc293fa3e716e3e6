"""The outputs of a model are called by what they mean, and its classes are those that Keras' own metrics count."""

import keras
import numpy as np
import pytest
import scipy.special
from keras import layers

import zoo
from zoo import datasets
from zoo.errors import InvalidValue

X = np.random.default_rng(0).normal(size=(200, 4)).astype("float32")


def make(units, activation=None, loss=None):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(units, activation, bias_initializer="random_normal")])
    if loss is not None:
        model.compile("sgd", loss)
    return model


@pytest.mark.parametrize("loss", ["mse", "mae", keras.losses.Huber(), keras.losses.mean_squared_error, None])
def test_a_regression_has_values_and_no_classes(loss, serve):
    model = make(2, loss=loss)
    outputs = serve(model)(X)
    assert set(outputs) == {"values"}
    np.testing.assert_allclose(outputs["values"], model.predict(X, verbose=0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("activation", "loss", "name", "threshold"),
    [
        ("sigmoid", None, "probabilities", 0.5),
        ("sigmoid", "binary_crossentropy", "probabilities", 0.5),
        (None, keras.losses.BinaryCrossentropy(from_logits=True), "logits", 0.0),
    ],
)
def test_one_unit_has_class_1_above_the_threshold_of_keras(activation, loss, name, threshold, serve):
    model = make(1, activation, loss)
    outputs, predicted = serve(model)(X), model.predict(X, verbose=0)
    np.testing.assert_allclose(outputs[name], predicted, atol=1e-6)
    assert set(outputs["classes"]) == {0, 1}
    accuracy = keras.metrics.BinaryAccuracy(threshold=threshold)
    accuracy.update_state(outputs["classes"][:, None], predicted)
    assert accuracy.result() == 1


@pytest.mark.parametrize(
    ("activation", "loss", "name"),
    [
        ("softmax", None, "probabilities"),
        ("softmax", "mse", "probabilities"),
        ("sigmoid", "categorical_crossentropy", "probabilities"),
        (None, keras.losses.SparseCategoricalCrossentropy(from_logits=True), "logits"),
        (None, keras.losses.CategoricalCrossentropy(from_logits=True), "logits"),
    ],
)
def test_several_units_have_the_class_of_the_highest(activation, loss, name, serve):
    model = make(3, activation, loss)
    outputs, predicted = serve(model)(X), model.predict(X, verbose=0)
    np.testing.assert_allclose(outputs[name], predicted, atol=1e-6)
    np.testing.assert_array_equal(outputs["classes"], predicted.argmax(axis=1))


@pytest.mark.parametrize("loss", [None, "binary_crossentropy"])
def test_several_sigmoids_are_independent_labels(loss, serve):
    model = make(3, "sigmoid", loss)
    logits = X @ model.layers[0].kernel.numpy() + model.layers[0].bias.numpy()
    outputs = serve(model)(X)
    assert set(outputs) == {"probabilities"}
    np.testing.assert_allclose(outputs["probabilities"], scipy.special.expit(logits), atol=1e-6)


@pytest.mark.parametrize(
    "stack",
    [
        (layers.Dense(3), layers.Softmax()),
        (layers.Dense(3, "softmax"), layers.Dropout(0.1), layers.Flatten()),
        (layers.Reshape((2, 2)), layers.TimeDistributed(layers.Dense(3, "softmax"))),
        (layers.Dense(6), layers.Reshape((2, 3)), layers.Softmax()),
    ],
)
def test_layers_after_a_softmax_do_not_hide_it(stack, serve):
    model = keras.Sequential([keras.Input((4,)), *stack])
    outputs, predicted = serve(model)(X), model.predict(X, verbose=0)
    np.testing.assert_allclose(outputs["probabilities"], predicted, atol=1e-6)
    np.testing.assert_array_equal(outputs["classes"], predicted.argmax(axis=-1))


def test_a_softmax_over_another_axis_has_no_classes(serve):
    model = keras.Sequential([keras.Input((4,)), layers.Reshape((2, 2)), layers.Softmax(axis=1)])
    assert set(serve(model)(X)) == {"values"}


def test_an_only_output_keeps_the_name_that_the_model_gives_it(serve):
    inputs = keras.Input((4,))
    assert set(serve(keras.Model(inputs, {"output": layers.Dense(3, "softmax")(inputs)}))(X)) == {"output"}


def test_the_classes_of_a_data_set_tell_scores_from_values(serve):
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(10)])
    outputs = serve(model, dataset="digits")(16 * datasets.load("digits").test.x)
    assert set(outputs) == {"scores", "classes"}


def test_a_data_set_of_other_classes_is_refused(tmp_path):
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(3, "softmax")])
    with pytest.raises(InvalidValue, match="The model has 3 classes; digits has 10"):
        zoo.export(model, tmp_path / "served", dataset="digits")
