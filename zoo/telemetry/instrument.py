"""Interfaces of callbacks that record inside the compiled steps of a training loop, or between them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

import keras
import tensorflow as tf


@runtime_checkable
class Instrument(Protocol):
    """A callback that records inside the compiled steps of a training loop, as `GradientRecorder` does."""

    def begin(self, model: keras.Model, *, steps: int, steps_per_call: int = 1) -> None:
        """Prepares the instrument before the steps are traced.

        Args:
            model: A compiled model with all its variables.
            steps: Number of steps in an epoch.
            steps_per_call: Largest number of steps between two calls of `on_train_batch_begin`. Defaults to 1.
        """

    def attached(self, *, due: bool | None = None) -> AbstractContextManager[None]:
        """Records the steps that are traced or run in this block.

        Args:
            due: Whether these steps are recorded. None lets each step decide as it runs. Defaults to None.
        """

    @property
    def variables(self) -> list[tf.Variable]:
        """Variables that hold what has not been read yet, for a checkpoint within an epoch."""

    @property
    def interval(self) -> tuple[int, int] | None:
        """Steps from one recorded step to the next, and before the first; None where each step decides."""


@runtime_checkable
class Probe(Protocol):
    """A callback that acts between steps, as `GradientProbe` does."""

    @property
    def steps_between_stops(self) -> int | None:
        """Steps after which a call ends, so that `on_train_batch_begin` is called; None for no such stops."""
