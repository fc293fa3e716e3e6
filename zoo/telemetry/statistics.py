"""Statistics of the size of a gradient."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import tensorflow as tf

STATISTICS = ("l2", "mean_abs", "rms", "max_abs", "zeros", "nans", "infs")


def measure(gradient: tf.Tensor | tf.IndexedSlices) -> tf.Tensor:
    """Computes the `STATISTICS` of a gradient.

    A norm whose square would underflow or overflow is computed from the gradient divided by its largest entry: the
    float32 square of 1e-25 is 0.

    Args:
        gradient: Gradient of any shape and floating type. Slices of an embedding's gradient are summed by row.

    Returns:
        float64 of shape `(7,)`: L2 norm, mean absolute value, root mean square, largest absolute value, share of
        exact zeros, number of NaN values, number of infinite values. The first four are NaN or infinite if the
        gradient has such a value.

    >>> [f"{value:.3g}" for value in measure(tf.constant([3e-25, -4e-25, 0])).numpy()]
    ['5e-25', '2.33e-25', '2.89e-25', '4e-25', '0.333', '0', '0']
    """
    dense = _to_dense(gradient)
    return _trace(_measure, dense.dtype, dense.shape)(dense)


def compute_relative_change(before: tf.Tensor, after: tf.Tensor) -> tf.Tensor:
    """Returns the L2 norm of the difference of two tensors over the norm of the first, as float64.

    >>> float(compute_relative_change(tf.constant([3.0, 4.0]), tf.constant([3.0, 3.0])))
    0.2
    """
    before, after = _to_dense(before), _to_dense(after)
    return _trace(_compute_relative_change, before.dtype, before.shape)(before, after)


@cache
def _trace(function: Callable[..., tf.Tensor], dtype: tf.DType, shape: tf.TensorShape) -> Callable[..., tf.Tensor]:
    """Returns the function, traced once for all weights of a shape, because tracing is slow."""
    return tf.function(function, autograph=False)


def _measure(dense: tf.Tensor) -> tf.Tensor:
    absolute = tf.abs(dense)
    size = tf.cast(tf.size(dense), tf.float64)
    l1, l2, largest = _total(absolute), _norm(dense), tf.cast(tf.reduce_max(absolute), tf.float64)
    zeros = _total(tf.cast(tf.equal(dense, 0), dense.dtype))
    broken = tf.cond(
        tf.math.is_finite(l1),
        lambda: tf.zeros(2, tf.float64),
        lambda: tf.stack([_total(tf.cast(test(dense), dense.dtype)) for test in (tf.math.is_nan, tf.math.is_inf)]),
    )
    return tf.concat([tf.stack([l2, l1 / size, l2 / tf.sqrt(size), largest, zeros / size]), broken], axis=0)


def _compute_relative_change(before: tf.Tensor, after: tf.Tensor) -> tf.Tensor:
    return tf.math.divide_no_nan(_norm(after - before), _norm(before))


def _norm(values: tf.Tensor) -> tf.Tensor:
    squared = _total(tf.square(values))

    def compute_scaled() -> tf.Tensor:
        absolute = tf.abs(values)
        largest = tf.reduce_max(absolute)
        unit = tf.where((largest > 0) & tf.math.is_finite(largest), largest, tf.ones_like(largest))
        return tf.cast(unit, tf.float64) * tf.sqrt(_total(tf.square(absolute / unit)))

    is_safe = (squared > 1e-25) & (squared < 1e35)
    return tf.cond(is_safe, lambda: tf.sqrt(squared), compute_scaled)


def _to_dense(values: tf.Tensor | tf.IndexedSlices) -> tf.Tensor:
    dense = tf.convert_to_tensor(values)
    return tf.cast(dense, tf.float32) if dense.dtype.size < 4 else dense


def _total(values: tf.Tensor) -> tf.Tensor:
    if values.shape.rank > 1 and (values.shape.num_elements() or 0) > 50_000:
        # A product with ones: XLA compiles a plain sum of many values several times slower.
        table = tf.reshape(values, [-1, values.shape[-1]])
        values = tf.linalg.matvec(table, tf.ones(table.shape[-1], table.dtype))
    return tf.reduce_sum(tf.cast(values, tf.float64))
