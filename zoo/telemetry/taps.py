"""The taps of a training: one for each optimizer that applies gradients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import keras
import numpy as np
import tensorflow as tf

from zoo.errors import InvalidValue
from zoo.telemetry.schedule import Schedule
from zoo.telemetry.stores import Reading
from zoo.telemetry.tap import Tap
from zoo.telemetry.weights import list_applied_optimizers, list_trainable_weights
from zoo.utils.tensorflow_import import require_synchronous, require_tensorflow


class Taps:
    """Statistics of the gradients that the optimizers of a model apply.

    Args:
        schedule: Updates to record.
        model: A model, compiled or not; None for no taps. Defaults to None.
        optimizers: Its optimizers, as `list_optimizers` returns them. Defaults to none.
        steps_per_call: Largest number of steps between two readings. Defaults to 1.
        counts_entries: Whether to count the gradients' entries by size. Defaults to False.
        activations: Whether to record the activations too. Defaults to False.

    Raises:
        InvalidValue: Keras runs on another backend than TensorFlow, or the model has a strategy whose workers do not
            update the weights together.
    """

    def __init__(
        self,
        schedule: Schedule,
        model: keras.Model | None = None,
        optimizers: Sequence[keras.Optimizer] = (),
        *,
        steps_per_call: int = 1,
        counts_entries: bool = False,
        activations: bool = False,
    ) -> None:
        require_tensorflow("GradientRecorder")
        self._model, self._schedule = model, schedule
        self.capacity = 256 + 8 * steps_per_call // (schedule.interval or 1)
        self._taps: list[Tap] = []
        self._recorded: set[tuple[str, str]] = set()  # layers and variables that have had a record
        if model is None:
            return
        require_synchronous(model.distribute_strategy)
        for optimizer in optimizers:
            is_divided = isinstance(optimizer, keras.optimizers.MultiOptimizer)
            if is_divided and not optimizer.built and model.trainable_variables:
                optimizer.build(model.trainable_variables)  # decides which parts it has
        applied = {id(part): (part, outer) for outer in optimizers for part in list_applied_optimizers(outer)}
        with model.distribute_strategy.scope():
            self._taps = [
                Tap(
                    part,
                    lambda: list_trainable_weights(model),
                    every=schedule.interval,
                    capacity=self.capacity,
                    counts_entries=counts_entries,
                    activations=(model, outer) if activations and not number else None,
                )
                for number, (part, outer) in enumerate(applied.values())
            ]

    @contextmanager
    def attached(self, *, due: bool | None = None) -> Iterator[None]:
        """Records the gradients of every step that is traced or run in this block; see `Tap.attached`."""
        with ExitStack() as stack:
            for tap in self._taps:
                stack.enter_context(tap.attached(due=due))
            yield

    def start(self, steps: int | None) -> None:
        """Continues the optimizers' counts of updates.

        Args:
            steps: Number of steps in an epoch, or None if unknown.
        """
        self._recorded.clear()
        entries = sum(int(np.prod(weight.value.shape)) for tap in self._taps for weight in tap.weights)
        for tap in self._taps:
            tap.start(self._schedule.compute_stride(steps, entries))

    def read(self) -> list[dict[str, Reading]]:
        """Returns and removes the records of each tap since the last reading, by kind."""
        readings = [tap.read() for tap in self._taps]
        for each in readings:
            self._recorded.update(_list_recorded(each))
        return readings

    def peek(self) -> list[dict[str, Reading]]:
        """Returns the records of each tap since the last reading, by kind."""
        return [tap.peek() for tap in self._taps]

    @property
    def unread(self) -> int:
        """Largest number of updates of an optimizer since the last reading."""
        return max((len(tap.counter.unread) for tap in self._taps), default=0)

    @property
    def variables(self) -> list[tf.Variable]:
        """All variables that hold records, in the order of the checkpoints."""
        return [variable for tap in self._taps for variable in tap.variables]

    @property
    def interval(self) -> tuple[int, int] | None:
        """Steps from one recorded step to the next, and before the first; None where each step decides.

        With several optimizers or accumulated gradients a step is not an update, and decides itself.
        """
        return self._taps[0].counter.interval if len(self._taps) == 1 else None

    def first_broken(self) -> tuple[int, str, str] | None:
        """Returns the update, layer and variable where a gradient was first NaN or infinite, or None."""
        breaks = [
            (int(update), -number, tap.weights[number])
            for tap in self._taps
            for number, update in enumerate(tap.breaks.read())
            if update
        ]
        if not breaks:
            return None
        update, _, weight = min(breaks, key=lambda key: key[:2])
        return update, weight.layer, weight.variable

    def describe_missing(self) -> list[str]:
        """Returns messages about the weights and activation functions without a record since the start."""
        if self._model is None:
            return []
        weights = {(weight.layer, weight.variable): None for weight in list_trainable_weights(self._model)}
        missing = [f"{layer} ({variable})" for layer, variable in weights if (layer, variable) not in self._recorded]
        messages = []
        if missing and len(missing) == len(weights):
            messages = [
                f"No gradient of {self._model.name} was recorded: none of its optimizers has applied one. Name the "
                "optimizer of a loop of your own in GradientRecorder.recording."
            ]
        elif missing:
            messages = [f"No gradient of these weights of {self._model.name} was applied: {_enumerate(missing)}."]
        layers = [name for tap in self._taps for name in tap.missing_activations]
        if layers and len(missing) < len(weights):
            messages.append(f"No step has called the activation functions of {_enumerate(layers)}.")
        return messages


def check_loop(model: keras.Model, optimizer: keras.Optimizer | Sequence[keras.Optimizer]) -> list[keras.Optimizer]:
    """Returns a list of the optimizers of a training loop, after checking them and the model.

    Raises:
        InvalidValue: `optimizer` has something else in it, or the model is not built.
    """
    optimizers = list(optimizer) if isinstance(optimizer, (list, tuple)) else [optimizer]
    for each in optimizers:
        if not isinstance(each, keras.Optimizer):
            raise InvalidValue(f"optimizer must be a Keras optimizer or a list of them; got {each!r}.")
    if not model.trainable_variables:
        raise InvalidValue(f"model must have trainable weights; {model.name} has none. Call it on a batch first.")
    return optimizers


def _list_recorded(readings: Mapping[str, Reading]) -> list[tuple[str, str]]:
    """Returns the layers and variables that have a record in a reading."""
    reading = readings["gradients"]
    present = ~np.isnan(reading.values[:, :, reading.columns.index("zeros")]).all(axis=0)
    return [row for row, is_present in zip(reading.rows, present, strict=True) if is_present]


def _enumerate(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
