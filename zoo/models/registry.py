"""The registry of models: a decorator on each builder fills one dictionary of cards."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from zoo.errors import InvalidValue, unknown
from zoo.models.origin import Origin, remember
from zoo.models.search_space import SearchSpace
from zoo.recipes import Recipe
from zoo.utils.constraints import check, describe

if TYPE_CHECKING:
    import keras

Builder = Callable[..., "keras.Model"]


@dataclass(frozen=True)
class Option:
    """One keyword of a builder: its annotation, its default, and what its docstring says of it."""

    name: str
    annotation: Any
    default: Any
    help: str

    @property
    def values(self) -> str:
        """The legal values, in words."""
        return describe(self.annotation)


@dataclass(frozen=True)
class ModelCard:
    """What the zoo knows of a model without building it.

    Args:
        name: The builder's name, which is the model's.
        build: The builder.
        summary: The first line of its docstring.
        source: The publication that the model comes from.
        recipes: How it is trained; the first is the default.
        search_space: What a search varies of its options, by name, in this order.
    """

    name: str
    build: Builder
    summary: str
    source: str
    recipes: tuple[Recipe, ...]
    search_space: SearchSpace

    @property
    def options(self) -> Mapping[str, Option]:
        """The builder's keywords, in order."""
        help_of = _argument_help(inspect.getdoc(self.build) or "")
        return {
            name: Option(name, parameter.annotation, parameter.default, help_of.get(name, ""))
            for name, parameter in inspect.signature(self.build).parameters.items()
        }

    def recipe(self, name: str | None = None) -> Recipe:
        """Returns the recipe called `name`, or the default one.

        Raises:
            UnknownName: The model has no such recipe.
        """
        if name is None:
            return self.recipes[0]
        by_name = {recipe.name: recipe for recipe in self.recipes}
        if name not in by_name:
            raise unknown("recipe", name, by_name, of=self.name)
        return by_name[name]

    def resolve(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Returns every option of the builder: the given ones, checked, and the defaults.

        Raises:
            UnknownName: An option that the builder does not have.
            InvalidValue: A value of the wrong type or out of range.
        """
        known = self.options
        for name in options:
            if name not in known:
                raise unknown("option", name, known, of=self.name)
        try:
            return {
                name: check(name, options[name], option.annotation) if name in options else option.default
                for name, option in known.items()
            }
        except InvalidValue as error:
            raise InvalidValue(f"{self.name}: {error}") from None


cards: dict[str, ModelCard] = {}


def register(
    *, recipes: tuple[Recipe, ...], source: str, search_space: SearchSpace
) -> Callable[[Callable[..., keras.Model]], Callable[..., keras.Model]]:
    """Registers a builder under its name and checks its options at every call.

    Args:
        recipes: Recipes that train the model. The first is the default.
        source: Publication of the model.
        search_space: Options that `tuning.search` varies, with their values.
    """

    def decorate(builder: Builder) -> Builder:
        @functools.wraps(builder)
        def build(**options: Any) -> keras.Model:
            resolved = card.resolve(options)
            model = builder(**resolved)
            remember(model, Origin(model=card.name, options=resolved))
            return model

        summary = (inspect.getdoc(builder) or "").partition("\n")[0]
        card = ModelCard(builder.__name__, build, summary, source, recipes, MappingProxyType(dict(search_space)))
        cards[card.name] = card
        return build

    return decorate


def _argument_help(docstring: str) -> dict[str, str]:
    section = re.search(r"^Args:\n((?:[ ]{4,}.*\n?|\n)+)", docstring, re.MULTILINE)
    entries = re.findall(r"^ {4}(\w+): ((?:.*\n?)(?: {8}.*\n?)*)", section[1] if section else "", re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}
