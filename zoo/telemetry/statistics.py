"""The size of a gradient, in the numbers that are kept of it."""

from __future__ import annotations

import tensorflow as tf

STATISTICS = ("l2", "mean_abs", "rms")


def magnitude(gradient: tf.Tensor | tf.IndexedSlices) -> tf.Tensor:
    """Measures one gradient.

    The norm is taken of the gradient over its largest entry, so that it neither vanishes nor
    overflows before the gradient itself does: at 1e-25 the plain sum of float32 squares is 0.

    Args:
        gradient: A gradient of any shape and floating type. Slices of an embedding's gradient are
            added up where they fall on the same row.

    Returns:
        float64 of shape `(3,)`: L2 norm, mean absolute value, root mean square. All are NaN or
        infinite where the gradient holds such a value.

    >>> [f"{value:.3g}" for value in magnitude(tf.constant([3e-25, -4e-25])).numpy()]
    ['5e-25', '3.5e-25', '3.54e-25']
    """
    dense = tf.convert_to_tensor(gradient)
    if dense.dtype.size < 4:
        dense = tf.cast(dense, tf.float32)
    absolute = tf.abs(dense)
    largest = tf.reduce_max(absolute)
    scale = tf.where((largest > 0) & tf.math.is_finite(largest), largest, tf.ones_like(largest))
    scaled = absolute / scale
    l2, mean_abs = tf.sqrt(tf.reduce_sum(tf.square(scaled))), tf.reduce_mean(scaled)
    rms = l2 / tf.sqrt(tf.cast(tf.size(dense), dense.dtype))
    return tf.cast(scale, tf.float64) * tf.cast(tf.stack([l2, mean_abs, rms]), tf.float64)
