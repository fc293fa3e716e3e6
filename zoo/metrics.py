"""Metrics that Keras does not have."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from zoo.losses import sequence_mask


@keras.saving.register_keras_serializable("zoo")
class SequenceAccuracy(keras.metrics.MeanMetricWrapper):
    """The fraction of sequences whose length and digits are all correct. Positions after the last digit do not count.

    Call arguments:
        y_true: Labels, `(batch, 1 + longest)`, as in `datasets.sequences`.
        y_pred: Probabilities, `(batch, 1 + longest, classes)`.

    Source: Goodfellow et al., ICLR 2014, section 4.

    >>> import numpy as np
    >>> metric = SequenceAccuracy()
    >>> metric.update_state(np.array([[0, 7, 2]]), np.eye(10)[[[0, 7, 5]]])  # a 7 alone
    >>> float(metric.result())
    1.0
    """

    def __init__(self, name: str = "sequence_accuracy", dtype: Any = None) -> None:
        super().__init__(_is_correct, name=name, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype}


def _is_correct(y_true: Any, y_pred: Any) -> Any:
    y_true = ops.cast(y_true, "int32")
    correct = ops.equal(ops.cast(ops.argmax(y_pred, axis=-1), "int32"), y_true)
    return ops.cast(ops.all(ops.logical_or(correct, ops.logical_not(sequence_mask(y_true))), axis=-1), "float32")
