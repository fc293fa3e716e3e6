"""Activations of a layer: spread, saturated and dead units, and the error propagated back to them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.telemetry.activation_functions import (
    RANGES,
    RECTIFIERS,
    ActivationFunction,
    list_activation_functions,
    list_hidden_functions,
)
from zoo.telemetry.alarms import GradientWarning
from zoo.telemetry.schedule import UpdateCounter, run_if
from zoo.telemetry.stores import Reading, Store, create_variable
from zoo.utils.attributes import replace_attribute

FORWARD = ("mean", "std", "saturated")
BACKWARD = ("delta_l2", "delta_rms")
ACTIVATION_STATISTICS = (*FORWARD, *BACKWARD)
SATURATED = 0.05  # share of the range of a sigmoid or tanh, at either end


class ActivationTap:
    """Statistics of the activations of a model's layers, and of the error at their pre-activations.

    Every layer with an activation function is recorded, in the step that trains the model. Under a distribution
    strategy the statistics are those of the first replica's share of the batch. A warning names the layers whose
    activation functions cannot be observed.

    Args:
        model: The model.
        optimizer: The model's optimizer, which may scale the loss.
        counter: Counter of the optimizer's updates.
        create_store: Function that returns a store for a number of rows and names.
    """

    def __init__(
        self, model: keras.Model, optimizer: keras.Optimizer, counter: UpdateCounter, create_store: Callable[..., Store]
    ) -> None:
        self._functions = list_activation_functions(model)
        self._called: set[int] = set()  # positions of the functions that a step has called
        if hidden := list_hidden_functions(model):
            warnings.warn(
                f"Activations are not recorded of functions that {', '.join(hidden)} applies in `call`; keep each "
                "function in an attribute `activation`, or use keras.layers.Activation.",
                GradientWarning,
                stacklevel=2,
            )
        self._optimizer, self._counter = optimizer, counter
        shape = (len(self._functions), len(ACTIVATION_STATISTICS))
        # The mean is recorded of a layer that is called twice in a step, and of a step in several parts.
        self._sum, self._count = create_variable(shape, tf.float64), create_variable(shape, tf.float64)
        # Whether each rectified unit was active for any example since the last record.
        self._active = [
            create_variable((units,), tf.bool, False) if units else None
            for units in map(_count_rectified_units, self._functions)
        ]
        names = (*ACTIVATION_STATISTICS, "dead")
        self._store = create_store(len(self._functions), names[:-1] if counter.every is None else names)
        active = [variable for variable in self._active if variable is not None]
        self.variables = [self._sum, self._count, *active, *self._store.variables]

    @property
    def missing(self) -> list[str]:
        """Names of the layers whose activation function no step has called."""
        return [function.name for number, function in enumerate(self._functions) if number not in self._called]

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Observes every step that is traced or run in this block."""
        with ExitStack() as stack:
            for number, (_, owner, attribute, *_) in enumerate(self._functions):
                wrapped = self._wrap(number, getattr(owner, attribute))
                stack.enter_context(replace_attribute(owner, attribute, wrapped))
            yield

    def record(self, update: tf.Tensor) -> None:
        """Stores the statistics of the current step as the record of an update."""
        table = self._sum / self._count  # NaN without a value, such as the error in a frozen part
        if self._counter.every is not None:
            table = tf.concat([table, tf.stack(self._compute_dead())[:, None]], axis=1)
        self._store.add(update, self._count[:, :1] > 0, table)
        self._sum.assign(tf.zeros_like(self._sum))
        self._count.assign(tf.zeros_like(self._count))
        if self._counter.every is not None:
            self._clear_active()

    def read(self, updates: np.ndarray) -> Reading:
        """Returns the records of those of `updates` that have one."""
        recorded, values = self._store.read(updates)
        columns = self._store.columns
        if self._counter.every is None:
            # A unit is dead in an epoch if it is dead in all updates; a mean of shares would not show that.
            dead = np.array([share.numpy() for share in self._compute_dead()]).reshape(1, -1, 1)
            place = len(ACTIVATION_STATISTICS)
            dead = np.broadcast_to(dead, (*values.shape[:2], 1))
            values = np.concatenate([values[:, :, :place], dead, values[:, :, place:]], axis=2)
            columns = (*columns[:place], "dead", *columns[place:])
        called = sorted(self._called)
        rows = tuple((self._functions[number].name, "") for number in called)
        return Reading(recorded, values[:, called], rows, columns)

    def clear(self) -> None:
        """Removes all records."""
        self._store.clear()
        self._clear_active()

    def _clear_active(self) -> None:
        for active in self._active:
            if active is not None:
                active.assign(tf.zeros_like(active))

    def _compute_dead(self) -> list[tf.Tensor]:
        unknown = tf.constant(np.nan, tf.float64)
        return [unknown if active is None else _compute_share(~tf.identity(active)) for active in self._active]

    def _is_due(self) -> tf.Tensor | bool:
        return self._counter.is_due(self._counter.updates + 1)

    def _wrap(self, number: int, activation: Callable[..., Any]) -> Callable[..., Any]:
        function = self._functions[number]
        limits = RANGES.get(function.function)

        def observe(inputs: Any, *args: Any, **kwargs: Any) -> Any:
            if function.is_given_input:
                inputs = self._observe_error(number, inputs)
            outputs = activation(inputs, *args, **kwargs)
            first = outputs[0] if isinstance(outputs, (list, tuple)) else outputs  # the others are states
            if tf.is_tensor(first):
                self._called.add(number)
                # Keras attaches the logits to the outputs, which must be returned as they are.
                values = tf.stop_gradient(first)
                run_if(self._is_due(), lambda: self._add_outputs(number, values, limits))
            return outputs

        return observe

    def _observe_error(self, number: int, inputs: Any) -> Any:
        @tf.custom_gradient
        def observe(values: tf.Tensor) -> Any:
            def gradient(error: tf.Tensor) -> tf.Tensor:
                run_if(self._is_due(), lambda: self._add_error(number, error))
                return error

            return tf.identity(values), gradient

        return observe(inputs) if tf.is_tensor(inputs) else inputs

    def _add_outputs(self, number: int, outputs: tf.Tensor, limits: tuple[float, float] | None) -> None:
        if (active := self._active[number]) is not None:
            unit_axis = _get_unit_axis(self._functions[number].owner) % outputs.shape.rank
            other_axes = [axis for axis in range(outputs.shape.rank) if axis != unit_axis]
            active.assign(tf.identity(active) | tf.reduce_any(outputs > 0, axis=other_axes))
        values = tf.cast(outputs, tf.float32)
        saturated = tf.constant(np.nan, tf.float64)
        if limits:
            low, high = limits
            margin = SATURATED * (high - low)
            saturated = _compute_share((values < low + margin) | (values > high - margin))
        mean = tf.reduce_mean(values)
        spread = tf.sqrt(tf.reduce_mean(tf.square(values - mean)))
        self._add(number, 0, [tf.cast(mean, tf.float64), tf.cast(spread, tf.float64), saturated])

    def _add_error(self, number: int, error: tf.Tensor) -> None:
        # The loss is a mean over the examples of all replicas; their number times it gives each example's error.
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        examples = tf.cast(tf.shape(error)[0] * replicas, tf.float64)
        scale = tf.cast(self._optimizer.scale_loss(tf.constant(1.0)), tf.float64)
        squares = tf.square(tf.cast(error, tf.float64) * (examples / scale))
        per_example = tf.reduce_sum(tf.reshape(squares, [tf.shape(error)[0], -1]), axis=1)
        values = [tf.reduce_mean(tf.sqrt(per_example)), tf.sqrt(tf.reduce_mean(squares))]
        self._add(number, len(FORWARD), values)

    def _add(self, number: int, column: int, values: list[tf.Tensor]) -> None:
        indices = tf.constant([[number, column + offset] for offset in range(len(values))])
        shape = self._sum.shape
        self._sum.assign_add(tf.scatter_nd(indices, tf.stack(values), shape))
        self._count.assign_add(tf.scatter_nd(indices, tf.ones(len(values), tf.float64), shape))


def _count_rectified_units(function: ActivationFunction) -> int | None:
    """Returns the number of rectified linear units of a layer, None for units of another kind."""
    if function.function not in RECTIFIERS or not function.is_given_input:
        return None
    owner = function.owner
    try:
        return owner.output.shape[_get_unit_axis(owner)]
    except (AttributeError, ValueError):  # not part of a functional model, or of several
        return getattr(owner, "units", None) or getattr(owner, "filters", None)


def _get_unit_axis(layer: keras.layers.Layer) -> int:
    return 1 if getattr(layer, "data_format", None) == "channels_first" else -1


def _compute_share(flags: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.cast(flags, tf.float64))
