"""What a trial trains: a model of the zoo by its recipe, or the model of a custom builder."""

from __future__ import annotations

import functools
import inspect
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import keras_tuner

import zoo
from zoo import datasets
from zoo.errors import InvalidValue
from zoo.recipes import Recipe
from zoo.recipes.compiling import callbacks_of, compile_model, prepare
from zoo.runs.configuration import Configuration, resolve
from zoo.runs.folder import RunFolder
from zoo.runs.options import RunOptions
from zoo.training.pipeline import pretrain
from zoo.tuning.spaces import Space, draw, make_space
from zoo.utils.constraints import Count, check

if TYPE_CHECKING:
    from zoo.datasets import Dataset


@dataclass(frozen=True, eq=False)
class Training:
    """A training that is ready to start.

    Args:
        model: Compiled model.
        train: Inputs and targets.
        validation: Validation inputs and targets, or None.
        batch_size: Number of examples in a batch.
        callbacks: Callbacks that its optimizer needs. Defaults to none.
    """

    model: keras.Model
    train: tuple[Any, Any]
    validation: tuple[Any, Any] | None
    batch_size: int
    callbacks: Sequence[keras.callbacks.Callback] = ()


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
        recipe, dataset = configuration.recipe, configuration.dataset
        if x is None:
            x, y = dataset.train.x, dataset.train.y
            if validation_data is None and dataset.validation:
                validation_data = (dataset.validation.x, dataset.validation.y)
        if not initial_epoch:
            with tempfile.TemporaryDirectory() as folder:
                self._pretrain(model, configuration, RunFolder.at(Path(folder)))
        train = prepare(recipe, x, y, classes=dataset.classes)
        if validation_data is not None:
            prepared = prepare(recipe, *validation_data[:2], classes=dataset.classes)
            validation_data = (*prepared, *validation_data[2:])
        if hasattr(model, "adapt"):
            model.adapt(train[0])
        return model.fit(
            *train,
            epochs=epochs or recipe.epochs,
            initial_epoch=initial_epoch,
            validation_data=validation_data,
            callbacks=[*callbacks_of(recipe, train, seed=self.seed), *callbacks],
            **{"batch_size": recipe.batch_size, **options},
        )

    def prepare(self, hp: keras_tuner.HyperParameters, folder: RunFolder, *, is_resumed: bool) -> Training:
        """Prepares the training of a trial, and pre-trains the layers that the recipe pre-trains.

        Args:
            hp: Hyperparameters of the trial.
            folder: Folder of the trial.
            is_resumed: Whether a checkpoint with all weights exists.
        """
        configuration = self._resolve(hp)
        model = self._create(configuration)
        if not is_resumed:
            self._pretrain(model, configuration, folder)
        recipe, dataset = configuration.recipe, configuration.dataset
        compile_model(model, recipe, steps_per_epoch=configuration.steps_per_epoch)
        train = prepare(recipe, dataset.train.x, dataset.train.y, classes=dataset.classes)
        held_out = dataset.validation
        validation = prepare(recipe, held_out.x, held_out.y, classes=dataset.classes) if held_out else None
        callbacks = callbacks_of(recipe, train, seed=configuration.seed)
        return Training(model, train, validation, recipe.batch_size, callbacks)

    def _resolve(self, hp: keras_tuner.HyperParameters) -> Configuration:
        recipe, options = self.space.apply(self.space.draw(hp))
        return resolve(
            self.space.model, self.dataset, recipe=recipe, epochs=self.epochs, batch_size=None, learning_rate=None,
            validation=None, seed=self.seed, options=options,
        )  # fmt: skip

    def _create(self, configuration: Configuration) -> keras.Model:
        keras.utils.set_random_seed(configuration.seed)
        return zoo.create(configuration.model, **configuration.options)

    def _pretrain(self, model: keras.Model, configuration: Configuration, folder: RunFolder) -> None:
        for stage in pretrain(model, configuration, folder, RunOptions(progress=False)):
            if stage.status == "interrupted":
                raise KeyboardInterrupt
            if stage.error:
                raise InvalidValue(f"{stage.name}: {stage.error}")


