"""Search spaces: a parameter is a `Choice` of values or a `Range` of numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zoo.errors import InvalidValue

if TYPE_CHECKING:
    from keras_tuner import HyperParameters


@dataclass(frozen=True)
class Choice:
    """One of several values of any type.

    Args:
        values: The values. A tuple is one value, as in `Choice([(500,), (500, 250)])`.
        when: Values of other parameters under which this one is used, as in `{"persistent": True}`. Otherwise it is
            omitted and the model uses its default. Defaults to no condition.

    Raises:
        InvalidValue: `values` is empty or has duplicates.

    >>> Choice(["relu", "tanh"])
    Choice(values=('relu', 'tanh'), when={})
    """

    values: tuple[Any, ...]
    when: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        values = tuple(tuple(value) if isinstance(value, list) else value for value in self.values)
        if not values or len({_text(value) for value in values}) < len(values):
            raise InvalidValue(f"The values of a Choice must be distinct and at least one; got {values!r}.")
        object.__setattr__(self, "values", values)

    @property
    def extremes(self) -> tuple[Any, ...]:
        """Values whose legality implies that of all values: every one."""
        return self.values

    @property
    def labels(self) -> list[Any]:
        """The values in the form that KerasTuner accepts: numbers of one type, or strings."""
        types = {type(value) for value in self.values}
        return list(self.values) if types in ({str}, {int}, {float}) else [_text(value) for value in self.values]

    def register(self, hp: HyperParameters, name: str, default: Any) -> Any:
        """Registers the parameter with KerasTuner and returns its value in this trial."""
        labels = self.labels
        initial = labels[self.values.index(default)] if default in self.values else labels[0]
        label = hp.Choice(name, labels, default=initial)
        return None if label is None else self.values[labels.index(label)]


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; integers if both are integers.

    Args:
        low: Smallest value.
        high: Largest value.
        log: Whether to sample uniformly on a logarithmic scale. Defaults to False.
        step: Distance between consecutive values, starting at `low`; with `log`, their ratio. Defaults to None, any
            value.
        when: As in `Choice`.

    Raises:
        InvalidValue: `low` is not below `high`, `low` is not positive with `log`, or `step` is out of range.

    >>> Range(1e-4, 1e-1, log=True).low
    0.0001
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None
    when: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise InvalidValue(f"low must be below high in a Range; got {self.low!r} and {self.high!r}.")
        if self.log and not self.low > 0:
            raise InvalidValue(f"low must be > 0 in a Range on a log scale; got {self.low!r}.")
        if self.step is not None and not self.step > (1 if self.log else 0):
            raise InvalidValue(f"step must be > {1 if self.log else 0}; got {self.step!r}.")
        if self.is_integer and self.step is not None and not isinstance(self.step, int):
            raise InvalidValue(f"step must be an integer in a Range of integers; got {self.step!r}.")

    @property
    def extremes(self) -> tuple[Any, ...]:
        """Values whose legality implies that of all values: both ends."""
        return (self.low, self.high)

    @property
    def is_integer(self) -> bool:
        """Whether its values are integers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def register(self, hp: HyperParameters, name: str, default: Any) -> Any:
        """Registers the parameter with KerasTuner and returns its value in this trial."""
        is_inside = isinstance(default, (int, float)) and self.low <= default <= self.high and not self.step
        return (hp.Int if self.is_integer else hp.Float)(
            name,
            self.low,
            self.high,
            step=self.step,
            sampling="log" if self.log else "linear",
            default=default if is_inside else self.low,
        )


SearchSpace = Mapping[str, Choice | Range]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
