"""Initializers that Keras does not have."""

from __future__ import annotations

import math
from typing import Annotated, Any

import keras

from zoo.utils.constraints import Seed, check, non_negative, positive


@keras.saving.register_keras_serializable("zoo")
class FanInUniform(keras.initializers.Initializer):
    """Draws weights uniformly from +-limit / F^power, where F is the number of inputs of a unit.

    Args:
        limit: Limit before division. Defaults to 2.4.
        power: Exponent of the number of inputs. With 1/2, the variance of a unit's input does not depend on the number
            of inputs; with 1, as in the paper, it decreases. Defaults to 1.
        seed: Random seed; the weights are the same at every call. Defaults to None, which draws them from Keras' global
            seed.

    Source: LeCun et al., Proc. IEEE 86(11), 1998, appendix A.

    >>> float(abs(FanInUniform()((5, 5, 4, 16))).numpy().max()) <= 2.4 / 100
    True
    """

    def __init__(self, limit: float = 2.4, power: float = 1.0, seed: int | None = None) -> None:
        self.limit = check("limit", limit, Annotated[float, positive])
        self.power = check("power", power, Annotated[float, non_negative])
        self.seed = check("seed", seed, Seed | None)

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        limit = self.limit / math.prod(shape[:-1]) ** self.power
        return keras.random.uniform(shape, -limit, limit, dtype=dtype, seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        return {"limit": self.limit, "power": self.power, "seed": self.seed}
