"""Training on arrays: the model and its history, without a run folder."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from zoo.errors import InvalidValue
from zoo.loop.fit import fit
from zoo.models.catalogue import card, create
from zoo.models.origin import origin_of
from zoo.recipes import Recipe, compiling
from zoo.training.progress_bar import ProgressBar


def train_in_memory(
    name: str,
    x: np.ndarray,
    y: np.ndarray | None = None,
    *,
    recipe: Recipe | None = None,
    options: Mapping[str, Any] | None = None,
    classes: int = 0,
    epochs: int | None = None,
    updates: int | None = None,
    seed: int = 0,
    **of_fit: Any,
) -> tuple[keras.Model, keras.callbacks.History]:
    """Creates a model of the zoo and trains it by a recipe. Sets Keras' global seed.

    Args:
        name: Name of the model.
        x: Examples, `(n, ...)`, in [0, 1].
        y: Labels. Defaults to None, for a recipe that needs none.
        recipe: Recipe to train by. Defaults to the model's first.
        options: Options of the builder, added to the recipe's. Defaults to none.
        classes: Number of classes. Defaults to 0, for training without labels.
        epochs: Number of epochs. Defaults to the recipe's.
        updates: Number of updates, in place of `epochs`; rounded up to whole epochs. Defaults to None.
        seed: Random seed of the initial weights and of the order of the examples. Defaults to 0.
        **of_fit: Other arguments of `fit_by_recipe`.

    Returns:
        The compiled model and its history.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).uniform(size=(60, 4))
    >>> options = {"input_shape": (4,), "classes": 2, "hidden": 5}
    >>> model, history = train_in_memory("shallow_mlp", x, x[:, 0] > 0.5, options=options, updates=10)
    >>> len(history.history["loss"])  # two batches per epoch
    5
    """
    recipe = card(name).recipe() if recipe is None else recipe
    if updates is not None:
        epochs = -(-updates // recipe.count_steps(len(x)))
    recipe = recipe.change(epochs=epochs)  # a learning rate that decays reaches 0 at the end of the training
    keras.utils.set_random_seed(seed)
    model = create(name, **{**recipe.options, **(options or {})})
    return model, fit_by_recipe(model, recipe, x, y, classes=classes, seed=seed, **of_fit)


def fit_by_recipe(
    model: keras.Model,
    recipe: Recipe,
    x: np.ndarray,
    y: np.ndarray | None = None,
    *,
    classes: int = 0,
    epochs: int | None = None,
    validation: tuple[Any, ...] | None = None,
    progress: str = "",
    callbacks: Sequence[keras.callbacks.Callback] = (),
    **of_fit: Any,
) -> keras.callbacks.History:
    """Trains a model by a recipe with `zoo.training.fit`; compiles it first if it is not compiled.

    Args:
        model: Model to train.
        recipe: Recipe to train by.
        x: Examples, `(n, ...)`, in [0, 1].
        y: Labels. Defaults to None, for a recipe that needs none.
        classes: Number of classes. Defaults to 0, for training without labels.
        epochs: Number of epochs. Defaults to the recipe's.
        validation: Validation examples, `(x,)` or `(x, y)`. Defaults to None.
        progress: Label of a progress bar on standard error. Defaults to no bar.
        callbacks: Keras callbacks. Defaults to none.
        **of_fit: Other arguments of `zoo.training.fit`, such as `seed`.
    """
    if not model.compiled:
        compiling.compile_model(model, recipe, steps_per_epoch=recipe.count_steps(len(x)))
    train = compiling.prepare(recipe, x, y, classes=classes)
    callbacks = [*compiling.make_callbacks(recipe, train, seed=of_fit.get("seed", 0)), *callbacks]
    if validation is not None:
        of_fit["validation_data"] = compiling.prepare(recipe, *(*validation, None)[:2], classes=classes)
    epochs = recipe.epochs if epochs is None else epochs
    with contextlib.ExitStack() as stack:
        if progress:
            bar = ProgressBar(epochs=epochs, steps_per_epoch=recipe.count_steps(len(x)), label=progress)
            callbacks = [*callbacks, stack.enter_context(bar)]
        return fit(
            model,
            *train,
            batch_size=recipe.batch_size,
            epochs=epochs,
            callbacks=callbacks,
            **{"verbose": 0, "validation_batch_size": 1000, **of_fit},
        )


def compile_model(model: keras.Model, recipe: Recipe | None = None, *, steps_per_epoch: int = 1) -> None:
    """Compiles a model of the zoo by a recipe.

    Args:
        model: Model of `zoo.create`, `zoo.load` or `zoo.train`.
        recipe: Recipe. Defaults to the one that the model was trained by, or else the model's first.
        steps_per_epoch: Number of batches in an epoch, by which changes of the learning rate and the momentum are
            scheduled. Defaults to 1.

    Raises:
        InvalidValue: The model is not of the zoo, and `recipe` is None.

    >>> import zoo
    >>> model = zoo.create("lenet5_relu", weights="mnist")
    >>> compile_model(model)
    >>> model.loss
    'sparse_categorical_crossentropy'
    """
    if recipe is None:
        origin = origin_of(model)
        if origin is None:
            raise InvalidValue(f"recipe must be given: {model.name} was not made by zoo.create, zoo.load or zoo.train.")
        recipe = origin.recipe or card(origin.model).recipe()
    compiling.compile_model(model, recipe, steps_per_epoch=steps_per_epoch)
