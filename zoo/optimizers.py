"""Optimisers that Keras does not have."""

from __future__ import annotations

from typing import Annotated, Any

import keras
from keras import ops

from zoo.constraints import check, positive


@keras.saving.register_keras_serializable("zoo")
class MomentumSGD(keras.optimizers.SGD):
    """Gradient descent whose momentum follows a schedule, as the learning rate may.

    Hinton's guide to RBMs begins with 0.5 and takes 0.9 once the reconstruction error has settled.

    Args:
        learning_rate: As in `keras.optimizers.SGD`.
        momentum: A number in (0, 1], or a `keras.optimizers.schedules.LearningRateSchedule` of the step.
        **options: Of `keras.optimizers.SGD`.

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
        change = self.momentums[self._get_variable_index(variable)]
        momentum = ops.cast(self._schedule(ops.convert_to_tensor(self.iterations)), variable.dtype)
        descent = ops.cast(gradient, variable.dtype) * ops.cast(learning_rate, variable.dtype)
        self.assign(change, change * momentum - descent)
        self.assign_add(variable, change * momentum - descent if self.nesterov else change)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if self._schedule is not None:
            config["momentum"] = keras.saving.serialize_keras_object(self._schedule)
        return config


@keras.saving.register_keras_serializable("zoo")
class DiagonalLevenbergMarquardt(keras.optimizers.Optimizer):
    """Gradient descent with a learning rate for each weight: smaller where the loss bends more.

    w_k <- w_k - eta / (mu + h_kk) * dE/dw_k, with h_kk the second derivative of the loss by that weight, estimated now
    and then: `zoo.training.EstimateCurvature` does it before each epoch. Until the first time h_kk is 1.

    Args:
        learning_rate: The eta; a number or a schedule.
        damping: The mu, which keeps the rate from growing where the loss is flat.
        **options: Of `keras.optimizers.Optimizer`.

    Source: LeCun et al., Proc. IEEE 86(11), 1998, appendix C, equations 18 to 21.

    >>> optimizer = DiagonalLevenbergMarquardt(5e-4)
    >>> optimizer.build([keras.Variable([1.0, 2.0])])
    >>> [curvature.numpy().tolist() for curvature in optimizer.curvatures]
    [[1.0, 1.0]]
    """

    def __init__(
        self, learning_rate: Any = 5e-4, damping: float = 0.02, *, name: str = "levenberg_marquardt", **options: Any
    ) -> None:
        super().__init__(learning_rate, name=name, **options)
        self.damping = check("damping", damping, Annotated[float, positive])

    def build(self, variables: Any) -> None:
        if not self.built:
            super().build(variables)
            self.curvatures = [
                self.add_variable_from_reference(variable, name="curvature", initializer="ones")
                for variable in variables
            ]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        curvature = self.curvatures[self._get_variable_index(variable)]
        rate = ops.cast(learning_rate, variable.dtype) / (curvature + self.damping)
        self.assign_sub(variable, rate * ops.cast(gradient, variable.dtype))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "damping": self.damping}
