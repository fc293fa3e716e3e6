"""What the units of a layer do: how they spread, which are saturated or dead, and the error that comes back to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.telemetry.stores import store_for, variable, variables_of, when
from zoo.telemetry.weights import named_layers

FORWARD = ("mean", "std", "saturated")
BACKWARD = ("delta_l2", "delta_rms")
NAMES = (*FORWARD, *BACKWARD)
SATURATED = 0.05  # of the range of a sigmoid or tanh, from either end

_RANGES = {"sigmoid": (0.0, 1.0), "hard_sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "hard_tanh": (-1.0, 1.0)}
_RECTIFIERS = ("relu", "relu6", "ReLU")
_LAYERS_WITHOUT_ATTRIBUTE = (keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.ELU, keras.layers.Softmax)


class ActivationTap:
    """Statistics of the activations of a model's layers, and of the error at their pre-activations.

    It watches each layer that has an activation function, in the step that trains the model. Under
    a distribution strategy the numbers are those of the first replica's share of the batch.

    Args:
        model: The model.
        optimizer: Its optimiser, which may scale the loss.
        every: Record each so many updates, or None to summarise those between two readings.
        capacity: How many records are kept until they are read, when `every` is a number.
        is_due: Whether the update under way is to be recorded.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: keras.Optimizer,
        *,
        every: int | None,
        capacity: int,
        is_due: Callable[[], tf.Tensor | bool],
    ) -> None:
        found = [(name, layer, _seam_of(layer)) for name, layer in named_layers(model)]
        self._watched = [(layer, seam) for _, layer, seam in found if seam]
        self.layers = [name for name, _, seam in found if seam]
        self._optimizer, self._every, self._is_due = optimizer, every, is_due
        shape = (len(self.layers), len(NAMES))
        names = NAMES if every is None else (*NAMES, "dead")
        self._store = store_for(len(self.layers), names, every=every, capacity=capacity)
        # Of a layer that is used twice in a step, or of a step in several parts, the mean is recorded.
        self._sum, self._count = variable(shape, tf.float64), variable(shape, tf.float64)
        self._active = [
            variable((units,), tf.bool, False) if units else None
            for units in (_rectified_units(layer, seam) for layer, seam in self._watched)
        ]

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the numbers in a record."""
        return (*NAMES, "dead", *(name for name in self._store.columns if name not in (*NAMES, "dead")))

    @property
    def variables(self) -> list[tf.Variable]:
        """All variables that records are kept in."""
        return [*variables_of(self), *variables_of(self._store)]

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Watches every step that is traced or run in this block."""
        originals = [vars(layer).get(seam) for layer, seam in self._watched]
        for number, (layer, seam) in enumerate(self._watched):
            vars(layer)[seam] = self._spied(number, getattr(layer, seam))
        try:
            yield
        finally:
            for (layer, seam), original in zip(self._watched, originals, strict=True):
                if original is None:
                    del vars(layer)[seam]
                else:
                    vars(layer)[seam] = original

    def record(self, update: tf.Tensor) -> None:
        """Keeps what the step under way has shown as the record of an update that is due."""
        table = self._sum / self._count  # NaN where nothing came, as no error comes to a frozen part
        if self._every is not None:
            table = tf.concat([table, tf.stack(self._dead())[:, None]], axis=1)
        self._store.add(update, self._count[:, :1] > 0, table)
        self._sum.assign(tf.zeros_like(self._sum))
        self._count.assign(tf.zeros_like(self._count))
        if self._every is not None:
            self._forget_active()

    def rows(self, updates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns those of `updates` that were recorded, and their records, `(records, layers, columns)`."""
        steps, values = self._store.rows(updates)
        if self._every is None:
            dead = np.array([share.numpy() for share in self._dead()]).reshape(1, -1, 1)
            values = np.concatenate([values, np.broadcast_to(dead, (*values.shape[:2], 1))], axis=2)
        names = [*self._store.columns, *(["dead"] if self._every is None else [])]
        return steps, values[:, :, [names.index(name) for name in self.columns]]

    def clear(self) -> None:
        """Forgets all records."""
        self._store.clear()
        self._forget_active()

    def _forget_active(self) -> None:
        for active in self._active:
            if active is not None:
                active.assign(tf.zeros_like(active))

    def _dead(self) -> list[tf.Tensor]:
        unknown = tf.constant(np.nan, tf.float64)
        return [unknown if active is None else _mean(~tf.identity(active)) for active in self._active]

    def _spied(self, number: int, activation: Callable[..., Any]) -> Callable[..., Any]:
        limits = _RANGES.get(_name_of(activation))

        def spied(inputs: Any, *args: Any, **kwargs: Any) -> Any:
            outputs = activation(self._with_error_watched(number, inputs), *args, **kwargs)
            if tf.is_tensor(outputs):
                # Keras hangs the logits on the outputs: they are looked at, and passed on as they came.
                seen = tf.stop_gradient(outputs)
                when(self._is_due(), lambda: self._see(number, seen, limits))
            return outputs

        return spied

    def _with_error_watched(self, number: int, inputs: Any) -> Any:
        @tf.custom_gradient
        def watched(values: tf.Tensor) -> Any:
            def gradient(error: tf.Tensor) -> tf.Tensor:
                when(self._is_due(), lambda: self._see_error(number, error))
                return error

            return tf.identity(values), gradient

        return watched(inputs) if tf.is_tensor(inputs) else inputs

    def _see(self, number: int, outputs: tf.Tensor, limits: tuple[float, float] | None) -> None:
        if (active := self._active[number]) is not None:
            axis = _unit_axis(self._watched[number][0]) % outputs.shape.rank
            others = [each for each in range(outputs.shape.rank) if each != axis]
            active.assign(tf.identity(active) | tf.reduce_any(outputs > 0, axis=others))
        values = tf.cast(outputs, tf.float32)
        saturated = tf.constant(np.nan, tf.float64)
        if limits:
            low, high = limits
            margin = SATURATED * (high - low)
            saturated = _mean((values < low + margin) | (values > high - margin))
        mean = tf.reduce_mean(values)
        spread = tf.sqrt(tf.reduce_mean(tf.square(values - mean)))
        self._add(number, 0, [tf.cast(mean, tf.float64), tf.cast(spread, tf.float64), saturated])

    def _see_error(self, number: int, error: tf.Tensor) -> None:
        # A loss is the mean over the examples of all replicas: times their number, an example's own error is left.
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        examples = tf.cast(tf.shape(error)[0] * replicas, tf.float64)
        scale = tf.cast(self._optimizer.scale_loss(tf.constant(1.0)), tf.float64)
        squares = tf.square(tf.cast(error, tf.float64) * (examples / scale))
        per_example = tf.reduce_sum(tf.reshape(squares, [tf.shape(error)[0], -1]), axis=1)
        self._add(
            number,
            len(FORWARD),
            [tf.reduce_mean(tf.sqrt(per_example)), tf.sqrt(tf.reduce_mean(squares))],
        )

    def _add(self, number: int, column: int, values: list[tf.Tensor]) -> None:
        places = tf.constant([[number, column + each] for each in range(len(values))])
        shape = self._sum.shape
        self._sum.assign_add(tf.scatter_nd(places, tf.stack(values), shape))
        self._count.assign_add(tf.scatter_nd(places, tf.ones(len(values), tf.float64), shape))


def _seam_of(layer: keras.layers.Layer) -> str:
    """Returns the attribute that the pre-activation is passed to, or an empty text."""
    if isinstance(layer, _LAYERS_WITHOUT_ATTRIBUTE):
        return "call"
    return "activation" if callable(vars(layer).get("activation")) else ""


def _name_of(activation: Callable[..., Any]) -> str:
    return getattr(activation, "__name__", type(activation).__name__)


def _rectified_units(layer: keras.layers.Layer, seam: str) -> int | None:
    """Returns how many units a layer of rectified linear units has, or None for others."""
    name = type(layer).__name__ if seam == "call" else _name_of(layer.activation) if seam else ""
    if name not in _RECTIFIERS or getattr(layer, "negative_slope", False):
        return None
    try:
        return layer.output.shape[_unit_axis(layer)]
    except (AttributeError, ValueError):  # not part of a functional model, or of several
        return getattr(layer, "units", None) or getattr(layer, "filters", None)


def _unit_axis(layer: keras.layers.Layer) -> int:
    return 1 if getattr(layer, "data_format", None) == "channels_first" else -1


def _mean(flags: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.cast(flags, tf.float64))
