"""Search spaces: which hyperparameters of a model and its recipe a search varies, as data."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from zoo.errors import InvalidValue, unknown
from zoo.models.catalogue import card
from zoo.models.registry import Option
from zoo.models.search_space import Choice, Range
from zoo.recipes import LEGAL, Recipe
from zoo.utils.constraints import check

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

RECIPE_FIELDS = ("learning_rate", "batch_size", "weight_penalty")
STAGES = ("pretraining", "classifier")


@dataclass(frozen=True)
class Space(Mapping[str, Any]):
    """The search space of a model and its recipe, by name.

    A parameter is a `Choice`, a `Range` or a fixed value. Its name is an option of the model; `learning_rate`,
    `batch_size` or `weight_penalty` of the recipe; or one of either in a stage of the recipe, as in `pretraining.k`.

    Args:
        model: Model name.
        recipe: Recipe that the trials are trained by.
        parameters: Parameters by name.

    Raises:
        UnknownName: Neither the model nor its recipe has such a parameter.
        InvalidValue: A value that the model or its recipe does not take.
    """

    model: str
    recipe: Recipe
    parameters: Mapping[str, Any]

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))
        for name, parameter in self.parameters.items():
            for value in getattr(parameter, "extremes", (parameter,)):
                check(name, value, self.annotation(name))
            for parent, value in getattr(parameter, "when", {}).items():
                self._check_name(parent)
                check(parent, value, self.annotation(parent))

        check_order(self.parameters)

    def __getitem__(self, name: str) -> Any:
        return self.parameters[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.parameters)

    def __len__(self) -> int:
        return len(self.parameters)

    def __reduce__(self) -> Any:
        return Space.from_dict, (self.to_dict(),)

    def with_(self, changes: Mapping[str, Any] | None = None, **more: Any) -> Space:
        """Returns the space with other parameters added, or its own replaced.

        Args:
            changes: `Choice`, `Range` or fixed value of each parameter by its name. Defaults to none.
            **more: More of them, for names without a dot.

        >>> from zoo import tuning
        >>> narrow = tuning.space("deep_mlp").with_(depth=3, width=tuning.Range(20, 50))
        >>> narrow["depth"], narrow["width"].high
        (3, 50)
        """
        return dataclasses.replace(self, parameters={**self.parameters, **(changes or {}), **more})

    def without(self, *names: str) -> Space:
        """Returns the space without some parameters, which then have the value of the recipe or the model.

        Raises:
            UnknownName: The space has no such parameter.
        """
        for name in names:
            self._check_name(name)
        return dataclasses.replace(self, parameters={k: v for k, v in self.parameters.items() if k not in names})

    def draw(self, hp: HyperParameters) -> dict[str, Any]:
        """Returns the values of a trial, without those whose condition does not hold.

        Args:
            hp: KerasTuner's hyperparameters of the trial.
        """
        return draw(hp, self.parameters, {name: self.default(name) for name in self.parameters})

    def default(self, name: str) -> Any:
        """Returns the value that the recipe, or else the model, has for a parameter."""
        recipe, option, _, options = self._locate(name)
        return recipe.options.get(option, options[option].default) if option in options else getattr(recipe, option)

    def apply(self, values: Mapping[str, Any]) -> tuple[Recipe, dict[str, Any]]:
        """Returns the recipe and the options of the builder for the values of a trial.

        Args:
            values: Values that `draw` returned.
        """
        recipe, model_options = self.recipe, {}
        for name, value in values.items():
            _, option, _, options = self._locate(name)
            stage = name.rpartition(".")[0]
            if stage:
                before = getattr(recipe, stage)
                change = {"options": {**before.options, option: value}} if option in options else {option: value}
                recipe = dataclasses.replace(recipe, **{stage: dataclasses.replace(before, **change)})
            elif option in options:
                model_options[option] = value
            else:
                recipe = dataclasses.replace(recipe, **{option: value})
        return recipe, model_options

    def to_dict(self) -> dict[str, Any]:
        """Returns the space as plain values, for JSON."""
        parameters = {
            name: {"kind": type(parameter).__name__.lower(), **dataclasses.asdict(parameter)}
            if isinstance(parameter, (Choice, Range))
            else parameter
            for name, parameter in self.parameters.items()
        }
        return {"model": self.model, "recipe": self.recipe.to_dict(), "parameters": parameters}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Space:
        """Returns the space on which `to_dict` was called."""
        kinds: dict[str, Any] = {"choice": Choice, "range": Range}

        def read(parameter: Any) -> Any:
            if isinstance(parameter, Mapping):
                return kinds[parameter["kind"]](**{key: value for key, value in parameter.items() if key != "kind"})
            return tuple(parameter) if isinstance(parameter, list) else parameter

        parameters = {name: read(parameter) for name, parameter in content["parameters"].items()}
        return cls(content["model"], Recipe.from_dict(content["recipe"]), parameters)

    def annotation(self, name: str) -> Any:
        """Returns the annotation of a parameter's values.

        Raises:
            UnknownName: Neither the model nor its recipe has such a parameter.
            InvalidValue: The dataset determines the parameter.
        """
        _, option, model, options = self._locate(name)
        if option in ("input_shape", "classes", "longest"):
            raise InvalidValue(f"{name} is decided by the data; a search cannot vary it.")
        if option in options:
            return options[option].annotation
        if option in RECIPE_FIELDS:
            return LEGAL[option]
        raise unknown("parameter", name, [*options, *RECIPE_FIELDS], of=model)

    def _locate(self, name: str) -> tuple[Recipe, str, str, Mapping[str, Option]]:
        """Returns a parameter's recipe or stage, its name there, and the model with the options of that stage."""
        stage, _, option = name.rpartition(".")
        if not stage:
            return self.recipe, option, self.model, card(self.model).options
        recipe = getattr(self.recipe, stage) if stage in STAGES else None
        if recipe is None:
            stages = [part for part in STAGES if getattr(self.recipe, part) is not None]
            raise unknown("part", stage, stages, of=f"the recipe {self.recipe.name} of {self.model}")
        if stage == "classifier":
            return recipe, option, "the classifier", {}
        learner = recipe.objective.learner or "denoising_autoencoder"
        return recipe, option, learner, card(learner).options

    def _check_name(self, name: str) -> None:
        if name not in self.parameters:
            raise unknown("parameter", name, self.parameters, of=f"the space of {self.model}")


