"""The catalogue of models: create one by name, read its card, list the names."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING, Any

import zoo.models.families  # noqa: F401  (registers the models)
from zoo.errors import unknown
from zoo.models.registry import ModelCard, cards
from zoo.utils.tensorflow_import import import_tensorflow

if TYPE_CHECKING:
    import keras


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
    if name not in cards:
        raise unknown("model", name, cards)
    return cards[name]


def list_models(pattern: str = "*") -> list[str]:
    """Returns the names of the models that match a shell pattern, sorted.

    >>> import zoo
    >>> zoo.list_models("*mlp*")
    ['deep_mlp', 'dropout_mlp', 'shallow_mlp']
    """
    return sorted(fnmatch.filter(cards, pattern))
