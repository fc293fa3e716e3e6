"""Pre-trained weights of small models, each with a card.

In this folder, `MODEL-DATA.npz` contains weights in half precision and `MODEL-DATA.json` their card.
`python -m zoo.reproduction.weights RUN` creates both from a run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import DataError, InvalidValue, unknown
from zoo.models.origin import Origin, remember

if TYPE_CHECKING:
    import keras

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class WeightsCard:
    """The description of pre-trained weights.

    Args:
        model: Name of the model.
        name: Name of the weights, which is that of their data set.
        origin: Options, recipe, data and seed of their training.
        command: Command that trained them.
        metrics: Metrics of these weights on the test set: `value`, its 95 % interval from `low` to `high`, and the
            number of `examples`.
        versions: Versions of the packages that trained them.
        parameters: Number of weights.
        sha256: Digest of the file.
        limits: Limits of their use.
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
        """Path of the file with the weights."""
        return FOLDER / f"{self.model}-{self.name}.npz"


def list_weights(model: str = "*") -> list[WeightsCard]:
    """Returns the cards of pre-trained weights.

    Args:
        model: Name of a model, or a shell pattern. Defaults to all models.

    >>> [card.name for card in list_weights("lenet5")]
    ['mnist', 'semeion']
    """
    return [_read(path) for path in sorted(FOLDER.glob(f"{model}-*.json"))]


def weights_card(model: str, name: str) -> WeightsCard:
    """Returns the card of pre-trained weights of a model.

    Raises:
        UnknownName: The model has no such weights.
    """
    known = {card.name: card for card in list_weights(model)}
    if name not in known:
        raise unknown("weights", name, known, of=model)
    return known[name]


def check_options(card: WeightsCard, required: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """Checks that options equal those of pre-trained weights.

    Args:
        card: Card of the weights.
        required: All options of the model with these weights.
        options: Options to check.

    Raises:
        InvalidValue: An option differs.
    """
    for name, value in options.items():
        if value != required[name]:
            raise InvalidValue(
                f"{card.model}: {name} must be {required[name]} with weights={card.name!r}; got {value}."
            )


def load_weights(model: keras.Model, card: WeightsCard) -> None:
    """Sets the weights of a model to pre-trained ones.

    Raises:
        DataError: The digest of the file differs from that in the card.
    """
    import numpy as np

    content = card.path.read_bytes()
    if hashlib.sha256(content).hexdigest() != card.sha256:
        raise DataError(f"{card.path} is damaged: its digest differs from that in its card. Reinstall the zoo.")
    with np.load(card.path, allow_pickle=False) as arrays:
        model.set_weights([arrays[str(number)].astype("float32") for number in range(len(arrays.files))])
    test = {name: metric["value"] for name, metric in card.metrics.items()}
    remember(model, replace(card.origin, test=test))


def _read(path: Path) -> WeightsCard:
    content = json.loads(path.read_text(encoding="utf-8"))
    return WeightsCard(origin=Origin.from_dict(content.pop("origin")), **content)
