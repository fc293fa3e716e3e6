"""Small convolutions as matrix products, which XLA compiles to faster code.

A convolution of few channels takes less time than setting up a convolution routine. The patches of an image, as slices
side by side, times the kernel as a matrix give the same sums, which XLA fuses into one loop.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import keras
from keras import ops

from zoo.layers.partial_conv2d import PartialConv2D
from zoo.utils.attributes import replace_attribute
from zoo.utils.keras_private import list_layers


def find_convolutions(model: keras.Model) -> list[keras.layers.Layer]:
    """Returns the convolutions of a model that can be matrix products: neither dilated nor grouped."""
    return [
        layer
        for layer in list_layers(model)
        if type(layer) is PartialConv2D
        or (
            type(layer) is keras.layers.Conv2D
            and layer.data_format == "channels_last"
            and layer.groups == 1
            and tuple(layer.dilation_rate) == (1, 1)
        )
    ]


@contextmanager
def as_matrix_products(model: keras.Model) -> Iterator[None]:
    """Computes convolutions as matrix products in every step that is traced or run in this block."""
    with ExitStack() as stack:
        for layer in find_convolutions(model):
            stack.enter_context(replace_attribute(layer, "convolution_op", partial(_multiply_patches, layer)))
        yield


def _multiply_patches(layer: keras.layers.Layer, inputs: Any, kernel: Any) -> Any:
    (rows, columns), (down, across) = layer.kernel_size, layer.strides
    kernel = ops.convert_to_tensor(kernel)
    if layer.padding == "same":
        margins = map(_compute_padding, inputs.shape[1:3], layer.kernel_size, layer.strides)
        inputs = ops.pad(inputs, [(0, 0), *margins, (0, 0)])
    height = (inputs.shape[1] - rows) // down + 1
    width = (inputs.shape[2] - columns) // across + 1
    patches = ops.concatenate(
        [
            inputs[:, i : i + (height - 1) * down + 1 : down, j : j + (width - 1) * across + 1 : across]
            for i in range(rows)
            for j in range(columns)
        ],
        axis=-1,
    )
    return ops.matmul(patches, ops.reshape(kernel, (-1, layer.filters)))


def _compute_padding(size: int, window: int, stride: int) -> tuple[int, int]:
    needed = max(0, (-(-size // stride) - 1) * stride + window - size)
    return needed // 2, needed - needed // 2
