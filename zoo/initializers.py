"""Laws of initial weights that Keras does not have."""

from __future__ import annotations

import math
from typing import Annotated, Any

import keras

from zoo.utils.constraints import Seed, check, non_negative, positive


@keras.saving.register_keras_serializable("zoo")
class FanInUniform(keras.initializers.Initializer):
    """Draws weights evenly between -limit / F^power and limit / F^power, with F the number of inputs of a unit.

    Args:
        limit: What is divided by the number of inputs.
        power: To which power. With 1/2 sums of many inputs are as large as those of few; with the paper's 1 they are
            smaller.
        seed: Decides the weights, the same at every call; None draws them from Keras' global seed.

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
