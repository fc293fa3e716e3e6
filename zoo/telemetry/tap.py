"""Where the gradient is read: inside the compiled step, as the optimiser receives it.

Every Keras optimiser on the TensorFlow backend passes its gradients, added up over the replicas,
through one private method, `_all_reduce_sum_gradients`. No public place has them: `train_step` sees
them before the replicas are added up, and a callback not at all. This file is the only one that
knows of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from zoo.telemetry.layout import Weight
from zoo.telemetry.statistics import STATISTICS, magnitude

SEAM = "_all_reduce_sum_gradients"


class Reading(NamedTuple):
    """What a tap held when it was read.

    Args:
        steps: The updates that were recorded, counted from 1, `(records,)`.
        values: Their statistics, `(records, weights, statistics)`; NaN rows where a weight had no
            gradient are marked in `present`.
        present: Which weights had a gradient, `(weights,)`.
    """

    steps: np.ndarray
    values: np.ndarray
    present: np.ndarray


class Tap:
    """Statistics of the gradients that pass through one optimiser, kept on the device.

    Args:
        optimizer: The optimiser; one that scales the loss is followed to the one inside it, whose
            gradients are unscaled.
        list_weights: Lists the weights to be told apart. It is asked again when a weight comes that
            it did not list, as in the first step of a model that was not built before.
        every: Record each so many updates, or None to average over all between two readings.
        capacity: How many records are kept until they are read, when `every` is a number.
    """

    def __init__(
        self,
        optimizer: keras.Optimizer,
        list_weights: Callable[[], Sequence[Weight]],
        *,
        every: int | None,
        capacity: int,
    ) -> None:
        while isinstance(inner := getattr(optimizer, "inner_optimizer", None), keras.Optimizer):
            optimizer = inner
        if not callable(getattr(optimizer, SEAM, None)):
            raise RuntimeError(
                f"Gradients cannot be recorded with Keras {keras.__version__} on the {keras.backend.backend()} "
                f"backend: its optimisers have no {SEAM}. Keras 3.15 on TensorFlow is known to work."
            )
        self._optimizer = optimizer
        self._list_weights = list_weights
        self._every = every
        self._capacity = capacity
        self._read_until = 0
        self._updates = _variable((), tf.int64)
        self._make_room(list_weights())

    def _make_room(self, weights: Sequence[Weight]) -> None:
        self.weights = weights
        self._index = {id(weight.value.value): number for number, weight in enumerate(weights)}
        self._values = _variable((self._capacity if self._every else 1, len(weights), len(STATISTICS)), tf.float64)
        self._counts = _variable((len(weights),), tf.int64)
        self._broken = _variable((len(weights),), tf.int64)

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Lets the gradients of every step that is traced or run in this block pass through the tap."""
        state = vars(self._optimizer)
        below = getattr(self._optimizer, SEAM)
        replaced = state.get(SEAM)
        state[SEAM] = lambda grads_and_vars: self._observe(below(grads_and_vars))
        try:
            yield
        finally:
            if replaced is None:
                del state[SEAM]
            else:
                state[SEAM] = replaced

    def start(self) -> None:
        """Counts on from the updates that the optimiser has made."""
        batches = int(self._optimizer.iterations.numpy())
        self._read_until = batches // (self._optimizer.gradient_accumulation_steps or 1)
        self._updates.assign(self._read_until)

    def read(self) -> Reading:
        """Waits for the device, returns what came since the last reading, and starts anew."""
        reading = self.peek()
        self._read_until = int(self._updates.numpy())
        for variable in (self._values, self._counts):
            variable.assign(tf.zeros_like(variable))
        return reading

    def peek(self) -> Reading:
        """Returns what came since the last reading, and leaves it there."""
        last = int(self._updates.numpy())
        counts, values = self._counts.numpy(), self._values.numpy()
        if self._every is None:
            steps = np.array([last] if last > self._read_until else [], np.int64)
            return Reading(steps, values[: len(steps)] / np.maximum(counts, 1)[:, None], counts > 0)
        steps = np.arange(self._read_until + 1, last + 1)
        steps = steps[(steps - 1) % self._every == 0]
        if len(steps) > self._capacity:
            raise RuntimeError(f"{len(steps)} gradient records came between two readings; {self._capacity} fit.")
        return Reading(steps, values[((steps - 1) // self._every) % self._capacity], counts > 0)

    @property
    def unread(self) -> int:
        """How many updates passed through the tap since it was last read."""
        return int(self._updates.numpy()) - self._read_until

    @property
    def broken(self) -> np.ndarray:
        """The update at which each weight's gradient was first NaN or infinite, 0 for never."""
        return self._broken.numpy()

    def _observe(self, grads_and_vars: Sequence[tuple[Any, Any]]) -> Sequence[tuple[Any, Any]]:
        if any(g is not None and id(v) not in self._index for g, v in grads_and_vars):
            weights = self._list_weights()
            if len(weights) > len(self.weights):
                with tf.init_scope():
                    self._make_room(weights)
        present = [(self._index[id(v)], g) for g, v in grads_and_vars if g is not None and id(v) in self._index]
        if not present:
            return grads_and_vars
        rows = tf.constant([[number] for number, _ in present], tf.int64)
        height = len(self.weights)
        self._updates.assign_add(1)
        update = tf.identity(self._updates)

        def record() -> None:
            measured = tf.stack([magnitude(gradient) for _, gradient in present])
            table = tf.scatter_nd(rows, measured, (height, len(STATISTICS)))
            self._counts.assign_add(tf.scatter_nd(rows, tf.ones(len(present), tf.int64), (height,)))
            first = ~tf.math.is_finite(table[:, 0]) & (self._broken == 0)
            self._broken.assign_add(tf.where(first, update, 0))
            if self._every is None:
                self._values.assign_add(table[None])
            else:
                slot = ((update - 1) // self._every) % self._capacity
                self._values.assign(tf.tensor_scatter_nd_update(self._values, [[slot]], table[None]))

        _when(None if self._every in (None, 1) else (update - 1) % self._every == 0, record)
        return grads_and_vars


def _when(condition: tf.Tensor | None, action: Callable[[], None]) -> None:
    if condition is None:
        action()
        return

    def then() -> tf.Tensor:
        action()
        return tf.constant(0)

    tf.cond(condition, then, lambda: tf.constant(0))


def _variable(shape: tuple[int, ...], dtype: tf.DType) -> tf.Variable:
    # The replicas see the same gradients once these are added up: the first one's record is kept.
    return tf.Variable(
        tf.zeros(shape, dtype),
        trainable=False,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )
