"""The registry of models: a decorator adds a card for each builder."""

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
    """An option of a builder: its name, annotation, default, and help from the docstring."""

    name: str
    annotation: Any
    default: Any
    help: str

    @property
    def values(self) -> str:
        """Description of the legal values."""
        return describe(self.annotation)


@dataclass(frozen=True)
class ModelCard:
    """The description of a model.

    Args:
        name: Name of the model and of its builder.
        build: Builder.
        summary: First line of the docstring of the builder.
        source: Publication of the model.
        recipes: Recipes that train the model. The first is the default.
        search_space: Options that a search varies, with their values.
        check: Function of all options that raises `InvalidValue` if they do not fit together. It does not import
            TensorFlow.
    """

    name: str
    build: Builder
    summary: str
    source: str
    recipes: tuple[Recipe, ...]
    search_space: SearchSpace
    check: Callable[[Mapping[str, Any]], object]

    @property
    def options(self) -> Mapping[str, Option]:
        """Options of the builder, in order."""
        help_texts = _argument_help(inspect.getdoc(self.build) or "")
        return {
            name: Option(name, parameter.annotation, parameter.default, help_texts.get(name, ""))
            for name, parameter in inspect.signature(self.build).parameters.items()
        }

    def recipe(self, name: str | None = None) -> Recipe:
        """Returns the recipe with a name, or the default one.

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
        """Returns all options of the builder: checked values, and defaults for the others.

        Raises:
            UnknownName: Unknown option.
            InvalidValue: A value has the wrong type or is out of range.
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
    *,
    recipes: tuple[Recipe, ...],
    source: str,
    search_space: SearchSpace,
    check: Callable[[Mapping[str, Any]], object] = dict,
) -> Callable[[Callable[..., keras.Model]], Callable[..., keras.Model]]:
    """Registers a builder under its name and checks its options at every call.

    Args:
        recipes: Recipes that train the model. The first is the default.
        source: Publication of the model.
        search_space: Options that `tuning.search` varies, with their values.
        check: Function of all options that raises `InvalidValue` if they do not fit together, before TensorFlow is
            imported. Defaults to no check.
    """

    def decorate(builder: Builder) -> Builder:
        @functools.wraps(builder)
        def build(**options: Any) -> keras.Model:
            resolved = card.resolve(options)
            card.check(resolved)
            model = builder(**resolved)
            remember(model, Origin(model=card.name, options=resolved))
            return model

        summary = (inspect.getdoc(builder) or "").partition("\n")[0]
        space = MappingProxyType(dict(search_space))
        card = ModelCard(builder.__name__, build, summary, source, recipes, space, check)
        cards[card.name] = card
        return build

    return decorate


def _argument_help(docstring: str) -> dict[str, str]:
    section = re.search(r"^Args:\n((?:[ ]{4,}.*\n?|\n)+)", docstring, re.MULTILINE)
    entries = re.findall(r"^ {4}(\w+): ((?:.*\n?)(?: {8}.*\n?)*)", section[1] if section else "", re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}
