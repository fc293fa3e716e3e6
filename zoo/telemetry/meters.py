"""Measurements that need more than one gradient: the change by an update, and the first broken gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from zoo.telemetry.schedule import UpdateCounter, run_if
from zoo.telemetry.statistics import compute_relative_change
from zoo.telemetry.stores import Store, create_variable
from zoo.telemetry.weights import Weight


class UpdateRatioMeter:
    """Norm of what an update changes in each weight, relative to the norm of the weight.

    The weights are copied when the gradients are clipped, because weight decay follows. The change is measured when the
    next update begins or the records are read.

    Args:
        weights: The weights.
        counter: Counter of the optimizer's updates.
        create_store: Function that returns a store for a number of rows and names.
    """

    def __init__(self, weights: Sequence[Weight], counter: UpdateCounter, create_store: Callable[..., Store]) -> None:
        self._weights, self._counter = weights, counter
        self.store = create_store(len(weights), ("update_ratio",))
        self._pending = create_variable((), tf.int64)  # update whose change is not measured yet, or 0
        self._before = [create_variable(tuple(weight.value.shape), weight.value.value.dtype) for weight in weights]
        self.variables = [self._pending, *self._before]

    def begin_update(self) -> None:
        """Completes the pending measurement, and copies the weights if the next update is due."""

        def copy_weights() -> None:
            for before, weight in zip(self._before, self._weights, strict=True):
                before.assign(tf.identity(weight.value.value))

        if self._counter.due is not None:
            run_if(self._counter.due, copy_weights)
            return
        update = self._counter.updates + 1
        is_due = self._counter.is_due(update)

        def measure_and_copy() -> None:
            run_if(self._pending > 0, lambda: self.measure(tf.identity(self._pending)))
            run_if(is_due, copy_weights)
            self._pending.assign(tf.where(is_due, update, 0))

        run_if(is_due | (self._pending > 0), measure_and_copy)

    def measure(self, update: tf.Tensor) -> None:
        """Adds the change that an update made to the store."""
        pairs = zip(self._before, self._weights, strict=True)
        ratios = [compute_relative_change(before, weight.value.value) for before, weight in pairs]
        self.store.add(update, np.ones((len(ratios), 1), bool), tf.stack(ratios)[:, None])

    def measure_pending(self) -> None:
        """Measures the last update, before records are read."""
        if pending := int(self._pending.numpy()):
            self.measure(tf.constant(pending, tf.int64))
            self._pending.assign(0)


class BreakDetector:
    """Finds the update at which each weight's gradient was first NaN or infinite.

    Measured updates show it exactly. Of the others, the gradient of each layer's last weight is checked, mostly the
    bias: whatever breaks a gradient nearly always breaks the bias's too, which is cheap to sum.

    Args:
        weights: The weights.
        counter: Counter of the optimizer's updates.
    """

    def __init__(self, weights: Sequence[Weight], counter: UpdateCounter) -> None:
        self._weights, self._counter = weights, counter
        self._layers = list(dict.fromkeys(weight.layer for weight in weights))
        self._broken = create_variable((len(weights),), tf.int64)
        # The update up to which each layer's last gradient was finite, if the loop knows which steps are due.
        self._healthy = create_variable((len(self._layers),), tf.int64)
        self._counts_healthy = False
        self.variables = [self._broken, self._healthy]

    def start(self) -> None:
        """Starts at the current update of the counter."""
        self._healthy.assign(tf.fill(self._healthy.shape, tf.constant(self._counter.last_read, tf.int64)))

    def check(self, gradients: Mapping[int, tf.Tensor | tf.IndexedSlices]) -> tf.Tensor | bool:
        """Checks an update, and returns whether it must be measured since a gradient is NaN or infinite.

        Args:
            gradients: Gradients by the number of the weight.
        """
        last_of_layer = {self._weights[number].layer: gradient for number, gradient in gradients.items()}
        nothing = tf.zeros((), tf.float32)
        sums = [_sum(last_of_layer[layer]) if layer in last_of_layer else nothing for layer in self._layers]
        is_finite = tf.math.is_finite(tf.stack(sums))
        if self._counter.due is None:
            return ~tf.reduce_all(is_finite)
        self._counts_healthy = True
        self._healthy.assign_add(tf.cast(is_finite, tf.int64))
        return False

    def record(self, update: tf.Tensor, norms: tf.Tensor) -> None:
        """Records the weights that broke in an update that was measured.

        Args:
            update: Number of the update.
            norms: L2 norm of each weight's gradient.
        """
        is_first = ~tf.math.is_finite(norms) & (self._broken == 0)
        self._broken.assign_add(tf.where(is_first, update, 0))

    def read(self) -> np.ndarray:
        """Returns the update at which each weight's gradient broke; 0 for intact ones."""
        broken = self._broken.numpy()
        if self._counts_healthy:
            updates = int(self._counter.updates.numpy())
            last_of_layer = {weight.layer: number for number, weight in enumerate(self._weights)}
            for number, healthy in zip(last_of_layer.values(), self._healthy.numpy(), strict=True):
                if healthy < updates:
                    broken[number] = min(healthy + 1, broken[number] or healthy + 1)
        return broken


def _sum(gradient: tf.Tensor | tf.IndexedSlices) -> tf.Tensor:
    values = gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient
    return tf.reduce_sum(tf.cast(values, tf.float32))
