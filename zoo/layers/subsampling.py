"""Subsampling of feature maps, with trainable coefficients as in LeNet-5."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import keras
from keras import ops

from zoo.errors import InvalidValue
from zoo.utils.constraints import at_least, check

Method = Literal["sum", "max", "mean"]


@keras.saving.register_keras_serializable("zoo")
class Subsampling(keras.layers.Layer):
    """Reduces each region of a map to one value. The regions do not overlap.

    Args:
        method: `"sum"` computes f(c * sum of the region + b), with one coefficient c and one bias b per map, as in
            LeNet-5; `"max"` the maximum of w * p over the values p of the region, with one weight w per map; `"mean"`
            their mean, without weights. Defaults to `"sum"`.
        pool_size: Side of a region. Rows and columns that do not fill a region are dropped. Defaults to 2.
        activation: Activation function f of `"sum"`. Defaults to None, linear.
        coefficient_initializer: Initializer of c or w. Defaults to None: c is drawn uniformly from
            +-2.4 / (inputs of a unit), and w is 1.

    Input shape: `(batch, rows, columns, maps)`.
    Output shape: `(batch, rows // pool_size, columns // pool_size, maps)`.

    Raises:
        InvalidValue: An argument has the wrong type or is out of range, or the maps are smaller than a region.

    Source: LeCun et al., Proc. IEEE 86(11), 1998, section II.B.

    >>> import numpy as np
    >>> image = np.array([[1.0, 2.0], [3.0, 6.0]]).reshape(1, 2, 2, 1)
    >>> float(Subsampling("mean")(image)[0, 0, 0, 0]), float(Subsampling("max")(image)[0, 0, 0, 0])
    (3.0, 6.0)
    """

    def __init__(
        self,
        method: Method = "sum",
        pool_size: int = 2,
        activation: Any = None,
        *,
        coefficient_initializer: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.method = check("method", method, Method)
        self.pool_size = check("pool_size", pool_size, Annotated[int, at_least(1)])
        if activation is not None and method != "sum":
            raise InvalidValue(f'activation requires method="sum"; got method={method!r}.')
        self.activation = keras.activations.get(activation)
        self.coefficient_initializer = (
            None if coefficient_initializer is None else keras.initializers.get(coefficient_initializer)
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.compute_output_shape(input_shape)
        if self.method == "mean":
            return
        limit = 2.4 / self.pool_size**2
        default = keras.initializers.RandomUniform(-limit, limit) if self.method == "sum" else "ones"
        self.coefficient = self.add_weight(
            shape=(input_shape[-1],), initializer=self.coefficient_initializer or default, name="coefficient"
        )
        if self.method == "sum":
            self.bias = self.add_weight(shape=(input_shape[-1],), initializer="zeros", name="bias")

    def call(self, inputs: Any) -> Any:
        if self.method == "max":
            return ops.max_pool(self.coefficient * inputs, self.pool_size)
        mean = ops.average_pool(inputs, self.pool_size)
        if self.method == "mean":
            return mean
        return self.activation(self.coefficient * self.pool_size**2 * mean + self.bias)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        if len(input_shape) != 4:
            raise InvalidValue(
                f"The input of Subsampling must have shape (batch, rows, columns, maps); got {input_shape}."
            )
        batch, *sides, maps = input_shape
        if any(side is not None and side < self.pool_size for side in sides):
            raise InvalidValue(
                f"pool_size must be at most the size of the maps, {'x'.join(map(str, sides))}; got {self.pool_size}."
            )
        return (batch, *(side and side // self.pool_size for side in sides), maps)

    def get_config(self) -> dict[str, Any]:
        initializer = self.coefficient_initializer
        return {
            **super().get_config(),
            "method": self.method,
            "pool_size": self.pool_size,
            "activation": keras.activations.serialize(self.activation) if self.method == "sum" else None,
            "coefficient_initializer": initializer and keras.initializers.serialize(initializer),
        }
