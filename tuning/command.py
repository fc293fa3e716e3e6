"""What `zoo tune` is told, read."""

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
    """Returns a model's space as the command line narrows or widens it.

    Args:
        name: The model's name.
        recipe: A recipe's name, or None for the default.
        fixed: As in `"depth=4"`.
        ranges: As in `"width=16:256:log"`.
        choices: As in `"activation=relu:tanh"`.
        without: Names of parameters.

    Raises:
        InvalidValue: One of them cannot be read, or is out of range.
        UnknownName: There is no such parameter.

    >>> parse_space("deep_mlp", None, ranges=["width=20:50"])["width"]
    Range(low=20, high=50, log=False, step=None, when={})
    """
    found = space(name, recipe=recipe).without(*without)
    for text in fixed:
        parameter, value = _split("set", text, "depth=4")
        found = found.with_({parameter: parse(parameter, value, found.annotation(parameter))})
    for text in ranges:
        parameter, value = _split("range", text, "width=16:256:log")
        low, _, rest = value.partition(":")
        high, _, scale = rest.partition(":")
        try:
            low_, high_ = (int(each) if each.lstrip("-").isdigit() else float(each) for each in (low, high))
        except ValueError:
            raise InvalidValue(
                f"--range takes PARAMETER=LOW:HIGH[:log], as in width=16:256:log; got {text!r}."
            ) from None
        if scale not in ("", "log"):
            raise InvalidValue(f"--range takes :log after its two numbers, or nothing; got {text!r}.")
        found = found.with_({parameter: Range(low_, high_, log=scale == "log")})
    for text in choices:
        parameter, value = _split("choice", text, "activation=relu:tanh")
        annotation = found.annotation(parameter)
        found = found.with_({parameter: Choice(tuple(parse(parameter, each, annotation) for each in value.split(":")))})
    return found


def parse_objective(text: str | None) -> str | tuple[str, str] | None:
    """Reads an objective, as in `"val_loss"` or `"max:score"`.

    >>> parse_objective("max:score")
    ('score', 'max')
    """
    if text is None or ":" not in text:
        return text
    direction, _, name = text.partition(":")
    return name, direction


def _split(option: str, text: str, example: str) -> tuple[Any, Any]:
    parameter, equals, value = text.partition("=")
    if not equals:
        raise InvalidValue(f"--{option} takes PARAMETER=..., as in --{option} {example}; got {text!r}.")
    return parameter, value
