"""Gradient descent with a momentum schedule."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from zoo.utils.keras_private import get_variable_index


@keras.saving.register_keras_serializable("zoo")
class MomentumSGD(keras.optimizers.SGD):
    """Gradient descent whose momentum may follow a schedule.

    Hinton's guide to RBMs starts with 0.5 and uses 0.9 once the reconstruction error has settled.

    Args:
        learning_rate: Learning rate, as in `keras.optimizers.SGD`. Defaults to 0.1.
        momentum: A number in (0, 1], or a `keras.optimizers.schedules.LearningRateSchedule`. Defaults to 0.9.
        **options: Arguments of `keras.optimizers.SGD`.

    >>> from keras.optimizers.schedules import PiecewiseConstantDecay
    >>> optimizer = MomentumSGD(0.1, momentum=PiecewiseConstantDecay([3000], [0.5, 0.9]))
    """

    def __init__(self, learning_rate: Any = 0.1, momentum: Any = 0.9, **options: Any) -> None:
        if isinstance(momentum, dict):
            momentum = keras.saving.deserialize_keras_object(momentum)
        is_scheduled = isinstance(momentum, keras.optimizers.schedules.LearningRateSchedule)
        super().__init__(learning_rate, momentum=0.5 if is_scheduled else momentum, **options)
        self._schedule = momentum if is_scheduled else None

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        if self._schedule is None:
            super().update_step(gradient, variable, learning_rate)
            return
        change = self.momentums[get_variable_index(self, variable)]
        momentum = ops.cast(self._schedule(ops.convert_to_tensor(self.iterations)), variable.dtype)
        descent = ops.cast(gradient, variable.dtype) * ops.cast(learning_rate, variable.dtype)
        self.assign(change, change * momentum - descent)
        self.assign_add(variable, change * momentum - descent if self.nesterov else change)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if self._schedule is not None:
            config["momentum"] = keras.saving.serialize_keras_object(self._schedule)
        return config
