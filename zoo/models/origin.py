"""Where a model comes from: its builder and options and, once it is trained, the data, recipe and seed."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from zoo.errors import InvalidValue
from zoo.recipes import Recipe
from zoo.recipes.recipe import tuples_from_lists
from zoo.utils.constraints import Seed, at_least, check, non_negative

if TYPE_CHECKING:
    import keras

_LEGAL_DATA = {
    "name": str,
    "title": str,
    "origin": str,
    "licence": str,
    "digest": str,
    "levels": Annotated[int, at_least(1)],
    "validation": Annotated[int, non_negative],
}


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a model of the zoo comes from.

    Args:
        model: Name that it was created by.
        options: Every option of its builder.
        recipe: Recipe that it was trained by. Defaults to None, not trained.
        data: Data set that it was trained on: name, title, origin, licence, digest, class names, levels of its
            numbers, and number of validation examples.
        seed: Random seed of the training. Defaults to None.
        test: Metrics on the test set; empty if it was not tested.
    """

    model: str
    options: Mapping[str, Any]
    recipe: Recipe | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    test: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Returns the origin as plain values; `from_dict` makes it again."""
        return {
            "model": self.model,
            "options": dict(self.options),
            "recipe": None if self.recipe is None else self.recipe.to_dict(),
            "data": dict(self.data),
            "seed": self.seed,
            "test": dict(self.test),
        }

    def split_of(self, dataset: str) -> dict[str, Any]:
        """Returns the arguments of `datasets.load` that split a data set as for the training, if it was that one."""
        if dataset != self.data.get("name") or self.seed is None:
            return {}
        return {"seed": self.seed, "validation": self.data.get("validation")}

    @classmethod
    def from_dict(cls, content: Any) -> Origin:
        """Makes an origin from values that anyone may have written; the builder checks the options.

        Raises:
            InvalidValue: A key is missing or unknown, or a value has the wrong type.
        """
        names = {"model", "options", "recipe", "data", "seed", "test"}
        if not isinstance(content, dict) or set(content) != names:
            raise InvalidValue(f"An origin must have {', '.join(sorted(names))}, and nothing else.")
        for name in ("options", "data", "test"):
            if not isinstance(content[name], dict):
                raise InvalidValue(f"{name} must be a dict; got {type(content[name]).__name__}.")
        data = dict(content["data"])
        classes = data.pop("class_names", [])
        if not isinstance(classes, list):
            raise InvalidValue(f"class_names must be a list of strings; got {type(classes).__name__}.")
        if unknown := sorted(set(data) - set(_LEGAL_DATA)):
            raise InvalidValue(f"data must have {', '.join(_LEGAL_DATA)} and class_names; got {unknown[0]!r}.")
        checked = {name: check(name, value, _LEGAL_DATA[name]) for name, value in data.items()}
        if classes:
            checked["class_names"] = [check("class_names", label, str) for label in classes]
        return cls(
            model=check("model", content["model"], str),
            options=tuples_from_lists(content["options"]),
            recipe=None if content["recipe"] is None else Recipe.from_dict(content["recipe"]),
            data=checked,
            seed=check("seed", content["seed"], Seed | None),
            test={name: check(name, value, float) for name, value in content["test"].items()},
        )


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
