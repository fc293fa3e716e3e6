"""Storage of records on the device until they are read: summaries, or single updates."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import tensorflow as tf


class Reading(NamedTuple):
    """Records that were read from the device.

    Args:
        updates: Numbers of the recorded updates, counted from 1, of shape `(records,)`.
        values: `(records, rows, columns)`; NaN where there was nothing to record.
        rows: Layer and variable of each row; an empty variable for a row of a layer.
        columns: Names of the columns.
    """

    updates: np.ndarray
    values: np.ndarray
    rows: tuple[tuple[str, str], ...]
    columns: tuple[str, ...]


class Store(Protocol):
    """Variables that hold records of a table between two readings."""

    columns: tuple[str, ...]
    variables: list[tf.Variable]

    def add(self, update: tf.Tensor, present: np.ndarray | tf.Tensor, table: tf.Tensor) -> None:
        """Adds the table of one update.

        Args:
            update: Number of the update, counted from 1.
            present: Whether each row has values, of shape `(rows, 1)`.
            table: Values of shape `(rows, names)`.
        """

    def read(self, updates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns those of `updates` that have a record, and the records, `(records, rows, columns)`."""

    def clear(self) -> None:
        """Removes all records."""


class _SummaryStore:
    """A store with one record for all updates between two readings, under the number of the last one."""

    def __init__(self, columns: tuple[str, ...], empty: np.ndarray) -> None:
        self.columns, self._empty = columns, empty
        self._values = create_variable(empty.shape, tf.float64)
        self._values.assign(empty)
        self._count = create_variable((empty.shape[-2], 1), tf.float64)
        self.variables = [self._values, self._count]

    def read(self, updates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        count = self._count.numpy()
        if not len(updates) or not count.any():
            return updates[:0], np.empty((0, len(count), len(self.columns)))
        return updates[-1:], self._summarize(self._values.numpy(), count)[None]

    def clear(self) -> None:
        self._values.assign(self._empty)
        self._count.assign(np.zeros(self._count.shape))

    def _summarize(self, values: np.ndarray, count: np.ndarray) -> np.ndarray:
        raise NotImplementedError


class EpochStore(_SummaryStore):
    """A store of the mean, the minimum and the maximum of each value.

    Args:
        rows: Number of rows of a table.
        names: Names of the values; `columns` has them as they are, with `_min` and with `_max`.
    """

    def __init__(self, rows: int, names: tuple[str, ...]) -> None:
        columns = (*names, *(f"{name}_min" for name in names), *(f"{name}_max" for name in names))
        # One variable for all three, so that one call reads or clears them; this matters in short epochs.
        super().__init__(columns, np.stack([np.full((rows, len(names)), value) for value in (0, np.inf, -np.inf)]))

    def add(self, update: tf.Tensor, present: np.ndarray | tf.Tensor, table: tf.Tensor) -> None:
        """Adds the table of one update, as `Store` says."""
        total, minimum, maximum = tf.unstack(tf.identity(self._values))
        values = tf.stack([total + table, tf.minimum(minimum, table), tf.maximum(maximum, table)])
        self._values.assign(tf.where(present, values, self._values))
        self._count.assign_add(tf.cast(present, tf.float64))

    def _summarize(self, values: np.ndarray, count: np.ndarray) -> np.ndarray:
        total, *bounds = values
        mean = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
        # XLA ignores NaN in a minimum and a maximum.
        return np.concatenate([mean, *(np.where(np.isnan(mean), np.nan, bound) for bound in bounds)], axis=1)


class SumStore(_SummaryStore):
    """A store of the sum of each value.

    Args:
        rows: Number of rows of a table.
        names: Names of the values, and `columns`.
    """

    def __init__(self, rows: int, names: tuple[str, ...]) -> None:
        super().__init__(names, np.zeros((rows, len(names))))

    def add(self, update: tf.Tensor, present: np.ndarray | tf.Tensor, table: tf.Tensor) -> None:
        """Adds the table of one update, as `Store` says."""
        self._values.assign_add(tf.where(present, table, 0.0))
        self._count.assign_add(tf.cast(present, tf.float64))

    def _summarize(self, values: np.ndarray, count: np.ndarray) -> np.ndarray:
        return np.where(count > 0, values, np.nan)


class UpdateStore:
    """A store of the values of single updates, at fixed intervals.

    Args:
        rows: Number of rows of a table.
        names: Names of the values, and `columns`.
        every: Number of updates from one record to the next.
        capacity: Number of records that fit between two readings.
    """

    def __init__(self, rows: int, names: tuple[str, ...], *, every: int, capacity: int) -> None:
        self.columns = names
        self._every, self._capacity = every, capacity
        self._values = create_variable((capacity, rows, len(names)), tf.float64, np.nan)
        self.variables = [self._values]

    def add(self, update: tf.Tensor, present: np.ndarray | tf.Tensor, table: tf.Tensor) -> None:
        """Adds the table of one update, as `Store` says."""
        slot = ((update - 1) // self._every) % self._capacity
        row = tf.where(present, table, tf.constant(np.nan, tf.float64))
        self._values.assign(tf.tensor_scatter_nd_update(self._values, [[slot]], row[None]))

    def read(self, updates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns those of `updates` that have a record, and the records."""
        updates = updates[(updates - 1) % self._every == 0]
        if len(updates) > self._capacity:
            raise RuntimeError(f"At most {self._capacity} records fit between two readings; got {len(updates)}.")
        return updates, self._values.numpy()[((updates - 1) // self._every) % self._capacity]

    def clear(self) -> None:
        """Does nothing: new records overwrite the old ones."""


def create_store(
    rows: int,
    names: tuple[str, ...],
    *,
    every: int | None,
    capacity: int,
    summary: type[EpochStore | SumStore] = EpochStore,
) -> Store:
    """Returns a store for records of single updates, or a summary if `every` is None.

    Args:
        rows: Number of rows of a table.
        names: Names of the values.
        every: Number of updates from one record to the next, or None.
        capacity: Number of records of single updates that fit between two readings.
        summary: Class of the store if `every` is None. Defaults to `EpochStore`.
    """
    if every is None:
        return summary(rows, names)
    return UpdateStore(rows, names, every=every, capacity=capacity)


def create_variable(shape: tuple[int, ...], dtype: tf.DType, value: float = 0) -> tf.Variable:
    """Returns a variable for values that all replicas compute alike; reading it gives those of the first replica."""
    return tf.Variable(
        tf.fill(shape, tf.constant(value, dtype)),
        trainable=False,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )
