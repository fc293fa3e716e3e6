"""Where to record: inside the compiled step, as the optimizer receives the gradient.

Every Keras optimizer on the TensorFlow backend clips its gradients in one private method and adds them up over the
replicas in another; see `zoo.utils.keras_private.wrap_gradient_methods`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.telemetry import histograms
from zoo.telemetry.activations import ActivationTap
from zoo.telemetry.meters import BreakDetector, UpdateRatioMeter
from zoo.telemetry.schedule import UpdateCounter, run_if
from zoo.telemetry.statistics import STATISTICS, measure
from zoo.telemetry.stores import Reading, Store, SumStore, create_store
from zoo.telemetry.weights import Weight
from zoo.utils.keras_private import check_gradient_methods, wrap_gradient_methods

CLIPPING = ("l2_unclipped", "clipped")


class Tap:
    """Statistics of the gradients that one optimizer applies, kept on the device.

    Args:
        optimizer: The optimizer, one of `list_applied_optimizers`.
        list_weights: Function that lists the weights to record. It is called again in each step that is traced, since
            a model that was not built gets its weights in the first step.
        every: Number of updates from one record to the next; None to summarize all between two readings.
        capacity: Number of records that fit between two readings, if `every` is a number.
        counts_entries: Whether to count the gradients' entries by size. Defaults to False.
        activations: Model whose activations are recorded with the gradients, and the optimizer that scales its loss.
            Defaults to None.
    """

    def __init__(
        self,
        optimizer: keras.Optimizer,
        list_weights: Callable[[], Sequence[Weight]],
        *,
        every: int | None,
        capacity: int,
        counts_entries: bool = False,
        activations: tuple[keras.Model, keras.Optimizer] | None = None,
    ) -> None:
        self._optimizer = optimizer
        check_gradient_methods(optimizer)
        # Keras clips each replica's gradient: several replicas do not have a single norm before clipping.
        is_single_replica = tf.distribute.get_strategy().num_replicas_in_sync == 1
        limits = (optimizer.clipnorm, optimizer.clipvalue, optimizer.global_clipnorm)
        self._clips = is_single_replica and any(limits)
        self._list_weights, self._counts_entries = list_weights, counts_entries
        self._create_store = partial(create_store, every=every, capacity=capacity)
        self._clipped: list[tuple[Any, Any]] = []
        self.counter = UpdateCounter(optimizer, every)
        self._prepare(list_weights())
        self._activations = activations and ActivationTap(*activations, self.counter, self._create_store)

    def _prepare(self, weights: Sequence[Weight]) -> None:
        self.weights = weights
        self._index = {id(weight.value.value): number for number, weight in enumerate(weights)}
        self._gradients = self._create_store(len(weights), (*STATISTICS, *(CLIPPING if self._clips else ())))
        self._changes = UpdateRatioMeter(weights, self.counter, self._create_store)
        self._counts: Store | None = None
        if self._counts_entries:
            self._counts = self._create_store(len(weights), histograms.BINS, summary=SumStore)
        self.breaks = BreakDetector(weights, self.counter)

    @property
    def variables(self) -> list[tf.Variable]:
        """All variables that hold records, in the order of the checkpoints."""
        owners = (self._changes, self.breaks, self._gradients, self._changes.store, self._counts, self._activations)
        variables = [variable for owner in owners if owner for variable in owner.variables]
        return [self.counter.updates, self.counter.stride, *variables]

    @contextmanager
    def attached(self, *, due: bool | None = None) -> Iterator[None]:
        """Records the gradients of every step that is traced or run in this block.

        Args:
            due: Whether these steps are recorded; None lets each step decide as it runs. If it is given, the block
                must have one step. Defaults to None.
        """
        self.counter.due = due
        try:
            with ExitStack() as stack:
                stack.enter_context(self._wrap_optimizer())
                if self._activations:
                    stack.enter_context(self._activations.attached())
                yield
                if due:
                    self._changes.measure(tf.identity(self.counter.updates))
        finally:
            self._clipped, self.counter.due = [], None

    def start(self, stride: int) -> None:
        """Continues the optimizer's count of updates.

        Args:
            stride: Number of steps of which one is measured, where epochs are summarized.
        """
        self.counter.start(stride)
        self.breaks.start()

    def read(self) -> dict[str, Reading]:
        """Waits for the device, and returns and removes the records since the last reading, by kind."""
        readings = self.peek()
        self.counter.last_read = int(self.counter.updates.numpy())
        for store in (self._gradients, self._changes.store, self._counts, self._activations):
            if store:
                store.clear()
        return readings

    def peek(self) -> dict[str, Reading]:
        """Returns the records since the last reading, by kind."""
        self._changes.measure_pending()
        updates = self.counter.unread
        rows = tuple((weight.layer, weight.variable) for weight in self.weights)
        recorded, gradients = self._gradients.read(updates)
        _, changes = self._changes.store.read(updates)
        columns = (*self._gradients.columns, *self._changes.store.columns)
        readings = {"gradients": Reading(recorded, np.concatenate([gradients, changes], axis=2), rows, columns)}
        if self._activations:
            readings["activations"] = self._activations.read(updates)
        if self._counts:
            readings["histograms"] = Reading(*self._counts.read(updates), rows, histograms.BINS)
        return readings

    @property
    def missing_activations(self) -> list[str]:
        """Names of the layers whose activation function no step has called."""
        return self._activations.missing if self._activations else []

    def _wrap_optimizer(self) -> AbstractContextManager[None]:
        return wrap_gradient_methods(
            self._optimizer,
            lambda clip: partial(self._clip, clip),
            lambda reduce: lambda grads_and_vars: self._observe(reduce(grads_and_vars)),
        )

    def _clip(self, clip: Callable[..., Any], gradients: Sequence[Any]) -> Any:
        weights = self._list_weights()
        if len(weights) > len(self.weights):
            with tf.init_scope():
                self._prepare(weights)
        with _after(gradients):
            self._changes.begin_update()
        clipped = clip(gradients)
        self._clipped = list(zip(gradients, clipped, strict=True))
        return clipped

    def _observe(self, grads_and_vars: Sequence[tuple[Any, Any]]) -> Sequence[tuple[Any, Any]]:
        clipped = self._clipped if self._clips else [(None, None)] * len(grads_and_vars)
        present = {
            self._index[id(value)]: (gradient, *around)
            for (gradient, value), around in zip(grads_and_vars, clipped, strict=True)
            if gradient is not None and id(value) in self._index
        }
        if not present:
            return grads_and_vars
        with _after([gradient for gradient, *_ in present.values()]):
            self.counter.updates.assign_add(1)
        update = tf.identity(self.counter.updates)
        must_measure = self.counter.is_due(update)
        if self.counter.every is None:
            gradients = {number: gradient for number, (gradient, *_) in present.items()}
            must_measure = must_measure | self.breaks.check(gradients)
        run_if(must_measure, lambda: self._record(update, present))
        if activations := self._activations:
            run_if(self.counter.is_due(update), lambda: activations.record(update))
        return grads_and_vars

    def _record(self, update: tf.Tensor, present: dict[int, tuple[Any, Any, Any]]) -> None:
        mask = np.zeros((len(self.weights), 1), bool)
        mask[list(present)] = True
        indices = tf.constant([[number] for number in present], tf.int64)

        def build_table(rows: list[tf.Tensor]) -> tf.Tensor:
            return tf.scatter_nd(indices, tf.stack(rows), (len(self.weights), rows[0].shape[0]))

        table = build_table([self._measure(*gradients) for gradients in present.values()])
        self._gradients.add(update, mask, table)
        if self._counts:
            counts = [histograms.count(gradient) for gradient, *_ in present.values()]
            self._counts.add(update, mask, build_table(counts))
        self.breaks.record(update, table[:, 0])

    def _measure(self, gradient: Any, before: Any, after: Any) -> tf.Tensor:
        row = measure(gradient)
        if not self._clips:
            return row
        unclipped, clipped = tf.convert_to_tensor(before), tf.convert_to_tensor(after)
        was_clipped = tf.reduce_any(tf.abs(unclipped - clipped) > 1e-5 * tf.abs(unclipped))  # more than rounding
        return tf.concat([row, measure(before)[:1], tf.cast(was_clipped, tf.float64)[None]], axis=0)


def _after(gradients: Sequence[Any]) -> AbstractContextManager[None]:
    """Runs the block once a gradient is known: a data set of unknown length ends within a step, before it is."""
    present = [gradient for gradient in gradients if gradient is not None]
    return tf.control_dependencies([getattr(gradient, "values", gradient) for gradient in present[:1]])
