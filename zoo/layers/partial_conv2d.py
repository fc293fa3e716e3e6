"""A convolution in which each output map is connected to some of the input maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.errors import InvalidValue
from zoo.utils.constraints import Count, check


@keras.saving.register_keras_serializable("zoo")
class PartialConv2D(keras.layers.Layer):
    """A convolution in which each output map is connected to some of the input maps, according to a table.

    Output maps learn different features because they have different inputs, and the layer has fewer weights: a map
    that is connected to three input maps has three kernels and a bias.

    Args:
        connections: For each output map, the indices of the input maps to which it is connected.
        kernel_size: Side of a kernel, or its rows and columns.
        activation: Activation function, as in `keras.layers.Conv2D`. Defaults to None, linear.
        kernel_initializer: Initializer of the kernels. It is called once per number of connected input maps, so that
            the weights of an output map follow from its own number of inputs. Defaults to `"glorot_uniform"`.
        bias_initializer: Initializer of the biases. Defaults to `"zeros"`.

    Input shape: `(batch, rows, columns, input maps)`.
    Output shape: `(batch, rows - kernel rows + 1, columns - kernel columns + 1, output maps)`.

    Raises:
        InvalidValue: An output map has no input map, the same one twice, or one that does not exist; or the kernel
            has an invalid size or is larger than the input.

    Source: LeCun et al., Proc. IEEE 86(11), 1998, section II.B, table I.

    >>> import numpy as np
    >>> layer = PartialConv2D([(0, 1), (1, 2), (0, 1, 2)], kernel_size=5)
    >>> tuple(layer(np.zeros((1, 14, 14, 3))).shape), layer.count_params()
    ((1, 10, 10, 3), 178)
    """

    strides, padding = (1, 1), "valid"

    def __init__(
        self,
        connections: Sequence[Sequence[int]],
        kernel_size: int | Sequence[int],
        activation: Any = None,
        *,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        sides = tuple(kernel_size) if isinstance(kernel_size, Sequence) else (kernel_size, kernel_size)
        if len(sides) != 2:
            raise InvalidValue(f"kernel_size must be an integer or two, rows and columns; got {kernel_size!r}.")
        self.kernel_size = tuple(check("kernel_size", side, Count) for side in sides)
        self.connections = tuple(tuple(map(int, inputs)) for inputs in connections)
        for number, inputs in enumerate(self.connections):
            if not inputs or len(set(inputs)) != len(inputs) or min(inputs) < 0:
                raise InvalidValue(
                    "Each row of connections must have at least one index of an input map, none negative and none "
                    f"twice; got {list(inputs)} in row {number}."
                )
        if not self.connections:
            raise InvalidValue("connections must have a row for each output map; got none.")
        self.filters = len(self.connections)
        self.activation = keras.activations.get(activation)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.compute_output_shape(input_shape)
        below = int(input_shape[-1] or 0)
        if (highest := max(map(max, self.connections))) >= below:
            raise InvalidValue(
                f"Indices in connections must be less than {below}, the number of input maps; got {highest}."
            )
        pairs = [(source, target) for target, row in enumerate(self.connections) for source in row]
        selection = np.zeros((len(pairs), below * self.filters), "float32")
        selection[range(len(pairs)), [source * self.filters + target for source, target in pairs]] = 1
        self._selection, self._below = selection, below
        self.kernels = self.add_weight(
            shape=(*self.kernel_size, len(pairs)), initializer=self._initial_kernels, name="kernels"
        )
        self.bias = self.add_weight(shape=(self.filters,), initializer=self.bias_initializer, name="bias")

    def _initial_kernels(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        drawn: dict[int, Any] = {}
        initializer = self.kernel_initializer
        for fan in sorted(set(map(len, self.connections))):
            maps = [number for number, inputs in enumerate(self.connections) if len(inputs) == fan]
            values = initializer((*self.kernel_size, fan, len(maps)), dtype=dtype)
            if isinstance(initializer, keras.initializers.Initializer):
                config = initializer.get_config()
                if isinstance(config.get("seed"), int):
                    config["seed"] += 1  # otherwise all groups would start with the same numbers
                initializer = type(initializer).from_config(config)
            drawn.update({number: values[..., place] for place, number in enumerate(maps)})
        return ops.concatenate([drawn[number] for number in range(self.filters)], axis=-1)

    @property
    def kernel(self) -> Any:
        """Kernels of the equivalent full convolution, `(rows, columns, input, output maps)`, 0 if not connected."""
        whole = ops.matmul(self.kernels, ops.cast(self._selection, self.compute_dtype))
        return ops.reshape(whole, (*self.kernel_size, self._below, self.filters))

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """Convolves. Overrides of this method take effect as they do in Keras' own layers."""
        return ops.conv(inputs, kernel, padding="valid", data_format="channels_last")

    def call(self, inputs: Any) -> Any:
        return self.activation(self.convolution_op(inputs, self.kernel) + self.bias)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        if len(input_shape) != 4:
            raise InvalidValue(
                f"The input of PartialConv2D must have shape (batch, rows, columns, maps); got {input_shape}."
            )
        batch, *sides, _ = input_shape
        shape = [side and side - kernel + 1 for side, kernel in zip(sides, self.kernel_size, strict=True)]
        if any(side is not None and side < 1 for side in shape):
            raise InvalidValue(
                f"kernel_size must be at most the size of the input, {'x'.join(map(str, sides))}; got "
                f"{'x'.join(map(str, self.kernel_size))}."
            )
        return (batch, *shape, self.filters)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "connections": self.connections,
            "kernel_size": self.kernel_size,
            "activation": keras.activations.serialize(self.activation),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
        }
