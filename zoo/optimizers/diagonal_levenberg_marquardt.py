"""The diagonal Levenberg-Marquardt method of LeCun et al. 1998."""

from __future__ import annotations

from typing import Annotated, Any

import keras
from keras import ops

from zoo.utils.constraints import check, positive
from zoo.utils.keras_private import get_variable_index


@keras.saving.register_keras_serializable("zoo")
class DiagonalLevenbergMarquardt(keras.optimizers.Optimizer):
    """Gradient descent with a learning rate per weight, which is smaller where the curvature of the loss is larger.

    w_k <- w_k - eta / (mu + h_kk) * dE/dw_k, where h_kk is the second derivative of the loss with respect to w_k.
    `zoo.optimizers.EstimateCurvature` estimates it before each epoch. Initially, h_kk is 1.

    Args:
        learning_rate: Learning rate eta, a number or a schedule. Defaults to 5e-4.
        damping: Constant mu, which limits the rate where the loss is flat. Defaults to 0.02.
        **options: Arguments of `keras.optimizers.Optimizer`.

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
        curvature = self.curvatures[get_variable_index(self, variable)]
        rate = ops.cast(learning_rate, variable.dtype) / (curvature + self.damping)
        self.assign_sub(variable, rate * ops.cast(gradient, variable.dtype))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "damping": self.damping}
