"""Pre-trained weights that ship with the zoo: small models, each with a card.

Beside this file, `NAME-DATA.npz` holds the weights in half precision and `NAME-DATA.json` the card.
`python -m zoo.models.weights.making RUN` makes both from a run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import DataError, InvalidValue, unknown
from zoo.models.origin import Origin, remember

if TYPE_CHECKING:
    import keras

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class WeightsCard:
    """What is known of pre-trained weights.

    Args:
        model: The model's name.
        name: The weights', which is that of the data.
        origin: Options, recipe, data and seed.
        command: What trained them.
        metrics: On the test set, with the weights as they ship: each `value` with its 95 % interval, `low` to
            `high`, over `examples`.
        versions: Of what they were trained with.
        parameters: How many numbers they are.
        sha256: Digest of the file.
        limits: What they are not for.
    """

    model: str
    name: str
    origin: Origin
    command: str
    metrics: Mapping[str, Mapping[str, float]]
    versions: Mapping[str, str]
    parameters: int
    sha256: str
    limits: str

    @property
    def path(self) -> Path:
        """The file with the weights."""
        return FOLDER / f"{self.model}-{self.name}.npz"


def list_weights(model: str = "*") -> list[WeightsCard]:
    """Returns the cards of the weights that ship with the zoo.

    Args:
        model: A model's name, or a shell pattern.

    >>> [card.name for card in list_weights("lenet5")]
    ['mnist', 'semeion']
    """
    return [_read(path) for path in sorted(FOLDER.glob(f"{model}-*.json"))]


def weights_card(model: str, name: str) -> WeightsCard:
    """Returns the card of a model's weights.

    Raises:
        UnknownName: The model has no such weights.
    """
    known = {card.name: card for card in list_weights(model)}
    if name not in known:
        raise unknown("weights", name, known, of=model)
    return known[name]


def options_of(card: WeightsCard, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the options that a model with these weights is built with.

    Args:
        card: Of the weights.
        given: The options that were asked for.
        defaults: All options of the builder, with what was asked for resolved.

    Raises:
        InvalidValue: An option that was asked for is another one.
    """
    for option in given:
        if defaults[option] != card.origin.options[option]:
            raise InvalidValue(
                f"{card.model}: the weights {card.name} are of {option}={card.origin.options[option]}; got "
                f"{defaults[option]}."
            )
    return dict(card.origin.options)


def fill(model: keras.Model, card: WeightsCard) -> None:
    """Gives a model its pre-trained weights.

    Raises:
        DataError: The file is not what the card says.
    """
    content = card.path.read_bytes()
    if hashlib.sha256(content).hexdigest() != card.sha256:
        raise DataError(f"{card.path} is damaged: its digest is not the card's. Install the zoo anew.")
    with np.load(card.path, allow_pickle=False) as arrays:
        model.set_weights([arrays[str(number)].astype("float32") for number in range(len(arrays.files))])
    test = {name: metric["value"] for name, metric in card.metrics.items()}
    remember(model, replace(card.origin, test=test))


def _read(path: Path) -> WeightsCard:
    content = json.loads(path.read_text(encoding="utf-8"))
    return WeightsCard(origin=Origin.from_dict(content.pop("origin")), **content)
