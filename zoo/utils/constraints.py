"""The legal values of an option, said once, as data.

A builder writes `depth: Annotated[int, at_least(1)] = 3`. The check, its message, the table of
`zoo show` and the reading of `--set depth=4` all follow from that annotation.
"""

from __future__ import annotations

import ast
import math
import numbers
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from zoo.errors import InvalidValue, nearest


@dataclass(frozen=True)
class Constraint:
    """A rule on a value that already has the right type.

    Args:
        words: The rule in words, to follow the type's name, as in `">= 1"`.
        accepts: Whether a value of the right type obeys it.
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
    """Accepts numbers from `low` upwards."""
    return Constraint(f">= {low}", lambda value: value >= low)


def between(low: int, high: int) -> Constraint:
    """Accepts numbers from `low` to `high`, both included."""
    return Constraint(f"from {low} to {high}", lambda value: low <= value <= high)


Count = Annotated[int, at_least(1)]
Seed = Annotated[int, Constraint("from 0 to 4294967295", lambda value: 0 <= value < 2**32)]


def check(name: str, value: Any, annotation: Any) -> Any:
    """Returns `value` as the plain Python value that `annotation` asks for.

    Args:
        name: The option's name, for the message.
        value: What was given. NumPy numbers are taken as numbers, lists as tuples, and whole
            numbers as floats; a `bool` is never taken as a number.
        annotation: `bool`, `int`, `float`, `str`, `Literal[...]`, `tuple[int, ...]`, any of them
            inside `Annotated[..., constraint]`, or joined by `|`, also with `None`.

    Returns:
        The value, converted.

    Raises:
        InvalidValue: The value has the wrong type or breaks a constraint.

    >>> from typing import Annotated
    >>> check("depth", 2, int)
    2
    >>> check("depth", 0, Annotated[int, at_least(1)])
    Traceback (most recent call last):
    zoo.errors.InvalidValue: depth must be an integer >= 1; got 0.
    """
    for alternative in _alternatives(annotation):
        kind, constraints = _split(alternative)
        converted = _convert(value, kind)
        if converted is not _WRONG and all(c.accepts(converted) for c in constraints):
            return converted
    near = nearest(value, [c for a in _alternatives(annotation) for c in get_args(_split(a)[0]) if isinstance(c, str)])
    hint = f" Did you mean {near!r}?" if near else ""
    raise InvalidValue(f"{name} must be {describe(annotation)}; got {value!r}.{hint}")


def check_all(annotation: Any, **values: Any) -> dict[str, Any]:
    """Returns values by their names, each as `check` does.

    >>> check_all(Count, depth=2, width=0)
    Traceback (most recent call last):
    zoo.errors.InvalidValue: width must be an integer >= 1; got 0.
    """
    return {name: check(name, value, annotation) for name, value in values.items()}


def parse(name: str, text: str, annotation: Any) -> Any:
    """Reads an option's value from the command line, as in `--set depth=4`.

    >>> parse("shape", "8,8,1", tuple[int, ...])
    (8, 8, 1)
    """
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = {"true": True, "false": False, "none": None}.get(text.lower(), text)
    return check(name, value, annotation)


def describe(annotation: Any) -> str:
    """Says in words which values `annotation` allows.

    >>> from typing import Annotated
    >>> describe(Annotated[float, probability] | None)
    'a number > 0 and <= 1 or None'
    """
    words = []
    for alternative in _alternatives(annotation):
        kind, constraints = _split(alternative)
        rules = " and ".join(c.words for c in constraints)
        words.append(f"{_WORDS.get(kind) or _describe_choice(kind)} {rules}".strip())
    return " or ".join(words)


_WRONG = object()
_WORDS = {
    bool: "a bool",
    int: "an integer",
    float: "a number",
    str: "a string",
    tuple[int, ...]: "positive integers such as (28, 28, 1)",
    type(None): "None",
}


def _describe_choice(kind: Any) -> str:
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


def _convert(value: Any, kind: Any) -> Any:
    if get_origin(kind) is Literal:
        return value if isinstance(value, str) and value in get_args(kind) else _WRONG
    if kind == tuple[int, ...]:
        if not isinstance(value, (list, tuple)) or not value:
            return _WRONG
        items = tuple(_convert(item, int) for item in value)
        return items if all(item is not _WRONG and item >= 1 for item in items) else _WRONG
    if kind in (bool, str, type(None)):
        return value if isinstance(value, kind) else _WRONG
    if isinstance(value, bool):
        return _WRONG
    if kind is int and isinstance(value, numbers.Integral):
        return int(value)
    if kind is float and isinstance(value, numbers.Real) and math.isfinite(value):
        return float(value)
    return _WRONG
