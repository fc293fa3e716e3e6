"""Examples and their labels, as arrays and as batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zoo.errors import InvalidValue

if TYPE_CHECKING:
    import tensorflow as tf


@dataclass(frozen=True, eq=False)
class Split:
    """Examples and their labels, read-only.

    Args:
        x: Inputs, float32, `(examples, ...)`.
        y: Labels, int64, `(examples,)`, or `(examples, 1 + longest)` for sequences; see `datasets.sequences`.
    """

    x: np.ndarray
    y: np.ndarray

    def __post_init__(self) -> None:
        for name, dtype in (("x", np.float32), ("y", np.int64)):
            array = np.asarray(getattr(self, name), dtype).view()
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        if len(self.x) != len(self.y):
            raise InvalidValue(f"x and y must have a label for each example; got {len(self.x)} and {len(self.y)}.")

    def __len__(self) -> int:
        return len(self.y)


def make_batches(x: np.ndarray, y: np.ndarray, batch_size: int, *, shuffle: bool, seed: int) -> tf.data.Dataset:
    """Returns arrays as a `tf.data.Dataset` of batches; shuffled ones come in a new order at every pass.

    Keras' own `fit(x, y)` draws one order and repeats it in every epoch once a global seed is set.

    Args:
        x: Inputs, `(examples, ...)`.
        y: Targets, `(examples, ...)`.
        batch_size: Number of examples in a batch; the last one may be smaller.
        shuffle: Whether to shuffle.
        seed: Random seed of the orders.
    """
    import tensorflow as tf

    inputs, targets = tf.constant(x), tf.constant(y)
    order = tf.data.Dataset.range(len(x))
    if shuffle:
        order = order.shuffle(len(x), seed=seed, reshuffle_each_iteration=True)
    examples = order.batch(batch_size).map(lambda rows: (tf.gather(inputs, rows), tf.gather(targets, rows)))
    return examples.prefetch(tf.data.AUTOTUNE)
