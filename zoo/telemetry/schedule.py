"""When to record: the schedule that a user asks for, and the updates of an optimizer that are due by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import keras
import numpy as np
import tensorflow as tf

from zoo.telemetry.stores import create_variable
from zoo.utils.constraints import at_least, check
from zoo.utils.keras_private import make_function_call

Every = Annotated[int, at_least(1)] | Literal["epoch"]
Samples = Annotated[int, at_least(1)] | Literal["auto"] | None


@dataclass(frozen=True)
class Schedule:
    """Updates that are recorded.

    Args:
        every: `"epoch"` for one record per epoch, or the number of updates from one record to the next.
        samples: Largest number of updates that are measured in an epoch; `"auto"` chooses by the size of the
            model, None measures all.
    """

    every: int | Literal["epoch"]
    samples: int | Literal["auto"] | None

    def __post_init__(self) -> None:
        check("every", self.every, Every)
        check("samples", self.samples, Samples)

    @property
    def interval(self) -> int | None:
        """Updates from one record to the next; None for one record per epoch."""
        return None if self.every == "epoch" else self.every

    def compute_stride(self, steps: int | None, entries: int) -> int:
        """Returns the number of steps of which one is measured, where epochs are summarized.

        Args:
            steps: Number of steps in an epoch, or None if unknown.
            entries: Number of entries of all gradients.
        """
        if self.samples is None or not steps:
            return 1
        affordable = min(100, max(5, 500_000 // max(1, entries)))
        return -(-steps // (affordable if self.samples == "auto" else self.samples))


class UpdateCounter:
    """Counter of the updates of one optimizer, on the device, that knows which of them are due.

    Args:
        optimizer: The optimizer.
        every: Number of updates from one record to the next; None to summarize all between two readings.
    """

    def __init__(self, optimizer: keras.Optimizer, every: int | None) -> None:
        self._optimizer, self.every = optimizer, every
        self.updates = create_variable((), tf.int64)
        self.stride = create_variable((), tf.int64, every or 1)
        self.due: bool | None = None  # set by a loop that traces recorded steps separately
        self.last_read = 0

    def start(self, stride: int) -> None:
        """Continues the optimizer's own count.

        Args:
            stride: Number of steps of which one is measured, where `every` is None.
        """
        accumulated = self._optimizer.gradient_accumulation_steps or 1
        self.last_read = int(self._optimizer.iterations.numpy())  # counts updates also under accumulation
        self.updates.assign(self.last_read)
        self.stride.assign(self.every or -(-stride // accumulated))

    def is_due(self, update: tf.Tensor) -> tf.Tensor | bool:
        """Returns whether an update is to be recorded."""
        return (update - 1) % self.stride == 0 if self.due is None else self.due

    @property
    def unread(self) -> np.ndarray:
        """Numbers of the updates since the last reading."""
        return np.arange(self.last_read + 1, int(self.updates.numpy()) + 1)

    @property
    def interval(self) -> tuple[int, int] | None:
        """Updates from one record to the next, and before the first; None where a step is not an update."""
        if self._optimizer.gradient_accumulation_steps:
            return None
        stride = int(self.stride.numpy())
        return stride, -int(self.updates.numpy()) % stride


def run_if(condition: tf.Tensor | bool, action: Callable[[], None]) -> None:
    """Runs an action on a condition; costs next to nothing where the condition is false."""
    if isinstance(condition, bool):
        if condition:
            action()
        return
    call = action if tf.executing_eagerly() else make_function_call(action)

    def run() -> tf.Tensor:
        call()
        return tf.constant(0)

    tf.cond(condition, run, lambda: tf.constant(0))
