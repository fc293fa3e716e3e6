"""The size of a gradient, in the numbers that are kept of it."""

from __future__ import annotations

import tensorflow as tf

STATISTICS = ("l2", "mean_abs", "rms", "max_abs", "zeros", "nans", "infs")


def measure(gradient: tf.Tensor | tf.IndexedSlices) -> tf.Tensor:
    """Measures one gradient.

    The norm is taken of the gradient over its largest entry, so that it neither vanishes nor
    overflows before the gradient itself does: at 1e-25 the plain sum of float32 squares is 0.

    Args:
        gradient: A gradient of any shape and floating type. Slices of an embedding's gradient are
            added up where they fall on the same row.

    Returns:
        float64 of shape `(7,)`: L2 norm, mean absolute value, root mean square, largest absolute
        value, share of exact zeros, number of NaNs, number of infinite values. The first four are
        NaN or infinite where the gradient holds such a value.

    >>> [f"{value:.3g}" for value in measure(tf.constant([3e-25, -4e-25, 0])).numpy()]
    ['5e-25', '2.33e-25', '2.89e-25', '4e-25', '0.333', '0', '0']
    """
    dense = tf.convert_to_tensor(gradient)
    if dense.dtype.size < 4:
        dense = tf.cast(dense, tf.float32)
    absolute = tf.abs(dense)
    largest = tf.reduce_max(absolute)
    scale = tf.where((largest > 0) & tf.math.is_finite(largest), largest, tf.ones_like(largest))
    scaled = absolute / scale
    size = tf.cast(tf.size(dense), dense.dtype)
    l2, mean_abs = tf.sqrt(tf.reduce_sum(tf.square(scaled))), tf.reduce_mean(scaled)
    sizes = tf.cast(scale, tf.float64) * tf.cast(tf.stack([l2, mean_abs, l2 / tf.sqrt(size)]), tf.float64)
    counts = [tf.math.count_nonzero(test, dtype=tf.float64) for test in (tf.math.is_nan(dense), tf.math.is_inf(dense))]
    zeros = tf.math.count_nonzero(tf.equal(dense, 0), dtype=tf.float64) / tf.cast(size, tf.float64)
    return tf.concat([sizes, tf.stack([tf.cast(largest, tf.float64), zeros, *counts])], axis=0)


def distance(one: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """Returns the L2 norm of the difference of two tensors over the norm of the first, float64.

    >>> float(distance(tf.constant([3.0, 4.0]), tf.constant([3.0, 3.0])))
    0.2
    """
    first, second = tf.cast(one, tf.float64), tf.cast(other, tf.float64)
    return tf.math.divide_no_nan(tf.norm(second - first), tf.norm(first))
