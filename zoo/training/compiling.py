"""From a recipe to a compiled Keras model, of stock Keras parts wherever there are any."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from zoo.optimizers import MomentumSGD
from zoo.recipes import Recipe

RECONSTRUCTIONS = {
    "reconstruction_crossentropy": "binary_crossentropy",
    "reconstruction_squared_error": "mean_squared_error",
}


def compile_model(model: keras.Model, recipe: Recipe, *, steps_per_epoch: int) -> None:
    """Compiles a model as its recipe says.

    A loss that is summed over the outputs is Keras' own, which is the mean, weighted by their
    number: a saved model opens without this package.

    Args:
        model: A model of the zoo.
        recipe: How it is trained.
        steps_per_epoch: Mini-batches in an epoch, the last, smaller one included.
    """
    options: dict[str, Any] = {"jit_compile": False}  # `fit` decides for itself, and `evaluate` runs each step once
    if recipe.loss == "contrastive_divergence":
        model.compile(_optimizer(recipe, steps_per_epoch), **options)
        return
    if recipe.loss == "up_down":
        accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
        model.compile(_optimizer(recipe, steps_per_epoch), metrics=[accuracy], **options)
        return
    outputs = float(np.prod(model.output_shape[1:]))
    loss: str = recipe.loss
    weights: list[float] | None = [outputs]
    if recipe.loss in RECONSTRUCTIONS:
        loss = RECONSTRUCTIONS[recipe.loss]
        metric = keras.metrics.MeanSquaredError(name="squared_error")  # of a pixel, whatever the loss is
    elif recipe.loss == "summed_binary_crossentropy":
        loss, metric = "binary_crossentropy", keras.metrics.CategoricalAccuracy(name="accuracy")
    else:
        weights, metric = None, keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    model.compile(_optimizer(recipe, steps_per_epoch), loss=loss, loss_weights=weights, metrics=[metric], **options)


def prepare(recipe: Recipe, x: np.ndarray, y: np.ndarray | None, *, classes: int) -> tuple[Any, Any]:
    """Makes examples and labels into what a recipe fits a model to.

    Args:
        recipe: How the model is trained.
        x: Examples, `(n, ...)`, in [0, 1].
        y: Labels, `(n,)`; None where the recipe needs none.
        classes: Number of classes.

    Returns:
        Inputs and targets; None for the targets of an RBM.
    """
    x = x if recipe.input_scale == 1 else x * np.float32(recipe.input_scale)
    if recipe.loss == "contrastive_divergence":
        return x, None
    if recipe.loss in RECONSTRUCTIONS:
        return x, x
    return x, keras.utils.to_categorical(y, classes) if recipe.loss == "summed_binary_crossentropy" else y


def _optimizer(recipe: Recipe, steps_per_epoch: int) -> keras.Optimizer:
    schedules = keras.optimizers.schedules
    rate: Any = recipe.learning_rate
    if recipe.learning_rate_decay == "linear":
        rate = schedules.PolynomialDecay(rate, steps_per_epoch * recipe.epochs, end_learning_rate=0.0)
    if recipe.optimizer == "adam":
        return keras.optimizers.Adam(rate)
    momenta = list(recipe.momentum.items())
    if len(momenta) < 2:
        return keras.optimizers.SGD(rate, momentum=momenta[0][1] if momenta else 0.0)
    # PiecewiseConstantDecay keeps a value up to its boundary, that step included.
    boundaries = [(epoch - 1) * steps_per_epoch - 1 for epoch, _ in momenta[1:]]
    return MomentumSGD(rate, momentum=schedules.PiecewiseConstantDecay(boundaries, [value for _, value in momenta]))
