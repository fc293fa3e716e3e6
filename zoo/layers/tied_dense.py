"""A dense layer with the transposed weights of another one, as in the decoder of an autoencoder."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("zoo")
class TiedDense(keras.layers.Layer):
    """A dense layer with the transposed kernel of another dense layer and a bias of its own.

    Args:
        tied_to: The other layer, a `keras.layers.Dense`.
        activation: Activation function, as in `keras.layers.Dense`. Defaults to None, linear.
        bias_initializer: Initializer of the bias. Defaults to `"zeros"`.

    Input shape: `(batch, units of the other layer)`.
    Output shape: `(batch, inputs of the other layer)`.

    >>> import numpy as np
    >>> encoder = keras.layers.Dense(30)
    >>> codes = encoder(np.zeros((5, 64)))
    >>> tuple(TiedDense(encoder)(codes).shape)
    (5, 64)
    """

    def __init__(
        self, tied_to: keras.layers.Dense, activation: Any = None, *, bias_initializer: Any = "zeros", **options: Any
    ) -> None:
        super().__init__(**options)
        self.tied_to = tied_to
        self.activation = keras.activations.get(activation)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.bias = self.add_weight(
            shape=(self.tied_to.kernel.shape[0],), initializer=self.bias_initializer, name="bias"
        )

    def call(self, inputs: Any) -> Any:
        return self.activation(ops.matmul(inputs, ops.transpose(self.tied_to.kernel)) + self.bias)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.tied_to.kernel.shape[0])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "tied_to": keras.saving.serialize_keras_object(self.tied_to),
            "activation": keras.activations.serialize(self.activation),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TiedDense:
        return cls(**{**config, "tied_to": keras.saving.deserialize_keras_object(config["tied_to"])})
