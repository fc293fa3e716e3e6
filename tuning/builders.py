"""Custom builders: functions with a search space, functions of `hp`, and KerasTuner's hypermodels."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras
import keras_tuner

from zoo.errors import InvalidValue
from zoo.runs.folder import RunFolder
from zoo.tuning.hypermodels import Prepared, validation_of
from zoo.tuning.memory import limiting_memory
from zoo.tuning.spaces import check_order, draw
from zoo.utils.constraints import Count, check

if TYPE_CHECKING:
    from zoo.datasets import Dataset


class HyperModel(keras_tuner.HyperModel):
    """A custom builder with a search space.

    Args:
        build: Function that returns a compiled model. It takes the hyperparameters as keyword arguments or, without
            `space`, KerasTuner's `hp`. Or a `keras_tuner.HyperModel`, whose `declare_hyperparameters` and `fit` are
            used too.
        space: `Choice`, `Range` or fixed value of each hyperparameter by its name. If `build` does not take
            `batch_size`, it is the batch size of the training. Defaults to None.
        batch_size: Number of examples in a batch, if the space does not have it. Defaults to 32.

    Raises:
        InvalidValue: The builder does not take a parameter, or its `fit` takes no callbacks.

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
        self,
        build: Callable[..., keras.Model] | keras_tuner.HyperModel,
        space: Mapping[str, Any] | None = None,
        *,
        batch_size: int = 32,
    ) -> None:
        self.builder, self._space = build, None if space is None else dict(space)
        self.batch_size = check("batch_size", batch_size, Count)
        self._dataset: Dataset | None = None
        self._seed = 0
        self._hypermodel = build if isinstance(build, keras_tuner.HyperModel) else None
        name = getattr(build, "name", None) if self._hypermodel else getattr(build, "__name__", None)
        super().__init__(name=name or type(build).__name__)
        if self._hypermodel and space is not None:
            raise InvalidValue(f"space must be None for a keras_tuner.HyperModel; {self.name} has its own.")
        self.check_fit("callbacks")
        if space is not None:
            signature = inspect.signature(build).parameters
            takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature.values())
            self._arguments = set(space) if takes_all else set(signature)
            for parameter in space:
                if parameter not in self._arguments and parameter != "batch_size":
                    raise InvalidValue(f"The builder {self.name} takes {', '.join(signature)}; got {parameter!r}.")
            check_order(space)

    def __reduce__(self) -> Any:
        return functools.partial(HyperModel, batch_size=self.batch_size), (self.builder, self._space)

    def with_data(self, dataset: Dataset, *, seed: int) -> HyperModel:
        """Returns a copy with the dataset and the random seed of a search."""
        copy = HyperModel(self.builder, self._space, batch_size=self.batch_size)
        copy._dataset, copy._seed = dataset, seed
        return copy

    @property
    def has_fit(self) -> bool:
        """Whether the models are trained by the `fit` of a `keras_tuner.HyperModel`."""
        fit = getattr(self._hypermodel, "fit", None)
        return fit is not None and getattr(fit, "__func__", fit) is not keras_tuner.HyperModel.fit

    def declare_hyperparameters(self, hp: keras_tuner.HyperParameters) -> None:
        """Declares hyperparameters before a model is built."""
        if self._hypermodel:
            self._hypermodel.declare_hyperparameters(hp)

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Returns the compiled model of a trial; a model with a `fit` of its own need not be compiled."""
        keras.utils.set_random_seed(self._seed)
        with limiting_memory():
            model = self._call(hp)
        if not (isinstance(model, keras.Model) and (model.compiled or self.has_fit)):
            result = "a model that is not compiled" if isinstance(model, keras.Model) else repr(model)
            raise InvalidValue(f"The builder {self.name} must return a compiled keras.Model; got {result}.")
        return model

    def _call(self, hp: keras_tuner.HyperParameters) -> Any:
        if self._hypermodel:
            return self._hypermodel.build(hp)
        if self._space is None:
            return self.builder(hp)
        values = draw(hp, self._space, {})
        return self.builder(**{name: value for name, value in values.items() if name in self._arguments})

    def fit(self, hp: keras_tuner.HyperParameters, model: keras.Model, *args: Any, **options: Any) -> Any:
        """Trains the model of a trial, for KerasTuner's own tuners."""
        if self._hypermodel and self.has_fit:
            return self._hypermodel.fit(hp, model, *args, **options)
        return super().fit(hp, model, *args, **{"batch_size": self._draw_batch_size(hp), **options})

    def prepare(self, hp: keras_tuner.HyperParameters, folder: RunFolder, *, is_resumed: bool) -> Prepared:
        """Returns the compiled model of a trial and the arguments of `fit`."""
        model, dataset = self.build(hp), self._dataset
        assert dataset is not None  # `with_data` sets it
        data = {"x": dataset.train.x, "y": dataset.train.y, "validation_data": validation_of(dataset)}
        return model, {**data, "batch_size": self._draw_batch_size(hp), "callbacks": []}

    def first_example(self, hp: keras_tuner.HyperParameters) -> tuple[Any, Any]:
        """Returns the first validation example and its label."""
        assert self._dataset is not None
        assert self._dataset.validation is not None
        return self._dataset.validation.x[:1], self._dataset.validation.y[:1]

    def fit_trial(
        self,
        hp: keras_tuner.HyperParameters,
        model: keras.Model,
        callbacks: Sequence[keras.callbacks.Callback],
        **epochs: int,
    ) -> Any:
        """Trains the model of a trial by the `fit` of the hypermodel, and returns what that returns.

        Args:
            hp: Hyperparameters of the trial.
            model: Model that `build` returned.
            callbacks: Callbacks of the trial.
            **epochs: `epochs` and `initial_epoch`, as KerasTuner passes them if they are given.
        """
        assert self._hypermodel is not None
        assert self._dataset is not None
        train, validation = self._dataset.train, validation_of(self._dataset)
        options: dict[str, Any] = {"callbacks": list(callbacks), **epochs}
        if validation is not None and self._takes("validation_data"):
            options["validation_data"] = validation
        return self._hypermodel.fit(hp, model, train.x, train.y, **options)

    def check_fit(self, *names: str) -> None:
        """Checks that a `fit` of the hypermodel takes these arguments.

        Raises:
            InvalidValue: It does not take one of them.
        """
        for name in names if self.has_fit else ():
            if not self._takes(name):
                raise InvalidValue(f"{self.name}.fit must take {name}, or **kwargs as keras_tuner.HyperModel.fit does.")

    def names_in_fit(self, name: str) -> bool:
        """Returns whether the `fit` of the hypermodel has a parameter of this name."""
        assert self._hypermodel is not None
        return name in inspect.signature(self._hypermodel.fit).parameters

    def _takes(self, name: str) -> bool:
        assert self._hypermodel is not None
        parameters = inspect.signature(self._hypermodel.fit).parameters.values()
        return self.names_in_fit(name) or any(each.kind is each.VAR_KEYWORD for each in parameters)

    def _draw_batch_size(self, hp: keras_tuner.HyperParameters) -> int:
        return int(hp.values.get("batch_size", (self._space or {}).get("batch_size", self.batch_size)))
