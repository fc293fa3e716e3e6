"""A convolution whose maps each see some of the maps below."""

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
    """A convolution in which each map is connected to some of the maps below, by a table.

    The maps are forced to find different features, as they see different inputs; and there are fewer weights. Only
    the weights of the table are there: a map that sees three others has three kernels and a bias.

    Args:
        connections: For each map of the layer, the numbers of the maps below that it sees, from 0.
        kernel_size: Side of a kernel, or its rows and columns.
        activation: As in `keras.layers.Conv2D`; so are the next two.
        kernel_initializer: Is given the shape of the kernels of the maps that see equally many others: their
            initial weights follow from the number of inputs that those have.
        bias_initializer: Of the biases.

    Input shape: `(batch, rows, columns, maps below)`.
    Output shape: `(batch, rows - kernel rows + 1, columns - kernel columns + 1, maps)`.

    Raises:
        InvalidValue: A table with a map that sees none, or sees one twice; or one that is not there; or a kernel
            of another size than numbers of at least 1, or larger than its input.

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
            raise InvalidValue(f"kernel_size must be one number or two, rows and columns; got {kernel_size!r}.")
        self.kernel_size = tuple(check("kernel_size", side, Count) for side in sides)
        self.connections = tuple(tuple(int(each) for each in seen) for seen in connections)
        for number, seen in enumerate(self.connections):
            if not seen or len(set(seen)) != len(seen) or min(seen) < 0:
                raise InvalidValue(
                    f"Each map of connections must see at least one of the maps 0, 1 ... below, none twice; map "
                    f"{number} sees {list(seen)}."
                )
        if not self.connections:
            raise InvalidValue("connections must have a row for each map; got none.")
        self.filters = len(self.connections)
        self.activation = keras.activations.get(activation)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.compute_output_shape(input_shape)
        below = int(input_shape[-1] or 0)
        if (highest := max(map(max, self.connections))) >= below:
            raise InvalidValue(f"connections name map {highest}; the input has {below} maps, 0 to {below - 1}.")
        pairs = [(seen, number) for number, row in enumerate(self.connections) for seen in row]
        selection = np.zeros((len(pairs), below * self.filters), "float32")
        selection[range(len(pairs)), [seen * self.filters + number for seen, number in pairs]] = 1
        self._selection, self._below = selection, below
        self.kernels = self.add_weight(
            shape=(*self.kernel_size, len(pairs)), initializer=self._initial_kernels, name="kernels"
        )
        self.bias = self.add_weight(shape=(self.filters,), initializer=self.bias_initializer, name="bias")

    def _initial_kernels(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        drawn: dict[int, Any] = {}
        initializer = self.kernel_initializer
        for fan in sorted({len(seen) for seen in self.connections}):
            maps = [number for number, seen in enumerate(self.connections) if len(seen) == fan]
            values = initializer((*self.kernel_size, fan, len(maps)), dtype=dtype)
            if isinstance(initializer, keras.initializers.Initializer):
                config = initializer.get_config()
                if isinstance(config.get("seed"), int):
                    config["seed"] += 1  # else all would begin with the same numbers
                initializer = type(initializer).from_config(config)
            drawn.update({number: values[..., place] for place, number in enumerate(maps)})
        return ops.concatenate([drawn[number] for number in range(self.filters)], axis=-1)

    @property
    def kernel(self) -> Any:
        """The kernels as those of a full convolution, `(rows, columns, maps below, maps)`, with zeros where none is."""
        whole = ops.matmul(self.kernels, ops.cast(self._selection, self.compute_dtype))
        return ops.reshape(whole, (*self.kernel_size, self._below, self.filters))

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """Convolves, as the method of that name does in Keras' own layers, which may be replaced."""
        return ops.conv(inputs, kernel, padding="valid", data_format="channels_last")

    def call(self, inputs: Any) -> Any:
        return self.activation(self.convolution_op(inputs, self.kernel) + self.bias)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        if len(input_shape) != 4:
            raise InvalidValue(f"PartialConv2D takes maps, (batch, rows, columns, maps); got the shape {input_shape}.")
        batch, *sides, _ = input_shape
        shape = [side and side - kernel + 1 for side, kernel in zip(sides, self.kernel_size, strict=True)]
        if any(side is not None and side < 1 for side in shape):
            raise InvalidValue(
                f"A kernel of {'x'.join(map(str, self.kernel_size))} is larger than its input, "
                f"{'x'.join(map(str, sides))}."
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
