"""Where a model comes from: its builder and options and, once it is trained, the data, recipe and seed."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

from zoo.recipes import Recipe
from zoo.utils.constraints import Constraint, Count, Seed, check, non_negative
from zoo.utils.records import Record, check_keys

if TYPE_CHECKING:
    import keras

Metric = Annotated[Any, Constraint("a number", lambda value: isinstance(value, Real))]  # also NaN or infinite
_LEGAL_DATA = {
    "name": str,
    "title": str,
    "origin": str,
    "licence": str,
    "digest": str,
    "levels": Count,
    "validation": Annotated[int, non_negative],
    "path": str,
    "settings": Mapping[str, Any],
    "columns": Sequence[Mapping[str, Any]],
    "class_names": Sequence[str],
}


@dataclass(frozen=True, kw_only=True)
class Origin(Record):
    """Where a model of the zoo comes from.

    Args:
        model: Name that it was created by.
        options: Every option of its builder.
        recipe: Recipe that it was trained by. Defaults to None, not trained.
        data: Data set that it was trained on: name, title, origin, licence, digest, class names, levels of its
            numbers, and number of validation examples; of data of the user's own, their path and how they were read.
        seed: Random seed of the training. Defaults to None.
        test: Metrics on the test set; empty if it was not tested.
    """

    model: str
    options: Mapping[str, Any]
    recipe: Recipe | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    seed: Seed | None = None
    test: Mapping[str, Metric] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_keys("data", self.data, (), allowed=_LEGAL_DATA)
        data = {name: check(f"data[{name!r}]", value, _LEGAL_DATA[name]) for name, value in self.data.items()}
        object.__setattr__(self, "data", MappingProxyType(data))

    def split_of(self, dataset: str) -> dict[str, Any]:
        """Returns the arguments of `datasets.load` that split a data set as for the training, if it was that one."""
        if dataset != self.dataset or self.seed is None:
            return {}
        return {"seed": self.seed, "validation": self.data.get("validation"), **self.data.get("settings", {})}

    @property
    def dataset(self) -> str:
        """Name or path of the data set that it was trained on; empty if it was not trained."""
        return self.data.get("path") or self.data.get("name", "")


# By identity, and beside the models: Keras would save, track and copy an attribute.
_origins: weakref.WeakKeyDictionary[keras.Model, Origin] = weakref.WeakKeyDictionary()


def origin_of(model: keras.Model) -> Origin | None:
    """Returns where a model comes from, or None if the zoo has not made it.

    >>> import zoo
    >>> origin_of(zoo.create("deep_mlp", depth=2)).options["depth"]
    2
    """
    return _origins.get(model)


def remember(model: keras.Model, origin: Origin) -> None:
    """Records where a model comes from."""
    _origins[model] = origin
