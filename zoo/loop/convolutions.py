"""Small convolutions as matrix products, where that is faster.

A convolution of a few channels is over before a convolution routine has set itself up. Its patches, laid side by side
as slices of the image, times its kernel as a matrix, are the same sum, which XLA makes one loop of.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops

from zoo.layers.partial_conv2d import PartialConv2D
from zoo.utils.keras_private import list_layers


def convolutions_of(model: keras.Model) -> list[keras.layers.Layer]:
    """Returns the convolutions of a model that `as_matrix_products` knows how to write: neither dilated nor grouped."""
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


@contextlib.contextmanager
def as_matrix_products(model: keras.Model) -> Iterator[None]:
    """Lets the convolutions of every step that is traced or run in this block be matrix products."""
    layers = convolutions_of(model)
    for layer in layers:
        vars(layer)["convolution_op"] = _product_of(layer)
    try:
        yield
    finally:
        for layer in layers:
            del vars(layer)["convolution_op"]


def _product_of(layer: keras.layers.Layer) -> Any:
    def convolution_op(inputs: Any, kernel: Any) -> Any:
        (rows, columns), (down, across) = layer.kernel_size, layer.strides
        kernel = ops.convert_to_tensor(kernel)
        if layer.padding == "same":
            before_after = [
                _same_padding(size, width, stride)
                for size, width, stride in zip(inputs.shape[1:3], layer.kernel_size, layer.strides, strict=True)
            ]
            inputs = ops.pad(inputs, [(0, 0), *before_after, (0, 0)])
        height, width = (
            (size - window) // stride + 1
            for size, window, stride in zip(inputs.shape[1:3], layer.kernel_size, layer.strides, strict=True)
        )
        patches = ops.concatenate(
            [
                inputs[:, i : i + (height - 1) * down + 1 : down, j : j + (width - 1) * across + 1 : across]
                for i in range(rows)
                for j in range(columns)
            ],
            axis=-1,
        )
        return ops.matmul(patches, ops.reshape(kernel, (-1, layer.filters)))

    return convolution_op


def _same_padding(size: int, window: int, stride: int) -> tuple[int, int]:
    needed = max(0, (-(-size // stride) - 1) * stride + window - size)
    return needed // 2, needed - needed // 2
