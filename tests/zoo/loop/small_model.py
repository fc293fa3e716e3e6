"""A small model, trained by Keras' own `fit` and by the loop."""

import keras
import numpy as np
from keras import layers

from zoo.training import fit


def create_model(optimizer="sgd", *, dropout=0.0, **compiled):
    keras.utils.set_random_seed(1)
    network = keras.Sequential(
        [
            keras.Input((2,)),
            layers.Dense(5, "tanh", name="hidden", kernel_regularizer="l2"),
            layers.Dropout(dropout),
            layers.Dense(2, "softmax", name="output"),
        ]
    )
    network.compile(
        optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], **{"jit_compile": False, **compiled}
    )
    return network


def assert_same_weights(model, expected):
    for weight, expected_weight in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_allclose(weight, expected_weight, rtol=1e-5, atol=1e-6)


def train_both(points, create=create_model, *, epochs=2, jit_compile=False, **options):
    """Trains a model by Keras' own fit and another by the loop, on the same batches."""
    keras_model, loop_model = create(), create()
    common = {"batch_size": 10, "epochs": epochs, "shuffle": False, "verbose": 0}
    expected = keras_model.fit(*points, **common, **options)
    history = fit(loop_model, *points, **common, jit_compile=jit_compile, **options)
    return keras_model, loop_model, expected.history, history.history
