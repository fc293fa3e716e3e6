"""Pre-trained weights of a body serve for other classes, with a new output layer."""

import numpy as np
import pytest

import zoo
from zoo.errors import InvalidValue
from zoo.models.heads import copy_weights, find_head, freeze_body


def test_another_number_of_classes_gives_a_new_head_on_the_same_body():
    trained = zoo.create("lenet5_relu", weights="mnist")
    model = zoo.create("lenet5_relu", weights="mnist", classes=26)
    assert model.output_shape == (None, 26)
    for layer, other in zip(trained.layers[:-1], model.layers[:-1], strict=True):
        for weight, expected in zip(other.get_weights(), layer.get_weights(), strict=True):
            np.testing.assert_array_equal(weight, expected)
    assert not np.allclose(find_head(model).get_weights()[0][:, :10], find_head(trained).get_weights()[0])


def test_the_same_number_of_classes_keeps_the_head():
    trained, model = (zoo.create("deep_mlp", weights="mnist", **classes) for classes in ({}, {"classes": 10}))
    np.testing.assert_array_equal(find_head(model).get_weights()[0], find_head(trained).get_weights()[0])


def test_another_body_is_an_error():
    with pytest.raises(InvalidValue, match="hidden_1 has weights of shape"):
        copy_weights(zoo.create("deep_mlp", width=30), zoo.create("deep_mlp", width=31))
    with pytest.raises(InvalidValue, match="must have 3 layers, as the weights have; it has 4|hidden_3 has weights"):
        copy_weights(zoo.create("deep_mlp", depth=2), zoo.create("deep_mlp", depth=3))
    with pytest.raises(InvalidValue, match="input_shape must be"):
        zoo.create("lenet5_relu", weights="mnist", classes=26, input_shape=(32, 32, 1))


def test_a_frozen_body_stays_as_it_is():
    model = zoo.create("deep_mlp", input_shape=(2,), classes=2, depth=2)
    freeze_body(model)
    model.compile("sgd", "sparse_categorical_crossentropy")
    before = model.get_weights()
    model.fit(np.ones((8, 2)), np.arange(8) % 2, verbose=0)
    changed = [not np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True)]
    assert changed == [False] * 4 + [True] * 2
