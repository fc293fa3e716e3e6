"""Where the gradient is read: inside the compiled step, as the optimiser receives it.

Every Keras optimiser on the TensorFlow backend clips its gradients in one private method and adds
them up over the replicas in another; see `zoo.utils.keras_private.wrap_gradient_methods`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from zoo.telemetry import histograms
from zoo.telemetry.activations import ActivationTap
from zoo.telemetry.statistics import STATISTICS, distance, measure
from zoo.telemetry.stores import SumStore, UpdateStore, store_for, variable, variables_of, when
from zoo.telemetry.weights import Weight
from zoo.utils.keras_private import check_gradient_methods, wrap_gradient_methods

CLIPPED = ("l2_unclipped", "clipped")
UPDATE = ("update_ratio",)


class Records(NamedTuple):
    """What a tap has recorded: updates, counted from 1, and their numbers; NaN throughout for what was absent.

    Args:
        updates: `(records,)`.
        gradients: `(records, weights, columns)`.
        histograms: `(records, weights, bins)`, or None.
        activations: The updates and `(records, layers, columns)` of the layers, or None.
    """

    updates: np.ndarray
    gradients: np.ndarray
    histograms: np.ndarray | None = None
    activations: tuple[np.ndarray, np.ndarray] | None = None


class Tap:
    """Statistics of the gradients that pass through one optimiser, kept on the device.

    Args:
        optimizer: The optimiser; one that scales the loss is followed to the one inside it, whose
            gradients are unscaled.
        list_weights: Lists the weights to be told apart. It is asked again when a weight comes that
            it did not list, as in the first step of a model that was not built before.
        every: Record each so many updates, or None to summarise those between two readings.
        capacity: How many records are kept until they are read, when `every` is a number.
        histograms: Whether to count the gradients' entries by size.
        watch: The model whose activations are recorded with the gradients, or None.
    """

    def __init__(
        self,
        optimizer: keras.Optimizer,
        list_weights: Callable[[], Sequence[Weight]],
        *,
        every: int | None,
        capacity: int,
        histograms: bool = False,
        watch: keras.Model | None = None,
    ) -> None:
        outer, optimizer = optimizer, innermost(optimizer)
        check_gradient_methods(optimizer)
        self._optimizer = optimizer
        # Keras clips each replica's own gradient: what was clipped is one number on one device alone.
        alone = tf.distribute.get_strategy().num_replicas_in_sync == 1
        self._clips = alone and any(getattr(optimizer, name) for name in ("clipnorm", "clipvalue", "global_clipnorm"))
        self._list_weights = list_weights
        self._every = every
        self._capacity = capacity
        self._counts_entries = histograms
        self._clipped: list[tuple[Any, Any]] = []
        self._due: bool | None = None
        self._read_until = 0
        self._updates = variable((), tf.int64)
        self._stride = variable((), tf.int64, every or 1)
        self._pending = variable((), tf.int64)
        self._make_room(list_weights())
        self.activations = (
            None
            if watch is None
            else ActivationTap(
                watch, outer, every=every, capacity=capacity, is_due=lambda: self._is_due(self._updates + 1)
            )
        )

    def _make_room(self, weights: Sequence[Weight]) -> None:
        self.weights = weights
        self._index = {id(weight.value.value): number for number, weight in enumerate(weights)}
        self._gradients, self._changes = (
            store_for(len(weights), names, every=self._every, capacity=self._capacity)
            for names in ((*STATISTICS, *(CLIPPED if self._clips else ())), UPDATE)
        )
        self._counts = None
        if self._counts_entries:
            self._counts = (
                SumStore(len(weights), histograms.BINS)
                if self._every is None
                else UpdateStore(len(weights), histograms.BINS, every=self._every, capacity=self._capacity)
            )
        self._before = [variable(tuple(weight.value.shape), weight.value.value.dtype) for weight in weights]
        self._broken = variable((len(weights),), tf.int64)
        # In a loop that tells steps apart: the updates at which a layer's last gradient was finite, from the first on.
        self._healthy = variable((len({weight.layer for weight in weights}),), tf.int64)
        self._counts_healthy = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the numbers in a record."""
        return (*self._gradients.columns, *self._changes.columns)

    @property
    def variables(self) -> list[tf.Variable]:
        """All variables that records are kept in."""
        stores = [store for store in (self._gradients, self._changes, self._counts) if store]
        others = self.activations.variables if self.activations else []
        return [*variables_of(self), *(each for store in stores for each in variables_of(store)), *others]

    @contextmanager
    def attached(self, *, due: bool | None = None) -> Iterator[None]:
        """Lets the gradients of every step that is traced or run in this block pass through the tap.

        Args:
            due: Whether these steps are to be recorded; None lets each step decide when it runs. Where it
                is given, there is one step to the block.
        """
        self._due = due

        def wrap_clip(clip: Callable[..., Any]) -> Callable[..., Any]:
            def keep_and_clip(gradients: Sequence[Any]) -> Any:
                self._keep_weights()
                clipped = clip(gradients)
                self._clipped = list(zip(gradients, clipped, strict=True))
                return clipped

            return keep_and_clip

        def wrap_reduce(reduce: Callable[..., Any]) -> Callable[..., Any]:
            return lambda grads_and_vars: self._observe(reduce(grads_and_vars))

        try:
            with ExitStack() as stack:
                stack.enter_context(wrap_gradient_methods(self._optimizer, wrap_clip, wrap_reduce))
                if self.activations:
                    stack.enter_context(self.activations.attached())
                yield
                if due:
                    self._measure_change(tf.identity(self._updates))
        finally:
            self._clipped, self._due = [], None

    def start(self, updates_per_record: int) -> None:
        """Counts on from the updates that the optimiser has made.

        Args:
            updates_per_record: Of how many batches one is measured, where epochs are summarised.
        """
        accumulated = self._optimizer.gradient_accumulation_steps or 1
        self._read_until = int(self._optimizer.iterations.numpy())  # of updates, also where gradients are accumulated
        self._updates.assign(self._read_until)
        self._healthy.assign(tf.fill(self._healthy.shape, tf.constant(self._read_until, tf.int64)))
        self._stride.assign(self._every or -(-updates_per_record // accumulated))

    def read(self) -> Records:
        """Waits for the device, returns what came since the last reading, and starts anew."""
        records = self.peek()
        self._read_until = int(self._updates.numpy())
        for store in (self._gradients, self._changes, self._counts, self.activations):
            if store:
                store.clear()
        return records

    def peek(self) -> Records:
        """Returns what came since the last reading, as `read` does, and leaves it there."""
        if pending := int(self._pending.numpy()):
            self._measure_change(tf.constant(pending, tf.int64))
            self._pending.assign(0)
        updates = np.arange(self._read_until + 1, int(self._updates.numpy()) + 1)
        steps, gradients = self._gradients.rows(updates)
        _, changes = self._changes.rows(updates)
        return Records(
            steps,
            np.concatenate([gradients, changes], axis=2),
            self._counts.rows(updates)[1] if self._counts else None,
            self.activations.rows(updates) if self.activations else None,
        )

    @property
    def interval(self) -> tuple[int, int] | None:
        """Updates from one record to the next, and before the first that comes; None where a step is none."""
        if self._optimizer.gradient_accumulation_steps:
            return None
        stride = int(self._stride.numpy())
        return stride, -int(self._updates.numpy()) % stride

    @property
    def unread(self) -> int:
        """How many updates passed through the tap since it was last read."""
        return int(self._updates.numpy()) - self._read_until

    @property
    def broken(self) -> np.ndarray:
        """The update at which each weight's gradient was first NaN or infinite, 0 for never."""
        broken = self._broken.numpy()
        if self._counts_healthy:
            last_of_layer = {weight.layer: number for number, weight in enumerate(self.weights)}
            for number, healthy in zip(last_of_layer.values(), self._healthy.numpy(), strict=True):
                if healthy < int(self._updates.numpy()):
                    broken[number] = min(healthy + 1, broken[number] or healthy + 1)
        return broken

    def _keep_weights(self) -> None:
        # Weight decay comes between the clipping and the seam: what an update changes is counted from here.
        weights = self._list_weights()
        if len(weights) > len(self.weights):
            with tf.init_scope():
                self._make_room(weights)

        def keep() -> None:
            for before, weight in zip(self._before, self.weights, strict=True):
                before.assign(tf.identity(weight.value.value))

        if self._due is not None:
            when(self._due, keep)
            return
        update = self._updates + 1
        is_due = self._is_due(update)

        def measure_and_keep() -> None:
            when(self._pending > 0, lambda: self._measure_change(tf.identity(self._pending)))
            when(is_due, keep)
            self._pending.assign(tf.where(is_due, update, 0))

        when(is_due | (self._pending > 0), measure_and_keep)

    def _observe(self, grads_and_vars: Sequence[tuple[Any, Any]]) -> Sequence[tuple[Any, Any]]:
        clipped = self._clipped if self._clips else [(None, None)] * len(grads_and_vars)
        present = {
            self._index[id(v)]: (gradient, *around)
            for (gradient, v), around in zip(grads_and_vars, clipped, strict=True)
            if gradient is not None and id(v) in self._index
        }
        if not present:
            return grads_and_vars
        self._updates.assign_add(1)
        update = tf.identity(self._updates)
        is_due = self._is_due(update)
        if self._every is None:
            healthy = tf.math.is_finite(self._canaries(present))
            if self._due is None:
                is_due = is_due | ~tf.reduce_all(healthy)
            else:
                self._counts_healthy = True
                self._healthy.assign_add(tf.cast(healthy, tf.int64))
        when(is_due, lambda: self._record(update, present))
        if activations := self.activations:
            when(self._is_due(update), lambda: activations.record(update))
        return grads_and_vars

    def _is_due(self, update: tf.Tensor) -> tf.Tensor | bool:
        return (update - 1) % self._stride == 0 if self._due is None else self._due

    def _canaries(self, present: dict[int, Any]) -> tf.Tensor:
        # What breaks a gradient breaks nearly always that of the layer's bias too, which costs little to add up.
        last_of_layer = {self.weights[number].layer: number for number in present}
        nothing = tf.zeros((), tf.float32)
        return tf.stack(
            [
                tf.reduce_sum(tf.cast(_values(present[last_of_layer[layer]][0]), tf.float32))
                if layer in last_of_layer
                else nothing
                for layer in dict.fromkeys(weight.layer for weight in self.weights)
            ]
        )

    def _record(self, update: tf.Tensor, present: dict[int, Any]) -> None:
        rows = []
        for gradient, before, after in present.values():
            row = measure(gradient)
            if self._clips:
                whole, cut = tf.convert_to_tensor(before), tf.convert_to_tensor(after)
                was_clipped = tf.reduce_any(tf.abs(whole - cut) > 1e-5 * tf.abs(whole))  # more than rounding
                row = tf.concat([row, measure(before)[:1], tf.cast(was_clipped, tf.float64)[None]], axis=0)
            rows.append(row)
        mask = np.zeros((len(self.weights), 1), bool)
        mask[list(present)] = True
        places = tf.constant([[number] for number in present], tf.int64)

        def in_place(rows: list[tf.Tensor]) -> tf.Tensor:
            return tf.scatter_nd(places, tf.stack(rows), (len(self.weights), rows[0].shape[0]))

        table = in_place(rows)
        self._gradients.add(update, mask, table)
        if self._counts:
            self._counts.add(update, mask, in_place([histograms.count(gradient) for gradient, *_ in present.values()]))
        first = ~tf.math.is_finite(table[:, 0]) & (self._broken == 0)
        self._broken.assign_add(tf.where(first, update, 0))

    def _measure_change(self, update: tf.Tensor) -> None:
        ratios = [
            distance(before, weight.value.value) for before, weight in zip(self._before, self.weights, strict=True)
        ]
        self._changes.add(update, np.ones((len(ratios), 1), bool), tf.stack(ratios)[:, None])


def innermost(optimizer: keras.Optimizer) -> keras.Optimizer:
    """Returns the optimiser inside those that scale the loss, or the optimiser itself."""
    while isinstance(inner := getattr(optimizer, "inner_optimizer", None), keras.Optimizer):
        optimizer = inner
    return optimizer


def _values(gradient: Any) -> tf.Tensor:
    return gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient
