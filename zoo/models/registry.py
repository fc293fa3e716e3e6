"""The models by name: one dictionary, filled by a decorator on each builder."""

from __future__ import annotations

import fnmatch
import functools
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.errors import InvalidValue, unknown
from zoo.models.origin import Origin, remember
from zoo.recipes import Recipe
from zoo.utils.constraints import check, describe
from zoo.utils.tensorflow_import import import_tensorflow

if TYPE_CHECKING:
    import keras


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
    """

    name: str
    build: Callable[..., keras.Model]
    summary: str
    source: str
    recipes: tuple[Recipe, ...]

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


_cards: dict[str, ModelCard] = {}


def register(*, recipes: tuple[Recipe, ...], source: str) -> Callable:
    """Makes a builder known under its own name, and has its options checked at every call.

    Args:
        recipes: How the model is trained; the first is the default.
        source: The publication that the model comes from.
    """

    def decorate(builder: Callable[..., keras.Model]) -> Callable[..., keras.Model]:
        summary = (inspect.getdoc(builder) or "").partition("\n")[0]

        @functools.wraps(builder)
        def checked(**options: Any) -> keras.Model:
            resolved = own.resolve(options)
            model = builder(**resolved)
            remember(model, Origin(model=own.name, options=resolved))
            return model

        own = ModelCard(builder.__name__, checked, summary, source, recipes)
        _cards[own.name] = own
        return checked

    return decorate


def create(name: str, *, weights: str | None = None, **options: Any) -> keras.Model:
    """Builds a model of the zoo, uncompiled.

    Args:
        name: A name of `list_models()`.
        weights: The name of pre-trained weights, as in `"mnist"`; `zoo list --weights` has them. Their options are
            taken; those that are given must be the same. None is a model that is not trained.
        **options: The builder's keywords; `card(name).options` tells them.

    Returns:
        The model, a plain `keras.Model`.

    Raises:
        UnknownName: No such model, option or weights; the message has the nearest name.
        InvalidValue: An option's value has the wrong type, is out of range, or is not that of the weights.

    >>> import zoo
    >>> zoo.create("deep_mlp", depth=2, width=30, activation="sigmoid").count_params()
    24790
    """
    import_tensorflow()
    if weights is None:
        return card(name).build(**options)
    from zoo.models import weights as presets

    of_weights = presets.weights_card(card(name).name, weights)
    model = card(name).build(**presets.options_of(of_weights, options, card(name).resolve(options)))
    presets.fill(model, of_weights)
    return model


def card(name: str) -> ModelCard:
    """Returns what the zoo knows of a model: summary, source, options, recipes.

    Raises:
        UnknownName: No such model; the message has the nearest name.

    >>> import zoo
    >>> zoo.card("dropout_mlp").options["keep_probability"].values
    'a number > 0 and <= 1'
    """
    cards = _loaded()
    if name not in cards:
        raise unknown("model", name, cards)
    return cards[name]


def list_models(pattern: str = "*") -> list[str]:
    """Returns the names of the models that match a shell pattern, sorted.

    >>> import zoo
    >>> zoo.list_models("*mlp*")
    ['deep_mlp', 'dropout_mlp', 'shallow_mlp']
    """
    return sorted(fnmatch.filter(_loaded(), pattern))


def _loaded() -> Mapping[str, ModelCard]:
    import zoo.models  # noqa: F401  (each family registers itself)

    return _cards


def _argument_help(docstring: str) -> dict[str, str]:
    section = re.search(r"^Args:\n((?:[ ]{4,}.*\n?|\n)+)", docstring, re.MULTILINE)
    entries = re.findall(r"^ {4}(\w+): ((?:.*\n?)(?: {8}.*\n?)*)", section[1] if section else "", re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}
