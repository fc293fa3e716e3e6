"""Where a model comes from: what it was made by and, once it is trained, on what and how."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from zoo.errors import InvalidValue
from zoo.recipes import Recipe
from zoo.utils.constraints import Seed, at_least, check, non_negative

if TYPE_CHECKING:
    import keras

_LEGAL_OF_DATA = {
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
        model: The name that it was created by.
        options: Every option of its builder.
        recipe: How it was trained; None if it was not.
        data: What it was trained on: name, title, origin, licence, digest, class names, the levels of
            its numbers, how many examples were kept for validation.
        seed: What decided the training.
        test: Its metrics on the test set, where it was tested.
    """

    model: str
    options: Mapping[str, Any]
    recipe: Recipe | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    test: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Returns it as plain values; `from_dict` makes it again."""
        return {
            "model": self.model,
            "options": dict(self.options),
            "recipe": None if self.recipe is None else self.recipe.to_dict(),
            "data": dict(self.data),
            "seed": self.seed,
            "test": dict(self.test),
        }

    def split_of(self, dataset: str) -> dict[str, Any]:
        """Returns how `datasets.load` splits a data set: as for the training, where it was trained on that one."""
        if dataset != self.data.get("name") or self.seed is None:
            return {}
        return {"seed": self.seed, "validation": self.data.get("validation")}

    @classmethod
    def from_dict(cls, content: Any) -> Origin:
        """Makes it from values that anyone may have written; the options are the builder's to check.

        Raises:
            InvalidValue: Something is missing, too much, or of the wrong type.
        """
        known = {"model", "options", "recipe", "data", "seed", "test"}
        if not isinstance(content, dict) or set(content) != known:
            raise InvalidValue(f"It should tell {', '.join(sorted(known))}, and nothing else.")
        for name in ("options", "data", "test"):
            if not isinstance(content[name], dict):
                raise InvalidValue(f"{name} should be a table; got {type(content[name]).__name__}.")
        data = dict(content["data"])
        classes = data.pop("class_names", [])
        if not isinstance(classes, list):
            raise InvalidValue("class_names should be a list of texts.")
        for name in data:
            if name not in _LEGAL_OF_DATA:
                raise InvalidValue(f"data should tell {', '.join(_LEGAL_OF_DATA)} and class_names; got {name!r}.")
        checked = {name: check(name, value, _LEGAL_OF_DATA[name]) for name, value in data.items()}
        if classes:
            checked["class_names"] = [check("class_names", each, str) for each in classes]
        try:
            recipe = None if content["recipe"] is None else Recipe(**content["recipe"])
        except (TypeError, AttributeError, ValueError) as error:
            raise InvalidValue(f"The recipe is none: {error}") from error
        return cls(
            model=check("model", content["model"], str),
            options=content["options"],
            recipe=recipe,
            data=checked,
            seed=check("seed", content["seed"], Seed | None),
            test={name: check(name, value, float) for name, value in content["test"].items()},
        )


# By identity, and beside the models: an attribute would be saved, tracked and copied by Keras.
_origins: weakref.WeakKeyDictionary[keras.Model, Origin] = weakref.WeakKeyDictionary()


def origin_of(model: keras.Model) -> Origin | None:
    """Returns where a model comes from, or None if the zoo has not made it.

    >>> import zoo
    >>> origin_of(zoo.create("deep_mlp", depth=2)).options["depth"]
    2
    """
    return _origins.get(model)


def remember(model: keras.Model, origin: Origin) -> None:
    """Notes where a model comes from."""
    _origins[model] = origin
