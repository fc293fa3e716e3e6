"""Legal values of an option, declared once, as data.

A builder declares `depth: Annotated[int, at_least(1)] = 3`. The check, its message, the table of `zoo show` and the
parsing of `--set depth=4` follow from that annotation.
"""

from __future__ import annotations

import ast
import math
import numbers
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from zoo.errors import InvalidValue, nearest


@dataclass(frozen=True)
class Constraint:
    """A rule for a value of the right type.

    Args:
        words: The rule in words that follow the name of the type, as in `">= 1"`.
        accepts: Function that returns whether a value of the right type obeys the rule.
    """

    words: str
    accepts: Callable[[Any], bool]


positive = Constraint("> 0", lambda value: value > 0)
below_one = Constraint("< 1", lambda value: value < 1)
non_negative = Constraint(">= 0", lambda value: value >= 0)
probability = Constraint("> 0 and <= 1", lambda value: 0 < value <= 1)
open_probability = Constraint("> 0 and < 1", lambda value: 0 < value < 1)
share = Constraint("from 0 to 1", lambda value: 0 <= value <= 1)
odd = Constraint("odd", lambda value: value % 2 == 1)


def at_least(low: int) -> Constraint:
    """Returns the constraint that a number is `low` or greater."""
    return Constraint(f">= {low}", lambda value: value >= low)


def between(low: int, high: int) -> Constraint:
    """Returns the constraint that a number is from `low` to `high`, both included."""
    return Constraint(f"from {low} to {high}", lambda value: low <= value <= high)


Count = Annotated[int, at_least(1)]
Seed = Annotated[int, between(0, 2**32 - 1)]


def check(name: str, value: Any, annotation: Any) -> Any:
    """Checks a value and returns it as a plain Python value.

    NumPy numbers are accepted as numbers, lists as tuples and integers as floats. A `bool` is not a number.

    Args:
        name: Name of the option, for the message.
        value: The value.
        annotation: `bool`, `int`, `float`, `str`, `Any`, `Literal[...]`, `tuple[int, ...]` or a class with a method
            `from_dict`; any of them in `Annotated[..., constraint]`, or joined by `|`, also with `None`; or a
            `Mapping` or `Sequence` of them.

    Raises:
        InvalidValue: The value has the wrong type or breaks a constraint.

    >>> from typing import Annotated
    >>> check("depth", 2, int)
    2
    >>> check("depth", 0, Annotated[int, at_least(1)])
    Traceback (most recent call last):
    zoo.errors.InvalidValue: depth must be an integer >= 1; got 0.
    """
    if get_origin(annotation) is Sequence:
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise InvalidValue(f"{name} must be a list; got {value!r}.")
        return tuple(check(name, item, *get_args(annotation)) for item in value)
    if get_origin(annotation) is Mapping:
        return _check_mapping(name, value, *get_args(annotation))
    for alternative in _alternatives(annotation):
        kind, constraints = _split(alternative)
        converted = _convert(value, kind)
        if converted is not _INVALID and all(c.accepts(converted) for c in constraints):
            return converted
    near = nearest(value, [c for a in _alternatives(annotation) for c in get_args(_split(a)[0]) if isinstance(c, str)])
    hint = f" Did you mean {near!r}?" if near else ""
    raise InvalidValue(f"{name} must be {describe(annotation)}; got {value!r}.{hint}")


def parse(name: str, text: str, annotation: Any) -> Any:
    """Parses the value of an option on the command line, as in `--set depth=4`.

    >>> parse("shape", "8,8,1", tuple[int, ...])
    (8, 8, 1)
    """
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = {"true": True, "false": False, "none": None}.get(text.lower(), text)
    return check(name, value, annotation)


def describe(annotation: Any) -> str:
    """Returns in words which values `annotation` allows.

    >>> from typing import Annotated
    >>> describe(Annotated[float, probability] | None)
    'a number > 0 and <= 1 or None'
    """
    words = []
    for alternative in _alternatives(annotation):
        kind, constraints = _split(alternative)
        rules = " and ".join(c.words for c in constraints)
        words.append(f"{_WORDS[kind] if kind in _WORDS else _describe_choice(kind)} {rules}".strip())
    return " or ".join(words)


_INVALID = object()
_WORDS = {
    bool: "a bool",
    int: "an integer",
    float: "a number",
    str: "a string",
    tuple[int, ...]: "positive integers such as (28, 28, 1)",
    type(None): "None",
    Any: "",
}


def _describe_choice(kind: Any) -> str:
    if isinstance(kind, type):
        return f"a {kind.__name__}"
    values = [repr(value) for value in get_args(kind)]
    return values[0] if len(values) == 1 else "one of " + ", ".join(values)


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in (Union, types.UnionType):
        return get_args(annotation)
    return (annotation,)


def _split(annotation: Any) -> tuple[Any, tuple[Constraint, ...]]:
    metadata = getattr(annotation, "__metadata__", ())
    kind = annotation.__origin__ if metadata else annotation
    return kind, tuple(m for m in metadata if isinstance(m, Constraint))


def _check_mapping(name: str, value: Any, keys: Any, values: Any) -> dict[Any, Any]:
    if not isinstance(value, Mapping):
        raise InvalidValue(f"{name} must be a dict; got {type(value).__name__}.")
    checked = {}
    for key, item in value.items():
        if _split(keys)[0] is int and str(key).isdecimal():
            key = int(key)  # JSON has no other keys than strings
        checked[check(f"{name}: key", key, keys)] = check(f"{name}[{key!r}]", item, values)
    return checked


def _convert(value: Any, kind: Any) -> Any:
    if kind is Any:
        return tuple(value) if isinstance(value, list) else value
    if get_origin(kind) is Literal:
        return value if isinstance(value, str) and value in get_args(kind) else _INVALID
    if kind == tuple[int, ...]:
        if not isinstance(value, (list, tuple)) or not value:
            return _INVALID
        items = tuple(_convert(item, int) for item in value)
        return items if all(item is not _INVALID and item >= 1 for item in items) else _INVALID
    if hasattr(kind, "from_dict") and isinstance(value, Mapping):
        return kind.from_dict(value)
    if kind not in (int, float):
        return value if isinstance(value, kind) else _INVALID
    if isinstance(value, bool):
        return _INVALID
    if kind is int and isinstance(value, numbers.Integral):
        return int(value)
    if kind is float and isinstance(value, numbers.Real) and math.isfinite(value):
        return float(value)
    return _INVALID
