"""Random affine and elastic distortions, which augment images of handwriting."""

from __future__ import annotations

import math
from typing import Annotated, Any

import keras
import numpy as np
from keras import ops

from zoo.utils.constraints import Seed, check, non_negative

ROTATION, SCALING, SHEAR, TRANSLATION = math.radians(15), 0.15, 0.15, 0.05  # TRANSLATION is a fraction of the side
ELASTICITY, SMOOTHNESS = 34 / 29, 4 / 29  # Simard's alpha and sigma for images of 29 x 29 pixels


@keras.saving.register_keras_serializable("zoo")
class Distortion(keras.layers.Layer):
    """Distorts each image at random during training; otherwise returns the images unchanged.

    The distortion is an affine map (rotation by up to 15 degrees, scaling and shear by up to 15 %, translation by up to
    5 % of the side) followed by an elastic one, a random displacement field that varies smoothly.

    Args:
        strength: Factor by which all amounts are multiplied; 0 means no distortion. Defaults to 1.
        seed: Random seed. Defaults to None, which draws it from Keras' global seed.

    Input shape: `(batch, rows, columns, channels)`, with background 0.
    Output shape: Same as the input shape.

    Raises:
        InvalidValue: An argument has the wrong type or is out of range.

    Source: Simard, Steinkraus and Platt, ICDAR 2003, section 2; Ciresan et al., CVPR 2012.

    >>> import numpy as np
    >>> images = np.ones((2, 28, 28, 1), "float32")
    >>> distorted = Distortion()(images, training=True).numpy()
    >>> bool((distorted[0] != distorted[1]).any()), distorted.shape
    (True, (2, 28, 28, 1))
    """

    def __init__(self, strength: float = 1.0, *, seed: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.strength = check("strength", strength, Annotated[float, non_negative])
        self.seed = check("seed", seed, Seed | None)
        self.seed_generator = keras.random.SeedGenerator(self.seed)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if not training or not self.strength:
            return inputs
        return sample_at(inputs, *self._draw_positions(ops.shape(inputs)[0], *inputs.shape[1:3]))

    def _draw_positions(self, images: Any, rows: int, columns: int) -> tuple[Any, Any]:
        """Draws the row and the column from which each pixel takes its value, both `(images, rows, columns)`."""

        def draw(*shape: Any) -> Any:
            return self.strength * keras.random.uniform(shape, -1, 1, seed=self.seed_generator)

        angle, down, across, shear, shift_down, shift_across = ops.unstack(draw(6, images, 1, 1), axis=0)
        cosine, sine = ops.cos(ROTATION * angle), ops.sin(ROTATION * angle)
        from_row, from_column = (np.arange(side, dtype="float32") - (side - 1) / 2 for side in (rows, columns))
        row = (1 + SCALING * down) * from_row[None, :, None]
        column = (1 + SCALING * across) * from_column[None, None, :] + SHEAR * shear * from_row[None, :, None]
        elastic = draw(2, images, rows, columns)
        smooth = ops.matmul(ops.matmul(_gaussian(rows), elastic), _gaussian(columns)) * ELASTICITY
        return (
            cosine * row - sine * column + rows * (TRANSLATION * shift_down + smooth[0]) + (rows - 1) / 2,
            sine * row + cosine * column + columns * (TRANSLATION * shift_across + smooth[1]) + (columns - 1) / 2,
        )

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "strength": self.strength, "seed": self.seed}


def sample_at(images: Any, row: Any, column: Any) -> Any:
    """Samples images between their pixels by bilinear interpolation; positions outside an image have value 0.

    Args:
        images: Images, `(images, rows, columns, channels)`.
        row: Row of each sample, `(images, rows', columns')`.
        column: Column of each sample, `(images, rows', columns')`.

    Returns:
        `(images, rows', columns', channels)`.

    >>> import numpy as np
    >>> image = np.arange(6, dtype="float32").reshape(1, 2, 3, 1)
    >>> float(sample_at(image, np.array([[[0.5]]], "float32"), np.array([[[1.0]]], "float32"))[0, 0, 0, 0])
    2.5
    """
    rows, columns, channels = images.shape[1:]
    flat = ops.reshape(images, (-1, rows * columns, channels))
    shape = ops.shape(row)
    top, left = ops.floor(row), ops.floor(column)
    total: Any = 0
    for down in (0, 1):
        for across in (0, 1):
            at_row, at_column = top + down, left + across
            inside = (at_row >= 0) & (at_row < rows) & (at_column >= 0) & (at_column < columns)
            weight = (1 - ops.abs(row - at_row)) * (1 - ops.abs(column - at_column))
            weight = ops.where(inside, weight, ops.zeros_like(weight))
            place = ops.clip(at_row, 0, rows - 1) * columns + ops.clip(at_column, 0, columns - 1)
            place = ops.cast(ops.reshape(place, (shape[0], -1, 1)), "int32")
            values = ops.take_along_axis(flat, ops.tile(place, (1, 1, channels)), axis=1)
            total = total + ops.reshape(values, (*shape, channels)) * ops.cast(weight, images.dtype)[..., None]
    return total


def _gaussian(side: int) -> np.ndarray:
    """Returns the matrix that smooths along an axis of `side` pixels, `(side, side)`."""
    sigma = SMOOTHNESS * side
    offsets = np.arange(side)[:, None] - np.arange(side)
    return (np.exp(-(offsets**2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))).astype("float32")
