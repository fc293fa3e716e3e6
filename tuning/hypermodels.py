"""Models of the zoo as KerasTuner's hypermodels, trained by their recipes."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import keras_tuner

import zoo
from zoo import datasets
from zoo.errors import InvalidValue
from zoo.models.origin import remember
from zoo.recipes import Recipe
from zoo.recipes.compiling import compile_model, make_callbacks, prepare
from zoo.runs.configuration import Configuration, resolve
from zoo.runs.folder import RunFolder
from zoo.runs.options import RunOptions
from zoo.training.pipeline import pretrain
from zoo.tuning.memory import limiting_memory
from zoo.tuning.spaces import Space, make_space

if TYPE_CHECKING:
    from zoo.datasets import Dataset


Prepared = tuple[keras.Model, dict[str, Any]]  # a compiled model and arguments of `fit`


def hypermodel(
    model: str | Space,
    dataset: str | Dataset = "digits",
    *,
    recipe: str | Recipe | None = None,
    epochs: int | None = None,
    seed: int = 0,
    **parameters: Any,
) -> ZooHyperModel:
    """Returns a model of the zoo as a `keras_tuner.HyperModel`, for any tuner of KerasTuner.

    `tuner.search()` trains on the dataset, and `tuner.search(x, y, validation_data=...)` on other examples of the same
    shape, with labels as the zoo's datasets have them. Batch size and number of epochs are the recipe's; pass `epochs`
    to `tuner.search` to override them.

    Args:
        model: Model name or search space.
        dataset: Dataset name or loaded dataset. Defaults to `"digits"`.
        recipe: Recipe or its name, where `model` is a name. Defaults to the model's first recipe.
        epochs: Number of epochs over which the recipe's learning rate falls. Defaults to the recipe's.
        seed: Random seed of every trial. Defaults to 0.
        **parameters: Hyperparameters that replace those of the search space: a `Choice`, a `Range` or a fixed value.

    Raises:
        UnknownName: Unknown model, dataset, recipe or parameter.
        InvalidValue: A parameter is out of range.

    >>> import keras_tuner
    >>> from zoo import tuning
    >>> model = tuning.hypermodel("shallow_mlp", "moons", hidden=5).build(keras_tuner.HyperParameters())
    >>> model.count_params()
    27
    """
    space = make_space(model, recipe).with_(parameters)
    if not isinstance(dataset, datasets.Dataset):
        dataset = datasets.load(dataset, seed=seed)
    return ZooHyperModel(space, dataset, epochs=epochs, seed=seed)


class ZooHyperModel(keras_tuner.HyperModel):
    """A model of the zoo, resolved and prepared as in `zoo.train`.

    Args:
        space: Search space.
        dataset: Dataset.
        epochs: Number of epochs of a full training. Defaults to the recipe's.
        seed: Random seed of every trial. Defaults to 0.
    """

    def __init__(self, space: Space, dataset: Dataset, *, epochs: int | None = None, seed: int = 0) -> None:
        super().__init__(name=space.model)
        self.space, self.dataset, self.epochs, self.seed = space, dataset, epochs, seed

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Returns the compiled model of a trial, not pre-trained."""
        configuration = self._resolve(hp)
        model = self._create(configuration)
        compile_model(model, configuration.recipe, steps_per_epoch=configuration.steps_per_epoch)
        return model

    def fit(
        self,
        hp: keras_tuner.HyperParameters,
        model: keras.Model,
        x: Any = None,
        y: Any = None,
        *,
        epochs: int | None = None,
        initial_epoch: int = 0,
        validation_data: tuple[Any, ...] | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        **options: Any,
    ) -> keras.callbacks.History:
        """Trains the model of a trial, for KerasTuner's own tuners.

        Args:
            hp: Hyperparameters of the trial.
            model: Model that `build` returned.
            x: Inputs. Defaults to the dataset's.
            y: Labels. Defaults to the dataset's.
            epochs: Epoch to train to. Defaults to the recipe's number of epochs.
            initial_epoch: Number of epochs already trained. Defaults to 0.
            validation_data: Validation inputs and labels. Defaults to the dataset's, if `x` is.
            callbacks: Keras callbacks. Defaults to none.
            **options: Other arguments of `model.fit`.
        """
        configuration = self._resolve(hp)
        if x is None:
            x, y = self.dataset.train.x, self.dataset.train.y
            validation_data = validation_data or validation_of(self.dataset)
        if not initial_epoch:
            with tempfile.TemporaryDirectory() as folder:
                self._pretrain(model, configuration, RunFolder(folder))
        arguments = self._prepare(configuration, (x, y), validation_data)
        arguments["callbacks"] += callbacks
        epochs = epochs or configuration.recipe.epochs
        if hasattr(model, "adapt"):
            model.adapt(arguments["x"])
        return model.fit(**{**arguments, "epochs": epochs, "initial_epoch": initial_epoch, **options})

    def prepare(self, hp: keras_tuner.HyperParameters, folder: RunFolder, *, is_resumed: bool) -> Prepared:
        """Returns the compiled model of a trial, pre-trained, and the arguments of `fit`.

        Args:
            hp: Hyperparameters of the trial.
            folder: Folder of the trial.
            is_resumed: Whether a checkpoint with all weights exists.
        """
        configuration, dataset = self._resolve(hp), self.dataset
        model = self._create(configuration)
        remember(model, configuration.origin)
        if not is_resumed:
            self._pretrain(model, configuration, folder)
        compile_model(model, configuration.recipe, steps_per_epoch=configuration.steps_per_epoch)
        return model, self._prepare(configuration, (dataset.train.x, dataset.train.y), validation_of(dataset))

    def first_example(self, hp: keras_tuner.HyperParameters) -> tuple[Any, ...]:
        """Returns the first validation example, and its target if the recipe has targets."""
        configuration, held_out = self._resolve(hp), self.dataset.validation
        assert held_out is not None
        classes = configuration.dataset.classes
        x, y = prepare(configuration.recipe, held_out.x[:1], held_out.y[:1], classes=classes)
        return (x,) if y is None else (x, y)

    def _prepare(self, configuration: Configuration, train: Any, validation: Any) -> dict[str, Any]:
        recipe, classes = configuration.recipe, configuration.dataset.classes
        x, y = prepare(recipe, *train, classes=classes)
        if validation is not None:
            validation = (*prepare(recipe, *validation[:2], classes=classes), *validation[2:])
        callbacks = make_callbacks(recipe, (x, y), seed=self.seed)
        data = {"x": x, "y": y, "validation_data": validation}
        return {**data, "batch_size": recipe.batch_size, "callbacks": callbacks}

    def _resolve(self, hp: keras_tuner.HyperParameters) -> Configuration:
        recipe, options = self.space.apply(self.space.draw(hp))
        return resolve(
            self.space.model, self.dataset, recipe=recipe, epochs=self.epochs, seed=self.seed, options=options
        )

    def _create(self, configuration: Configuration) -> keras.Model:
        keras.utils.set_random_seed(configuration.seed)
        with limiting_memory():
            return zoo.create(configuration.model, **configuration.options)

    def _pretrain(self, model: keras.Model, configuration: Configuration, folder: RunFolder) -> None:
        for stage in pretrain(model, configuration, folder, RunOptions(progress=False)):
            if stage.status == "interrupted":
                raise KeyboardInterrupt
            if stage.error:
                raise InvalidValue(f"{stage.name}: {stage.error}")


def validation_of(dataset: Dataset) -> tuple[Any, Any] | None:
    """Returns the validation examples of a dataset, or None."""
    return (dataset.validation.x, dataset.validation.y) if dataset.validation else None
