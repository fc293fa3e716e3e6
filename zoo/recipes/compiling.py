"""Compiles models by their recipes, with parts of Keras wherever it has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from zoo.optimizers import DiagonalLevenbergMarquardt, MomentumSGD
from zoo.optimizers.curvature import EstimateCurvature
from zoo.recipes import Recipe


def compile_model(model: keras.Model, recipe: Recipe, *, steps_per_epoch: int) -> None:
    """Compiles a model by its recipe.

    Args:
        model: Model of the zoo.
        recipe: Recipe to train it by.
        steps_per_epoch: Number of batches in an epoch, the last, smaller one included.
    """
    model.compile(
        _optimizer(recipe, steps_per_epoch),
        jit_compile=False,  # `fit` decides for itself, and `evaluate` runs each step once
        **recipe.objective.compile_options(int(np.prod(model.output_shape[1:]))),
    )


def prepare(recipe: Recipe, x: np.ndarray, y: np.ndarray | None, *, classes: int) -> tuple[Any, Any]:
    """Returns the inputs and targets that a recipe fits a model to.

    Args:
        recipe: Recipe to train by.
        x: Examples, `(n, ...)`, in [0, 1].
        y: Labels, `(n,)`, for sequences `(n, 1 + longest)`; None for a recipe that needs none.
        classes: Number of classes.

    Returns:
        Inputs and targets; None for the targets of an RBM.

    Raises:
        InvalidValue: The inputs are out of the range of the loss.
    """
    x = x if recipe.input_scale == 1 else x * np.float32(recipe.input_scale)
    return x, recipe.objective.make_targets(x, y, classes=classes)


def make_callbacks(recipe: Recipe, train: tuple[Any, Any], *, seed: int) -> list[keras.callbacks.Callback]:
    """Returns the callbacks that the optimizer of a recipe needs during training.

    Args:
        recipe: Recipe to train by.
        train: Inputs and targets, as `prepare` returns them.
        seed: Random seed of what the callbacks draw.
    """
    return [EstimateCurvature(*train, seed=seed)] if recipe.optimizer == "levenberg_marquardt" else []


def _optimizer(recipe: Recipe, steps_per_epoch: int) -> keras.Optimizer:
    schedules = keras.optimizers.schedules

    def by_epoch(values: Mapping[int, float]) -> Any:
        # PiecewiseConstantDecay keeps a value up to its boundary, that step included.
        epochs = sorted(values)
        boundaries = [(epoch - 1) * steps_per_epoch - 1 for epoch in epochs[1:]]
        return schedules.PiecewiseConstantDecay(boundaries, [values[epoch] for epoch in epochs])

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
