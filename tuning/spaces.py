"""What a search may vary: a named space for each model of the zoo, as data."""

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
PARTS = ("pretraining", "classifier")


@dataclass(frozen=True)
class Space(Mapping[str, Any]):
    """What a search varies of a model and its recipe, by name.

    A parameter is a `Choice`, a `Range`, or a value that all trials share. Its name is an option of
    the model, `learning_rate`, `batch_size` or `weight_penalty` of the recipe, or one of either in
    `pretraining.` or `classifier.`, as in `pretraining.k`.

    Args:
        model: The model's name.
        recipe: What the trials are trained by.
        parameters: The parameters.

    Raises:
        UnknownName: Neither the model nor its recipe has such a parameter.
        InvalidValue: A value that they do not take.
    """

    model: str
    recipe: Recipe
    parameters: Mapping[str, Any]

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))
        for name, parameter in self.parameters.items():
            for value in getattr(parameter, "extremes", (parameter,)):
                check(name, value, self.annotation(name))
            for other, wanted in getattr(parameter, "when", {}).items():
                if other not in self.parameters:
                    raise unknown("parameter", other, self.parameters, of=f"the space of {self.model}")
                if list(self.parameters).index(other) > list(self.parameters).index(name):
                    raise InvalidValue(f"{name} depends on {other}, which must come before it in the space.")
                check(other, wanted, self.annotation(other))

    def __getitem__(self, name: str) -> Any:
        return self.parameters[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.parameters)

    def __len__(self) -> int:
        return len(self.parameters)

    def __reduce__(self) -> Any:
        return Space.from_dict, (self.to_dict(),)

    def with_(self, changes: Mapping[str, Any] | None = None, **more: Any) -> Space:
        """Returns the space with other parameters, or with some narrowed, widened or held fixed.

        Args:
            changes: By name, a `Choice`, a `Range` or a value.
            **more: Likewise, for names without a dot.

        >>> from zoo import tuning
        >>> narrow = tuning.space("deep_mlp").with_(depth=3, width=tuning.Range(20, 50))
        >>> narrow["depth"], narrow["width"].high
        (3, 50)
        """
        return dataclasses.replace(self, parameters={**self.parameters, **(changes or {}), **more})

    def without(self, *names: str) -> Space:
        """Returns the space without some parameters, which the recipe and the model then decide.

        Raises:
            UnknownName: The space has no such parameter.
        """
        for name in names:
            if name not in self.parameters:
                raise unknown("parameter", name, self.parameters, of=f"the space of {self.model}")
        return dataclasses.replace(self, parameters={k: v for k, v in self.parameters.items() if k not in names})

    def draw(self, hp: HyperParameters) -> dict[str, Any]:
        """Returns the values of a trial; those that do not belong to it are left out.

        Args:
            hp: KerasTuner's parameters of the trial.
        """
        return draw(hp, self.parameters, {name: self.default(name) for name in self.parameters})

    def default(self, name: str) -> Any:
        """Returns the value that the recipe, or else the model, has for a parameter."""
        recipe, option = self._owner(name)
        _, options = _learner(self.model, self.recipe, name)
        if option in options:
            return recipe.options.get(option, options[option].default)
        return getattr(recipe, option)

    def apply(self, values: Mapping[str, Any]) -> tuple[Recipe, dict[str, Any]]:
        """Returns the recipe, and the options of the builder, that a trial's values make.

        Args:
            values: What `draw` returned.
        """
        recipe, options = self.recipe, {}
        for name, value in values.items():
            part, dot, option = name.rpartition(".")
            if not dot:
                if option in card(self.model).options:
                    options[option] = value
                else:
                    recipe = dataclasses.replace(recipe, **{option: value})
                continue
            stage = getattr(recipe, part)
            is_option = option in _learner(self.model, recipe, name)[1]
            changed = {"options": {**stage.options, option: value}} if is_option else {option: value}
            recipe = dataclasses.replace(recipe, **{part: dataclasses.replace(stage, **changed)})
        return recipe, options

    def to_dict(self) -> dict[str, Any]:
        """Returns the space as plain values, for JSON."""
        return {
            "model": self.model,
            "recipe": self.recipe.to_dict(),
            "parameters": {
                name: {"kind": type(each).__name__.lower(), **dataclasses.asdict(each)}
                if isinstance(each, (Choice, Range))
                else each
                for name, each in self.parameters.items()
            },
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Space:
        """Returns the space that `to_dict` was called on."""

        def parameter(each: Any) -> Any:
            if not isinstance(each, Mapping):
                return tuple(each) if isinstance(each, list) else each
            kinds: dict[str, Any] = {"choice": Choice, "range": Range}
            return kinds[each["kind"]](**{key: value for key, value in each.items() if key != "kind"})

        parameters = {name: parameter(each) for name, each in content["parameters"].items()}
        return cls(content["model"], Recipe(**content["recipe"]), parameters)

    def _owner(self, name: str) -> tuple[Recipe, str]:
        part, dot, option = name.rpartition(".")
        if not dot:
            return self.recipe, option
        if part not in PARTS or getattr(self.recipe, part) is None:
            there = [each for each in PARTS if getattr(self.recipe, each) is not None]
            raise unknown("part", part, there, of=f"the recipe {self.recipe.name} of {self.model}")
        return getattr(self.recipe, part), option

    def annotation(self, name: str) -> Any:
        """Returns the annotation that a parameter's values obey.

        Raises:
            UnknownName: There is no such parameter.
            InvalidValue: The data decide it.
        """
        _, option = self._owner(name)
        model, options = _learner(self.model, self.recipe, name)
        if option in ("input_shape", "classes", "longest"):
            raise InvalidValue(f"{name} is decided by the data; a search cannot vary it.")
        if option in options:
            return options[option].annotation
        if option in RECIPE_FIELDS:
            return LEGAL[option]
        raise unknown("parameter", name, [*options, *RECIPE_FIELDS], of=model)


def draw(hp: HyperParameters, parameters: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a trial's values of some parameters; those that do not belong to it are left out.

    Args:
        hp: KerasTuner's parameters of the trial.
        parameters: What is varied, by name; a parameter comes after those that it depends on.
        defaults: The value of each that is tried first, where an algorithm does so.
    """
    values: dict[str, Any] = {}
    for name, parameter in parameters.items():
        if not isinstance(parameter, (Choice, Range)):
            values[name] = parameter
            continue
        with contextlib.ExitStack() as stack:
            for other, wanted in parameter.when.items():
                if isinstance(parent := parameters[other], (Choice, Range)):
                    label = parent.labels[parent.values.index(wanted)] if isinstance(parent, Choice) else wanted
                    stack.enter_context(hp.conditional_scope(other, [label]))
            # KerasTuner is to know of a parameter also where it does not belong; its value is None then.
            value = parameter.register(hp, name, defaults.get(name))
        if all(values.get(other) == wanted for other, wanted in parameter.when.items()):
            values[name] = value
    return values


def space(name: str, *, recipe: str | Recipe | None = None) -> Space:
    """Returns the search space of a model of the zoo: its architecture, and what its recipe leaves open.

    Args:
        name: A name of `zoo.list_models()`.
        recipe: The recipe that is varied, or its name; None takes the model's default.

    Raises:
        UnknownName: No such model or recipe; the message has the nearest name.

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
    parameters["batch_size"] = Choice(
        tuple(sorted({max(1, int(recipe.batch_size * factor)) for factor in (0.5, 1, 2, 4)}))
    )
    if recipe.weight_penalty:
        parameters["weight_penalty"] = around(recipe.weight_penalty, 10)
    if recipe.pretraining:
        parameters["pretraining.learning_rate"] = around(recipe.pretraining.learning_rate, 10)
        if recipe.pretraining.objective.learner == "rbm":
            parameters["pretraining.k"] = Choice((1, 2, 5, 10))
        else:
            parameters["pretraining.corruption"] = Range(0.0, 0.5)
    return Space(name, recipe, parameters)


def _learner(model: str, recipe: Recipe, name: str) -> tuple[str, Mapping[str, Option]]:
    """Returns the model that a parameter is of, the learner of a stage for one of the pre-training, and its options."""
    part = name.rpartition(".")[0]
    if part == "classifier":
        return "the classifier", {}
    if part == "pretraining":
        is_rbm = recipe.pretraining is not None and recipe.pretraining.objective.learner == "rbm"
        model = "rbm" if is_rbm else "denoising_autoencoder"
    return model, card(model).options
