"""Losses that Keras does not have."""

from __future__ import annotations

from typing import Annotated, Any

import keras
from keras import ops

from zoo.utils.constraints import check, positive


@keras.saving.register_keras_serializable("zoo")
class MaximumAPosteriori(keras.losses.Loss):
    """The discriminative loss of LeNet-5, which decreases the penalty of the true class and increases the others.

    With penalties y_i, the squared distances to the prototypes, E = y_D + log(exp(-j) + sum_i exp(-y_i)). This is the
    cross-entropy of the classes and of an additional "rubbish" class with penalty j, so that penalties far above j do
    not increase any further.

    Args:
        rubbish: Constant j > 0, which the paper does not specify. Defaults to 1.

    Call arguments:
        y_true: Labels, `(batch,)`.
        y_pred: Scores -y_i, `(batch, classes)`.

    Source: LeCun et al., Proc. IEEE 86(11), 1998, equation 9.

    >>> import numpy as np
    >>> round(float(MaximumAPosteriori()(np.array([3]), np.zeros((1, 10)))), 5)
    2.33871
    """

    def __init__(self, rubbish: float = 1.0, name: str = "maximum_a_posteriori", **options: Any) -> None:
        super().__init__(name=name, **options)
        self.rubbish = check("rubbish", rubbish, Annotated[float, positive])

    def call(self, y_true: Any, y_pred: Any) -> Any:
        true_class = ops.one_hot(ops.reshape(ops.cast(y_true, "int32"), (-1,)), y_pred.shape[-1], dtype=y_pred.dtype)
        scores = ops.pad(y_pred, [(0, 0), (0, 1)], constant_values=-self.rubbish)
        return ops.logsumexp(scores, axis=-1) - ops.sum(true_class * y_pred, axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rubbish": self.rubbish}


@keras.saving.register_keras_serializable("zoo")
class SequenceCrossentropy(keras.losses.Loss):
    """The negative log-likelihood of a sequence of digits.

    -log p(S|X) = -log p(L|X) - sum_i log p(S_i|X) over the digits S_1 to S_L. Positions after the last digit do
    not count.

    Call arguments:
        y_true: Labels, `(batch, 1 + longest)`: the length minus 1, then the digits.
        y_pred: Probabilities, `(batch, 1 + longest, classes)`, in the same order.

    Source: Goodfellow et al., ICLR 2014, section 4.

    >>> import numpy as np
    >>> quarters = np.full((1, 3, 4), 0.25)  # for up to 2 digits
    >>> loss = SequenceCrossentropy()
    >>> [round(float(loss(label, quarters) / np.log(4)), 5) for label in (np.array([[0, 3, 2]]), np.array([[1, 3, 2]]))]
    [2.0, 3.0]
    """

    def __init__(self, name: str = "sequence_crossentropy", **options: Any) -> None:
        super().__init__(name=name, **options)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        losses = keras.losses.sparse_categorical_crossentropy(y_true, y_pred)
        return ops.sum(losses * ops.cast(sequence_mask(y_true), losses.dtype), axis=-1)


def sequence_mask(y_true: Any) -> Any:
    """Returns whether each position of labels, `(batch, 1 + longest)`, is the length or a digit of the sequence.

    >>> import numpy as np
    >>> np.asarray(sequence_mask(np.array([[0, 3, 2], [1, 3, 2]]))).tolist()
    [[True, True, False], [True, True, True]]
    """
    y_true = ops.cast(y_true, "int32")
    return ops.less_equal(ops.arange(y_true.shape[-1], dtype="int32"), y_true[:, :1] + 1)
