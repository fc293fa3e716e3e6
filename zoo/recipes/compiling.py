"""From a recipe to a compiled Keras model, of stock Keras parts wherever there are any."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from zoo.errors import InvalidValue
from zoo.losses import MaximumAPosteriori, SequenceCrossentropy
from zoo.metrics import SequenceAccuracy
from zoo.optimizers import DiagonalLevenbergMarquardt, MomentumSGD
from zoo.optimizers.curvature import EstimateCurvature
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
    loss: Any = recipe.loss
    weights: list[float] | None = [outputs]
    if recipe.loss in RECONSTRUCTIONS:
        loss = RECONSTRUCTIONS[recipe.loss]
        metric = keras.metrics.MeanSquaredError(name="squared_error")  # of a pixel, whatever the loss is
    elif recipe.loss == "summed_binary_crossentropy":
        loss, metric = "binary_crossentropy", keras.metrics.CategoricalAccuracy(name="accuracy")
    elif recipe.loss == "sequence_crossentropy":
        loss, weights, metric = SequenceCrossentropy(), None, SequenceAccuracy(name="accuracy")
    else:
        weights, metric = None, keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    if recipe.loss == "maximum_a_posteriori":
        loss = MaximumAPosteriori()
    model.compile(_optimizer(recipe, steps_per_epoch), loss=loss, loss_weights=weights, metrics=[metric], **options)


def prepare(recipe: Recipe, x: np.ndarray, y: np.ndarray | None, *, classes: int) -> tuple[Any, Any]:
    """Makes examples and labels into what a recipe fits a model to.

    Args:
        recipe: How the model is trained.
        x: Examples, `(n, ...)`, in [0, 1].
        y: Labels, `(n,)`, or of sequences `(n, 1 + longest)`; None where the recipe needs none.
        classes: Number of classes.

    Returns:
        Inputs and targets; None for the targets of an RBM.

    Raises:
        InvalidValue: The loss does not take such data.
    """
    x = x if recipe.input_scale == 1 else x * np.float32(recipe.input_scale)
    if recipe.loss == "contrastive_divergence":
        return x, None
    if recipe.loss in RECONSTRUCTIONS:
        if recipe.loss == "reconstruction_crossentropy" and not (x.min() >= 0 and x.max() <= 1):
            raise InvalidValue(
                f"The cross-entropy of a reconstruction takes data in [0, 1]; got values from {x.min():g} to "
                f"{x.max():g}. Scale them, or take the recipe for the squared error."
            )
        return x, x
    return x, keras.utils.to_categorical(y, classes) if recipe.loss == "summed_binary_crossentropy" else y


def callbacks_of(recipe: Recipe, train: tuple[Any, Any], *, seed: int) -> list[keras.callbacks.Callback]:
    """Returns what a recipe's optimiser needs to be told while it trains.

    Args:
        recipe: How the model is trained.
        train: Inputs and targets, as `prepare` returns them.
        seed: Decides every draw.
    """
    return [EstimateCurvature(*train, seed=seed)] if recipe.optimizer == "levenberg_marquardt" else []


def _optimizer(recipe: Recipe, steps_per_epoch: int) -> keras.Optimizer:
    schedules = keras.optimizers.schedules

    def by_epoch(values: Mapping[int, float]) -> Any:
        # PiecewiseConstantDecay keeps a value up to its boundary, that step included.
        return schedules.PiecewiseConstantDecay(
            [(epoch - 1) * steps_per_epoch - 1 for epoch in list(values)[1:]], list(values.values())
        )

    rate: Any = recipe.learning_rate
    if recipe.learning_rate_decay == "linear":
        rate = schedules.PolynomialDecay(rate, steps_per_epoch * recipe.epochs, end_learning_rate=0.0)
    elif recipe.learning_rate_factors:
        rate = by_epoch({epoch: rate * factor for epoch, factor in {1: 1.0, **recipe.learning_rate_factors}.items()})
    if recipe.optimizer == "adam":
        return keras.optimizers.Adam(rate)
    if recipe.optimizer == "levenberg_marquardt":
        return DiagonalLevenbergMarquardt(rate)
    if len(recipe.momentum) < 2:
        return keras.optimizers.SGD(rate, momentum=next(iter(recipe.momentum.values()), 0.0))
    return MomentumSGD(rate, momentum=by_epoch(recipe.momentum))
