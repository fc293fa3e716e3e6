"""Records: frozen dataclasses whose fields are checked, and that convert to and from plain values."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self, get_type_hints

from zoo.errors import InvalidValue
from zoo.utils.constraints import check


@dataclass(frozen=True)
class Record:
    """Base class of frozen dataclasses that are stored as JSON.

    The annotation of a field is its check; see `zoo.utils.constraints.check`. Dictionaries become read-only.

    >>> @dataclass(frozen=True)
    ... class Shape(Record):
    ...     depth: int
    ...     width: int = 30
    >>> Shape.from_dict({"depth": 2}).to_dict()
    {'depth': 2, 'width': 30}
    """

    def __post_init__(self) -> None:
        for name, annotation in annotations_of(type(self)).items():
            value = check(f"{self._prefix}{name}", getattr(self, name), annotation)
            object.__setattr__(self, name, MappingProxyType(value) if isinstance(value, dict) else value)

    @property
    def _prefix(self) -> str:
        """Beginning of the error messages."""
        return ""

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as plain values; `from_dict` converts them back."""
        return {name: _to_plain(getattr(self, name)) for name in annotations_of(type(self))}

    @classmethod
    def from_dict(cls, content: Any) -> Self:
        """Makes a record from the values of `to_dict`, also after a round trip through JSON.

        Raises:
            InvalidValue: A field is missing, unknown or invalid.
        """
        fields = dataclasses.fields(cls)
        required = [field.name for field in fields if field.default is field.default_factory is dataclasses.MISSING]
        check_keys(cls.__name__, content, required, allowed=annotations_of(cls))
        return cls(**content)


_get_annotations = functools.cache(functools.partial(get_type_hints, include_extras=True))


def annotations_of(record: Any) -> dict[str, Any]:
    """Returns the annotation of each field of a subclass of `Record`."""
    return _get_annotations(record)


def check_keys(name: str, content: Any, required: Iterable[str], *, allowed: Iterable[str] | None = None) -> None:
    """Checks the keys of a dictionary that was read from a file.

    Args:
        name: Name of what the dictionary describes, for the message.
        content: The dictionary.
        required: Keys that it must have.
        allowed: Keys that it may have. Defaults to None, for any.

    Raises:
        InvalidValue: A key is missing or not allowed, or `content` is not a dictionary.
    """
    if not isinstance(content, Mapping):
        raise InvalidValue(f"{name} must be a dict; got {type(content).__name__}.")
    if allowed is not None and (unknown := sorted(set(content) - set(allowed))):
        raise InvalidValue(f"{name} must have no fields but {', '.join(allowed)}; got {unknown[0]!r}.")
    if missing := [key for key in required if key not in content]:
        raise InvalidValue(f"{name} must have {', '.join(required)}; {missing[0]!r} is missing.")


def _to_plain(value: Any) -> Any:
    if isinstance(value, Record):
        return value.to_dict()
    return dict(value) if isinstance(value, Mapping) else value
