"""Where records lie on the device until they are read: of an epoch, or of single updates."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from zoo.utils.keras_private import make_function_call


class EpochStore:
    """The mean, the smallest and the largest of each number, for each weight.

    Args:
        weights: How many weights there are.
        names: What the numbers are called; `columns` has those, then with `_min`, then with `_max`.
    """

    def __init__(self, weights: int, names: tuple[str, ...]) -> None:
        self.columns = (*names, *(f"{name}_min" for name in names), *(f"{name}_max" for name in names))
        # Together, so that they are read and cleared at once: that is done after every epoch, however short.
        self._empty = np.stack([np.full((weights, len(names)), value) for value in (0, np.inf, -np.inf)])
        self._kept = variable(self._empty.shape, tf.float64)
        self._kept.assign(self._empty)
        self._count = variable((weights, 1), tf.float64)

    def add(self, update: tf.Tensor, present: np.ndarray | tf.Tensor, table: tf.Tensor) -> None:
        """Adds the numbers of one update, `(weights, names)`, where `present`, `(weights, 1)`, is true."""
        total, least, most = tf.unstack(tf.identity(self._kept))
        kept = tf.stack([total + table, tf.minimum(least, table), tf.maximum(most, table)])
        self._kept.assign(tf.where(present, kept, self._kept))
        self._count.assign_add(tf.cast(present, tf.float64))

    def rows(self, updates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the last update and its record, `(1,)` and `(1, weights, columns)`; NaN for none."""
        count = self._count.numpy()
        if not len(updates) or not count.any():
            return updates[:0], np.empty((0, len(count), len(self.columns)))
        total, *bounds = self._kept.numpy()
        mean = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
        # XLA does not count NaN among the smallest and the largest.
        parts = [mean, *(np.where(np.isnan(mean), np.nan, bound) for bound in bounds)]
        return updates[-1:], np.concatenate(parts, axis=1)[None]

    def clear(self) -> None:
        """Forgets all records."""
        self._kept.assign(self._empty)
        self._count.assign(np.zeros(self._count.shape))


class SumStore:
    """The sum of each number over the updates, for each weight; otherwise as an `EpochStore`."""

    def __init__(self, weights: int, names: tuple[str, ...]) -> None:
        self.columns = names
        self._sum, self._count = variable((weights, len(names)), tf.float64), variable((weights, 1), tf.float64)

    def add(self, update: tf.Tensor, present: np.ndarray | tf.Tensor, table: tf.Tensor) -> None:
        """Adds the numbers of one update, `(weights, names)`, where `present`, `(weights, 1)`, is true."""
        self._sum.assign_add(tf.where(present, table, 0.0))
        self._count.assign_add(tf.cast(present, tf.float64))

    def rows(self, updates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the last update and its record, `(1,)` and `(1, weights, columns)`; NaN for none."""
        count = self._count.numpy()
        if not len(updates) or not count.any():
            return updates[:0], np.empty((0, len(count), len(self.columns)))
        return updates[-1:], np.where(count > 0, self._sum.numpy(), np.nan)[None]

    def clear(self) -> None:
        """Forgets all records."""
        self._sum.assign(tf.zeros_like(self._sum))
        self._count.assign(tf.zeros_like(self._count))


class UpdateStore:
    """The numbers of each `every`-th update, for each weight, as many as `capacity`.

    Args:
        weights: How many weights there are.
        names: What the numbers are called; `columns` has the same.
        every: Updates from one record to the next.
        capacity: Records that fit between two readings.
    """

    def __init__(self, weights: int, names: tuple[str, ...], *, every: int, capacity: int) -> None:
        self.columns = names
        self._every, self._capacity = every, capacity
        self._values = variable((capacity, weights, len(names)), tf.float64, np.nan)

    def add(self, update: tf.Tensor, present: np.ndarray | tf.Tensor, table: tf.Tensor) -> None:
        """Keeps the numbers of one update, `(weights, names)`, where `present`, `(weights, 1)`, is true."""
        slot = ((update - 1) // self._every) % self._capacity
        row = tf.where(present, table, tf.constant(np.nan, tf.float64))
        self._values.assign(tf.tensor_scatter_nd_update(self._values, [[slot]], row[None]))

    def rows(self, updates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns those of `updates` that were recorded, and their records, `(records, weights, columns)`."""
        updates = updates[(updates - 1) % self._every == 0]
        if len(updates) > self._capacity:
            raise RuntimeError(f"{len(updates)} gradient records came between two readings; {self._capacity} fit.")
        return updates, self._values.numpy()[((updates - 1) // self._every) % self._capacity]

    def clear(self) -> None:
        """Forgets nothing: old records are written over."""


def store_for(weights: int, names: tuple[str, ...], *, every: int | None, capacity: int) -> EpochStore | UpdateStore:
    """Returns a store for records of each `every`-th update, or of whole epochs where that is None."""
    return EpochStore(weights, names) if every is None else UpdateStore(weights, names, every=every, capacity=capacity)


def variable(shape: tuple[int, ...], dtype: tf.DType, value: float = 0) -> tf.Variable:
    """Returns a variable for what every replica computes alike: the first one's is kept."""
    return tf.Variable(
        tf.fill(shape, tf.constant(value, dtype)),
        trainable=False,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )


def when(condition: tf.Tensor | bool, action: Callable[[], None]) -> None:
    """Does something where a condition holds; it costs next to nothing where it does not."""
    if isinstance(condition, bool):
        if condition:
            action()
        return
    # A branch that is not taken costs time for each of its operations, unless it is one call.
    call = action if tf.executing_eagerly() else make_function_call(action)

    def then() -> tf.Tensor:
        call()
        return tf.constant(0)

    tf.cond(condition, then, lambda: tf.constant(0))


def variables_of(owner: object) -> list[tf.Variable]:
    """Returns the variables that an object holds in its attributes, in the order in which it made them."""
    values = [each for value in vars(owner).values() for each in (value if isinstance(value, list) else [value])]
    return [value for value in values if isinstance(value, tf.Variable)]
