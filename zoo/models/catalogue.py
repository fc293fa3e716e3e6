"""The catalogue of models: create a model by name, read its card, list the names."""

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
    """Creates a model of the zoo.

    Args:
        name: Name of the model; see `list_models`.
        weights: Name of pre-trained weights, as in `"mnist"`; see `zoo list --weights`. They determine the options of
            the model, except for `classes`: another number of them gives the model a new output layer, which is not
            trained. Defaults to None, an untrained model.
        **options: Options of the model; see `card(name).options`.

    Returns:
        The model, an uncompiled `keras.Model`.

    Raises:
        UnknownName: Unknown model, option or weights. The message suggests the closest name.
        InvalidValue: An option has the wrong type, is out of range, or differs from that of the weights.

    >>> import zoo
    >>> zoo.create("deep_mlp", depth=2, width=30, activation="sigmoid").count_params()
    24790
    """
    known = card(name)
    if weights is None:
        known.check(known.resolve(options))
        import_tensorflow()
        return known.build(**options)
    from zoo.models.heads import copy_weights
    from zoo.models.weights import check_options, load_weights, weights_card

    trained = weights_card(known.name, weights)
    required, resolved = known.resolve(trained.origin.options), known.resolve(options)
    has_new_head = "classes" in options and resolved["classes"] != required["classes"]
    kept = [option for option in options if option != "classes" or not has_new_head]
    check_options(trained, required, {option: resolved[option] for option in kept})
    import_tensorflow()
    model = known.build(**required)
    load_weights(model, trained)
    if not has_new_head:
        return model
    changed = known.build(**{**required, "classes": resolved["classes"]})
    copy_weights(model, changed)
    return changed


def card(name: str) -> ModelCard:
    """Returns the card of a model: summary, source, options, recipes and search space.

    Raises:
        UnknownName: Unknown model. The message suggests the closest name.

    >>> import zoo
    >>> zoo.card("dropout_mlp").options["keep_probability"].values
    'a number > 0 and <= 1'
    """
    if name not in cards:
        raise unknown("model", name, cards)
    return cards[name]


def list_models(pattern: str = "*") -> list[str]:
    """Returns the sorted names of the models that match a shell pattern.

    >>> import zoo
    >>> zoo.list_models("*mlp*")
    ['deep_mlp', 'dropout_mlp', 'shallow_mlp']
    """
    return sorted(fnmatch.filter(cards, pattern))
