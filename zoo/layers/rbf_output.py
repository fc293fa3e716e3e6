"""Output units that measure the distance of a code to the prototype of each class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.errors import InvalidValue


@keras.saving.register_keras_serializable("zoo")
class RBFOutput(keras.layers.Layer):
    """Euclidean radial basis functions: the squared distance of a code to the prototype of each class.

    y_i = sum_j (x_j - w_ij)^2 is the penalty of class i; the class with the smallest penalty is predicted. For
    Gaussians around the prototypes, it is the negative log-likelihood up to a constant.

    Args:
        prototypes: Prototypes w, `(classes, code)`.
        trainable: Whether the prototypes are learned; in LeNet-5 they are fixed. Defaults to False.

    Input shape: `(batch, code)`.
    Output shape: `(batch, classes)`.

    Raises:
        InvalidValue: `prototypes` is not a matrix, or the codes have another length.

    Source: LeCun et al., Proc. IEEE 86(11), 1998, equation 7.

    >>> import numpy as np
    >>> RBFOutput([[1, 1], [-1, 1]])(np.array([[1.0, 0.0]])).numpy().tolist()
    [[1.0, 5.0]]
    """

    def __init__(self, prototypes: Sequence[Sequence[float]], *, trainable: bool = False, **options: Any) -> None:
        super().__init__(trainable=trainable, **options)
        try:
            self.prototypes = np.asarray(prototypes, "float32")
        except ValueError:
            self.prototypes = np.zeros(0)
        if self.prototypes.ndim != 2 or not self.prototypes.size:
            raise InvalidValue(f"prototypes must be a matrix, one row of numbers per class; got {prototypes!r:.80}.")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if input_shape[-1] != (code := self.prototypes.shape[1]):
            raise InvalidValue(
                f"The last axis of the input must have size {code}, that of a prototype; got {input_shape[-1]}."
            )
        self.centers = self.add_weight(
            shape=self.prototypes.shape, initializer=lambda shape, dtype=None: self.prototypes, name="centers"
        )

    def call(self, inputs: Any) -> Any:
        return ops.sum(ops.square(ops.expand_dims(inputs, -2) - self.centers), axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.prototypes.shape[0])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "prototypes": self.prototypes.tolist()}
