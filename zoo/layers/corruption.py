"""Noise on the inputs of a denoising autoencoder."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import keras
from keras import ops

from zoo.utils.constraints import Seed, check, share

Noise = Literal["masking", "salt_and_pepper", "gaussian"]


@keras.saving.register_keras_serializable("zoo")
class Corruption(keras.layers.Layer):
    """Corrupts the inputs during training; otherwise returns them unchanged.

    Args:
        noise: `"masking"` sets inputs to 0 without scaling the others; `"salt_and_pepper"` sets them to 0 or 1 with
            equal probability; `"gaussian"` adds normal noise. Defaults to `"masking"`.
        level: Fraction of the inputs that is set, or the standard deviation of Gaussian noise. Defaults to 0.25.
        seed: Random seed. Defaults to None, which draws it from Keras' global seed.

    Raises:
        InvalidValue: An argument has the wrong type or is out of range.

    Source: Vincent et al., JMLR 11, 2010, section 3.3.

    >>> import numpy as np
    >>> noisy = Corruption("masking", 0.25)(np.ones((100, 100)), training=True)
    >>> 0.7 < float(noisy.numpy().mean()) < 0.8
    True
    """

    def __init__(
        self, noise: Noise = "masking", level: float = 0.25, *, seed: int | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self.noise = check("noise", noise, Noise)
        self.level = check("level", level, Annotated[float, share])
        self.seed = check("seed", seed, Seed | None)
        self.seed_generator = keras.random.SeedGenerator(self.seed)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if not training or not self.level:
            return inputs
        shape, dtype = ops.shape(inputs), inputs.dtype
        if self.noise == "gaussian":
            return inputs + self.level * keras.random.normal(shape, dtype=dtype, seed=self.seed_generator)
        draw = keras.random.uniform(shape, dtype=dtype, seed=self.seed_generator)
        if self.noise == "masking":
            return ops.where(draw < self.level, ops.zeros_like(inputs), inputs)
        return ops.where(draw < self.level, ops.cast(draw < self.level / 2, dtype), inputs)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "noise": self.noise, "level": self.level, "seed": self.seed}
