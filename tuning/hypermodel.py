"""What a trial trains: a model of the zoo by its recipe, or what a builder of the user's own makes."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import keras
import keras_tuner

import zoo
from zoo.errors import InvalidValue
from zoo.recipes.compiling import callbacks_of, compile_model, prepare
from zoo.runs.configuration import Configuration, resolve
from zoo.runs.folder import RunFolder
from zoo.training.pipeline import pretrain
from zoo.training.stage import How
from zoo.tuning.spaces import Space, draw
from zoo.utils.constraints import at_least, check

if TYPE_CHECKING:
    from zoo.datasets import Dataset


@dataclass(frozen=True, eq=False)
class Prepared:
    """A training that is ready to start.

    Args:
        model: The compiled model.
        train: Inputs and targets.
        validation: The same to watch it with, or None.
        batch_size: Examples in a mini-batch.
        callbacks: What its optimiser needs.
    """

    model: keras.Model
    train: tuple[Any, Any]
    validation: tuple[Any, Any] | None
    batch_size: int
    callbacks: tuple[keras.callbacks.Callback, ...] = ()


class ZooModel(keras_tuner.HyperModel):
    """A model of the zoo, resolved and prepared as `zoo.train` does it.

    Args:
        space: What is varied.
        data: The data set.
        epochs: Passes over the training set of a whole training, by which a learning rate falls.
        seed: Decides every random draw.
    """

    def __init__(self, space: Space, data: Dataset, *, epochs: int, seed: int) -> None:
        super().__init__(name=space.model)
        self._space, self._data, self._epochs, self._seed = space, data, epochs, seed

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Returns the compiled model of a trial, not pre-trained."""
        configuration = self._configuration(hp)
        keras.utils.set_random_seed(configuration.seed)
        model = zoo.create(configuration.model, **configuration.options)
        compile_model(model, configuration.recipe, steps_per_epoch=configuration.steps_per_epoch)
        return model

    def prepare(self, hp: keras_tuner.HyperParameters, folder: RunFolder, *, is_begun: bool) -> Prepared:
        """Makes a trial's training ready; layers that its recipe pre-trains are pre-trained in its folder.

        Args:
            hp: The trial's parameters.
            folder: The trial's folder.
            is_begun: Whether there is a checkpoint, with all weights in it.
        """
        configuration = self._configuration(hp)
        keras.utils.set_random_seed(configuration.seed)
        model = zoo.create(configuration.model, **configuration.options)
        if not is_begun:
            for stage in pretrain(model, configuration, folder, How(progress=False)):
                if stage.status == "interrupted":
                    raise KeyboardInterrupt
                if stage.error:
                    raise InvalidValue(f"{stage.name}: {stage.error}")
        recipe, data = configuration.recipe, configuration.dataset
        compile_model(model, recipe, steps_per_epoch=configuration.steps_per_epoch)
        train = prepare(recipe, data.train.x, data.train.y, classes=data.classes)
        held_out = data.validation
        validation = prepare(recipe, held_out.x, held_out.y, classes=data.classes) if held_out else None
        callbacks = callbacks_of(recipe, train, seed=configuration.seed)
        return Prepared(model, train, validation, recipe.batch_size, tuple(callbacks))

    def _configuration(self, hp: keras_tuner.HyperParameters) -> Configuration:
        recipe, options = self._space.apply(self._space.draw(hp))
        return resolve(
            self._space.model,
            self._data,
            recipe=recipe,
            epochs=self._epochs,
            batch_size=None,
            learning_rate=None,
            validation=None,
            seed=self._seed,
            options=options,
        )


class HyperModel(keras_tuner.HyperModel):
    """A builder of one's own with a search space.

    Args:
        build: Returns a compiled model. It takes the parameters as keywords, or KerasTuner's `hp` alone;
            then `space` is left out.
        space: What is varied: by name, a `Choice`, a `Range`, or a value that all trials share. A
            parameter `batch_size` that the builder does not take is the mini-batch's.
        batch_size: Examples in a mini-batch, where the space does not have it.

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
        self.builder, self._parameters = build, None if space is None else dict(space)
        self.batch_size = check("batch_size", batch_size, Annotated[int, at_least(1)])
        self._data: Dataset | None = None
        self._seed = 0
        if space is not None:
            taken = inspect.signature(build).parameters
            self._takes = set(space) if any(each.kind is each.VAR_KEYWORD for each in taken.values()) else set(taken)
            for name, parameter in space.items():
                if name not in self._takes and name != "batch_size":
                    raise InvalidValue(f"The builder {_name(build)} takes {', '.join(taken)}; it has no {name!r}.")
                for other in getattr(parameter, "when", {}):
                    if other not in list(space)[: list(space).index(name)]:
                        raise InvalidValue(f"{name} depends on {other}, which must come before it in the space.")
        super().__init__(name=_name(build))

    def __reduce__(self) -> Any:
        return functools.partial(HyperModel, batch_size=self.batch_size), (self.builder, self._parameters)

    def on(self, data: Dataset, *, seed: int) -> HyperModel:
        """Returns it with the data and the seed of a search."""
        other = HyperModel(self.builder, self._parameters, batch_size=self.batch_size)
        other._data, other._seed = data, seed
        return other

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Returns the compiled model of a trial."""
        keras.utils.set_random_seed(self._seed)
        if self._parameters is None:
            model = self.builder(hp)
        else:
            values = draw(hp, self._parameters, {})
            model = self.builder(**{name: value for name, value in values.items() if name in self._takes})
        if not (isinstance(model, keras.Model) and model.compiled):
            what = "a model that is not compiled" if isinstance(model, keras.Model) else repr(model)
            raise InvalidValue(f"The builder {self.name} must return a compiled keras.Model; it returned {what}.")
        return model

    def prepare(self, hp: keras_tuner.HyperParameters, folder: RunFolder, *, is_begun: bool) -> Prepared:
        """Makes a trial's training ready."""
        model, data = self.build(hp), self._data
        assert data is not None  # `on` gave it
        batch_size = hp.values.get("batch_size", (self._parameters or {}).get("batch_size", self.batch_size))
        validation = (data.validation.x, data.validation.y) if data.validation else None
        return Prepared(model, (data.train.x, data.train.y), validation, int(batch_size))


def _name(build: Callable[..., Any]) -> str:
    return getattr(build, "__name__", type(build).__name__)
