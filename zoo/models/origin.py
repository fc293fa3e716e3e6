"""Where a model comes from: its builder and options and, once it is trained, the data, recipe and seed."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
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
    "test_digest": str,
    "loaded": Mapping[str, Any],
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
            numbers, number of validation examples, and the arguments of `datasets.load` that load it.
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

    @property
    def loaded(self) -> dict[str, Any]:
        """Arguments of `datasets.load` that load the data that it was trained on; empty if they cannot be loaded."""
        if "loaded" in self.data:
            return dict(self.data["loaded"])
        if self.seed is None or "name" not in self.data:
            return {}
        # Version 0.1.0 kept the name, and loaded by the seed of the training.
        return {"name": self.data["name"], "seed": self.seed, "validation": self.data.get("validation")}

    def load_options(self, dataset: str | Path) -> dict[str, Any]:
        """Returns the arguments of `datasets.load` for a data set: as for the training, if it was that one.

        Another path is read as the data of the training were, such as with pictures of the same size.

        Args:
            dataset: Name or path of the data set.
        """
        loaded, path = self.loaded, str(Path(dataset).expanduser().resolve())
        if loaded and loaded["name"] in (str(dataset), path):
            return loaded
        read_as = {key: value for key, value in loaded.items() if key not in ("name", "seed", "validation", "test")}
        return {"name": dataset, **(read_as if Path(dataset).exists() else {})}


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
