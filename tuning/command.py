"""The options of `zoo tune` as a search space and an objective."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.errors import InvalidValue
from zoo.tuning.spaces import Choice, Range, Space, space
from zoo.utils.constraints import parse


def parse_space(
    name: str,
    recipe: str | None,
    *,
    fixed: Sequence[str] = (),
    ranges: Sequence[str] = (),
    choices: Sequence[str] = (),
    without: Sequence[str] = (),
) -> Space:
    """Returns a model's search space with the changes of the command line.

    Args:
        name: Model name.
        recipe: Recipe name, or None for the default.
        fixed: Fixed values, as in `"depth=4"`. Defaults to none.
        ranges: Ranges, as in `"width=16:256:log"`. Defaults to none.
        choices: Choices, as in `"activation=relu:tanh"`. Defaults to none.
        without: Names of parameters to remove. Defaults to none.

    Raises:
        InvalidValue: An option cannot be parsed, or a value is out of range.
        UnknownName: Unknown parameter.

    >>> parse_space("deep_mlp", None, ranges=["width=20:50"])["width"]
    Range(low=20, high=50, log=False, step=None, when={})
    """
    result = space(name, recipe=recipe).without(*without)
    for text in fixed:
        parameter, value = _split("set", text, "depth=4")
        result = result.with_({parameter: parse(parameter, value, result.annotation(parameter))})
    for text in ranges:
        parameter, value = _split("range", text, "width=16:256:log")
        result = result.with_({parameter: _parse_range(text, value)})
    for text in choices:
        parameter, value = _split("choice", text, "activation=relu:tanh")
        annotation = result.annotation(parameter)
        values = tuple(parse(parameter, part, annotation) for part in value.split(":"))
        result = result.with_({parameter: Choice(values)})
    return result


def parse_objective(text: str | None) -> str | tuple[str, str] | None:
    """Parses an objective, as in `"val_loss"` or `"max:score"`.

    >>> parse_objective("max:score")
    ('score', 'max')
    """
    if text is None or ":" not in text:
        return text
    direction, _, name = text.partition(":")
    return name, direction


def _parse_range(text: str, value: str) -> Range:
    low, _, rest = value.partition(":")
    high, _, scale = rest.partition(":")
    try:
        first, last = (int(end) if end.lstrip("-").isdigit() else float(end) for end in (low, high))
    except ValueError:
        raise InvalidValue(f"--range takes PARAMETER=LOW:HIGH[:log], as in width=16:256:log; got {text!r}.") from None
    if scale not in ("", "log"):
        raise InvalidValue(f"--range takes :log after its two numbers, or nothing; got {text!r}.")
    return Range(first, last, log=scale == "log")


def _split(option: str, text: str, example: str) -> tuple[Any, Any]:
    parameter, equals, value = text.partition("=")
    if not equals:
        raise InvalidValue(f"--{option} takes PARAMETER=..., as in --{option} {example}; got {text!r}.")
    return parameter, value