class HyperModel(keras_tuner.HyperModel):
    """A custom builder with a search space.

    Args:
        build: Function that returns a compiled model. It takes the hyperparameters as keyword arguments or, without
            `space`, KerasTuner's `hp`.
        space: `Choice`, `Range` or fixed value of each hyperparameter by its name. If `build` does not take
            `batch_size`, it is the batch size of the training. Defaults to None.
        batch_size: Number of examples in a batch, if the space does not have it. Defaults to 32.

    Raises:
        InvalidValue: The builder does not take a parameter.

    >>> import keras, tuning
    >>> def perceptron(width, rate):
    ...     hidden, output = keras.layers.Dense(width, "relu"), keras.layers.Dense(2, "softmax")
    ...     model = keras.Sequential([keras.Input((2,)), hidden, output])
    ...     model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    ...     return model
    >>> widths = tuning.HyperModel(perceptron, {"width": tuning.Range(2, 20), "rate": 0.01})
    >>> widths.build(keras_tuner.HyperParameters()).count_params()
    12
    """

    def __init__(
        self, build: Callable[..., keras.Model], space: Mapping[str, Any] | None = None, *, batch_size: int = 32
    ) -> None:
        self.builder, self._space = build, None if space is None else dict(space)
        self.batch_size = check("batch_size", batch_size, Count)
        self._dataset: Dataset | None = None
        self._seed = 0
        super().__init__(name=getattr(build, "__name__", type(build).__name__))
        if space is not None:
            signature = inspect.signature(build).parameters
            takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature.values())
            self._arguments = set(space) if takes_all else set(signature)
            for index, (name, parameter) in enumerate(space.items()):
                if name not in self._arguments and name != "batch_size":
                    raise InvalidValue(f"The builder {self.name} takes {', '.join(signature)}; got {name!r}.")
                for parent in getattr(parameter, "when", {}):
                    if parent not in list(space)[:index]:
                        raise InvalidValue(f"{name} depends on {parent}, which must come before it in the space.")

    def __reduce__(self) -> Any:
        return functools.partial(HyperModel, batch_size=self.batch_size), (self.builder, self._space)

    def with_data(self, dataset: Dataset, *, seed: int) -> HyperModel:
        """Returns a copy with the dataset and the random seed of a search."""
        copy = HyperModel(self.builder, self._space, batch_size=self.batch_size)
        copy._dataset, copy._seed = dataset, seed
        return copy

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Returns the compiled model of a trial."""
        keras.utils.set_random_seed(self._seed)
        if self._space is None:
            model = self.builder(hp)
        else:
            values = draw(hp, self._space, {})
            model = self.builder(**{name: value for name, value in values.items() if name in self._arguments})
        if not (isinstance(model, keras.Model) and model.compiled):
            result = "a model that is not compiled" if isinstance(model, keras.Model) else repr(model)
            raise InvalidValue(f"The builder {self.name} must return a compiled keras.Model; got {result}.")
        return model

    def fit(self, hp: keras_tuner.HyperParameters, model: keras.Model, *args: Any, **options: Any) -> Any:
        """Trains the model of a trial, for KerasTuner's own tuners."""
        return super().fit(hp, model, *args, **{"batch_size": self._draw_batch_size(hp), **options})

    def prepare(self, hp: keras_tuner.HyperParameters, folder: RunFolder, *, is_resumed: bool) -> Training:
        """Prepares the training of a trial."""
        model, dataset = self.build(hp), self._dataset
        assert dataset is not None  # `with_data` sets it
        validation = (dataset.validation.x, dataset.validation.y) if dataset.validation else None
        return Training(model, (dataset.train.x, dataset.train.y), validation, self._draw_batch_size(hp))

    def _draw_batch_size(self, hp: keras_tuner.HyperParameters) -> int:
        return int(hp.values.get("batch_size", (self._space or {}).get("batch_size", self.batch_size)))