def check_order(parameters: Mapping[str, Any]) -> None:
    """Raises InvalidValue if a parameter comes before one on which it depends."""
    names: list[str] = []
    for name, parameter in parameters.items():
        for parent in getattr(parameter, "when", {}):
            if parent not in names:
                raise InvalidValue(f"{name} depends on {parent}, which must come before it in the space.")
        names.append(name)


def draw(hp: HyperParameters, parameters: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values of a trial, without those whose condition does not hold.

    Args:
        hp: KerasTuner's hyperparameters of the trial.
        parameters: Parameters by name; each comes after those on which it depends.
        defaults: First value of each parameter, for algorithms that start with it.
    """
    values: dict[str, Any] = {}
    for name, parameter in parameters.items():
        if not isinstance(parameter, (Choice, Range)):
            values[name] = parameter
            continue
        with contextlib.ExitStack() as stack:
            for parent_name, value in parameter.when.items():
                if isinstance(parent := parameters[parent_name], (Choice, Range)):
                    label = parent.labels[parent.values.index(value)] if isinstance(parent, Choice) else value
                    stack.enter_context(hp.conditional_scope(parent_name, [label]))
            # KerasTuner must know a parameter also where its condition does not hold; its value is None then.
            drawn = parameter.register(hp, name, defaults.get(name))
        if all(values.get(parent_name) == value for parent_name, value in parameter.when.items()):
            values[name] = drawn
    return values


def space(name: str, *, recipe: str | Recipe | None = None) -> Space:
    """Returns the search space of a model of the zoo: its architecture and the hyperparameters of its recipe.

    Args:
        name: Model name.
        recipe: Recipe or its name. Defaults to the model's first recipe.

    Raises:
        UnknownName: Unknown model or recipe.

    >>> from zoo import tuning
    >>> list(tuning.space("dropout_mlp"))[:4]
    ['depth', 'width', 'activation', 'initializer']
    >>> "keep_probability" in tuning.space("dropout_mlp"), "keep_probability" in tuning.space("deep_mlp")
    (True, False)
    """
    if not isinstance(recipe, Recipe):
        recipe = card(name).recipe(recipe)

    def around(value: float, factor: float) -> Range:
        return Range(float(f"{value / factor:.1g}"), float(f"{value * factor:.1g}"), log=True)

    parameters: dict[str, Any] = dict(card(name).search_space)
    parameters["learning_rate"] = around(recipe.learning_rate, 30)
    batch_sizes = {max(1, int(recipe.batch_size * factor)) for factor in (0.5, 1, 2, 4)}
    parameters["batch_size"] = Choice(tuple(sorted(batch_sizes)))
    if recipe.weight_penalty:
        parameters["weight_penalty"] = around(recipe.weight_penalty, 10)
    if recipe.pretraining:
        parameters["pretraining.learning_rate"] = around(recipe.pretraining.learning_rate, 10)
        if recipe.pretraining.objective.learner == "rbm":
            parameters["pretraining.k"] = Choice((1, 2, 5, 10))
        else:
            parameters["pretraining.corruption"] = Range(0.0, 0.5)
    return Space(name, recipe, parameters)


def make_space(model: str | Space, recipe: str | Recipe | None) -> Space:
    """Returns the search space of a model's name; a space is returned as it is.

    Raises:
        InvalidValue: `recipe` is given with a space.
    """
    if isinstance(model, str):
        return space(model, recipe=recipe)
    if recipe is not None:
        raise InvalidValue("A space has its recipe already; leave out recipe=.")
    return model
