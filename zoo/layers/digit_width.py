"""Normalization of the width of digits."""

from __future__ import annotations

from typing import Annotated, Any

import keras
import numpy as np
from keras import ops

from zoo.errors import InvalidValue
from zoo.layers.distortion import sample_at
from zoo.utils.constraints import at_least, check


@keras.saving.register_keras_serializable("zoo")
class DigitWidth(keras.layers.Layer):
    """Scales the content of each image to a given width and centers it horizontally; the height is unchanged.

    Networks trained on narrow and on wide digits make different errors, so their average makes fewer.

    Args:
        width: Width of the content, in pixels.

    Input shape: `(batch, rows, columns, channels)`, with background 0.
    Output shape: Same as the input shape.

    Raises:
        InvalidValue: `width` is less than 1 or greater than that of the images.

    Source: Ciresan, Meier and Schmidhuber, CVPR 2012, section 3.

    >>> import numpy as np
    >>> image = np.zeros((1, 3, 8, 1)); image[:, :, 1:3] = 1
    >>> DigitWidth(4)(image).numpy()[0, 0, :, 0].tolist()
    [0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0]
    """

    def __init__(self, width: int, **options: Any) -> None:
        super().__init__(**options)
        self.width = check("width", width, Annotated[int, at_least(1)])

    def call(self, inputs: Any) -> Any:
        rows, columns = inputs.shape[1:3]
        occupied = ops.cast(ops.any(ops.greater(inputs, 0), axis=(1, 3)), "int32")
        left = ops.argmax(occupied, axis=1)
        right = columns - ops.argmax(ops.flip(occupied, axis=1), axis=1)
        left, right = (ops.cast(edge, "float32")[:, None, None] for edge in (left, right))
        offset = np.arange(columns, dtype="float32") - (columns - self.width) // 2 + 0.5  # from the new left edge
        across = left + offset[None, None, :] * (right - left) / self.width - 0.5
        # Up to half a pixel beyond an edge, the value is that of the edge; farther out it is 0.
        within = (offset > 0) & (offset < self.width)
        across = ops.where(within[None, None, :], ops.clip(across, left, right - 1), -2.0)
        across = ops.broadcast_to(across, (ops.shape(inputs)[0], rows, columns))
        down = np.broadcast_to(np.arange(rows, dtype="float32")[None, :, None], (1, rows, columns))
        return sample_at(inputs, ops.zeros_like(across) + down, across)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        if len(input_shape) == 4 and input_shape[2] is not None and self.width > input_shape[2]:
            raise InvalidValue(f"width must be at most {input_shape[2]}, the width of the images; got {self.width}.")
        return input_shape

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width}
