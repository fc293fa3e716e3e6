"""From a recipe to a compiled Keras model, of stock Keras parts only."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np

from zoo.training.configuration import Configuration


def compile_model(model: keras.Model, configuration: Configuration) -> Callable[[np.ndarray, np.ndarray], tuple]:
    """Compiles a model as its recipe says.

    The summed binary cross-entropy is Keras' own, which is the mean over the outputs, weighted by
    their number: a saved model opens without this package.

    Args:
        model: A model of the zoo.
        configuration: The run.

    Returns:
        A function that makes examples and labels, `(n, ...)` and `(n,)`, into what the model is
        fitted to.
    """
    recipe, classes = configuration.recipe, configuration.dataset.classes
    summed = recipe.loss == "summed_binary_crossentropy"
    optimizer = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam}[recipe.optimizer]
    metric = keras.metrics.CategoricalAccuracy if summed else keras.metrics.SparseCategoricalAccuracy
    model.compile(
        optimizer=optimizer(learning_rate=recipe.learning_rate),
        loss="binary_crossentropy" if summed else "sparse_categorical_crossentropy",
        loss_weights=[float(classes)] if summed else None,
        metrics=[metric(name="accuracy")],
        jit_compile=False,  # `fit` decides for itself, and `evaluate` runs each step once
    )

    def prepare(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x = x if recipe.input_scale == 1 else x * np.float32(recipe.input_scale)
        return x, keras.utils.to_categorical(y, classes) if summed else y

    return prepare
