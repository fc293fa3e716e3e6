"""Activation functions that Keras does not have."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("zoo")
def scaled_tanh(inputs: Any) -> Any:
    """Returns 1.7159 tanh(2/3 a), which passes through (1, 1) and (-1, -1), where its curvature is largest.

    Targets of +-1 are thus in the range where units are not saturated.

    Source: LeCun et al., Proc. IEEE 86(11), 1998, equation 6 and appendix A.

    >>> import numpy as np
    >>> scaled_tanh(np.array([-1.0, 0.0, 1.0])).numpy().round(4).tolist()
    [-1.0, 0.0, 1.0]
    """
    return 1.7159 * ops.tanh(inputs * (2 / 3))
