"""The second derivatives by which the stochastic diagonal Levenberg-Marquardt method divides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import keras
import numpy as np
import tensorflow as tf

from zoo.errors import InvalidValue
from zoo.optimizers.diagonal_levenberg_marquardt import DiagonalLevenbergMarquardt
from zoo.utils.constraints import at_least, check


class EstimateCurvature(keras.callbacks.Callback):
    """Estimates the curvatures of a `DiagonalLevenbergMarquardt` optimizer before each epoch.

    Args:
        x: Inputs, `(n, ...)`.
        y: Labels, `(n, ...)`.
        examples: Number of examples per estimate, which are drawn at random before each epoch. Defaults to 500.
        seed: Random seed. Defaults to 0.

    Raises:
        InvalidValue: The model has another optimizer.

    Source: LeCun et al., Proc. IEEE 86(11), 1998, appendix C.
    """

    restores_itself = True

    def __init__(self, x: np.ndarray, y: np.ndarray, *, examples: int = 500, seed: int = 0) -> None:
        super().__init__()
        self._x, self._y, self._seed = x, y, seed
        self._examples = min(check("examples", examples, Annotated[int, at_least(1)]), len(x))

    def on_train_begin(self, logs: Any = None) -> None:
        if not isinstance(self.model.optimizer, DiagonalLevenbergMarquardt):
            raise InvalidValue(
                f"EstimateCurvature requires the optimizer DiagonalLevenbergMarquardt; got "
                f"{type(self.model.optimizer).__name__}."
            )
        self._estimate = create_curvature_estimator(self.model)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        rows = np.random.default_rng([self._seed, epoch]).choice(len(self._x), self._examples, replace=False)
        curvatures = self._estimate(self._x[rows], self._y[rows], self._seed + epoch)
        optimizer = self.model.optimizer
        optimizer.build(self.model.trainable_variables)
        for variable, values in zip(optimizer.curvatures, curvatures, strict=True):
            variable.assign(values)


def create_curvature_estimator(model: keras.Model) -> Callable[[Any, Any, int], list[np.ndarray]]:
    """Returns a function that estimates the second derivative of the loss with respect to each weight.

    It is the diagonal of J' H J, the Gauss-Newton approximation, where H is the exact second derivative of the loss of
    an example with respect to the outputs of the last layer with trainable weights, without its negative part, and J
    is the derivative of those outputs with respect to the weights. Since diag(J' H J) is the mean square of
    J' sqrt(H) u over random signs u, one back-propagation per example estimates it without bias. (LeCun's recursion
    also ignores the cross terms of shared weights.)

    Args:
        model: A compiled functional model.

    Returns:
        A function of `x`, `y` and a seed that returns an array for each of `model.trainable_variables`.

    Raises:
        InvalidValue: The model has no trainable weights.
    """
    weighted = [layer for layer in model.layers if layer.trainable_variables]
    if not weighted:
        raise InvalidValue(f"Curvature requires trainable weights; {model.name} has none.")
    last = weighted[-1]
    variables = [variable.value for variable in model.trainable_variables]
    activation = getattr(last, "activation", None)
    is_output = last is model.layers[-1] and callable(activation)
    body = keras.Model(model.input, last.output)
    head: Any = activation if is_output else keras.Model(last.output, model.output)

    def outputs_of(x: tf.Tensor) -> tf.Tensor:
        if not is_output:
            return body(x, training=False)
        last.activation = keras.activations.linear  # the activation of the output belongs to the loss
        try:
            return body(x, training=False)
        finally:
            last.activation = activation

    def loss_of(outputs: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return model.compute_loss(None, y, head(outputs)) - sum(model.losses, start=0.0)

    def root_of_second_derivative(outputs: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as outer:
            outer.watch(outputs)
            with tf.GradientTape() as inner:
                inner.watch(outputs)
                loss = loss_of(outputs, y)
            gradient = inner.gradient(loss, outputs)
        values, vectors = tf.linalg.eigh(outer.jacobian(gradient, outputs)[0, :, 0, :])
        return vectors * tf.sqrt(tf.maximum(values, 0.0))

    @tf.function(autograph=False)
    def estimate(x: tf.Tensor, y: tf.Tensor, seed: tf.Tensor) -> list[tf.Tensor]:
        def add(number: tf.Tensor, totals: list[tf.Tensor]) -> Any:
            example, label = x[number][None], y[number][None]
            with tf.GradientTape() as tape:
                outputs = outputs_of(example)
            root = root_of_second_derivative(outputs, label)
            draw = tf.random.stateless_uniform([root.shape[1]], tf.stack([seed, number]))
            signs = tf.where(draw < 0.5, -1.0, 1.0)
            gradients = tape.gradient(outputs, variables, tf.linalg.matvec(root, signs)[None])
            return number + 1, [
                total if gradient is None else total + tf.square(tf.convert_to_tensor(gradient))
                for total, gradient in zip(totals, gradients, strict=True)
            ]

        zeros = [tf.zeros(variable.shape) for variable in variables]
        count = tf.shape(x)[0]
        _, totals = tf.while_loop(lambda number, _: number < count, add, (tf.constant(0), zeros))
        return [total / tf.cast(count, tf.float32) for total in totals]

    def curvature(x: Any, y: Any, seed: int = 0) -> list[np.ndarray]:
        curvatures = estimate(tf.convert_to_tensor(x), tf.convert_to_tensor(y), tf.constant(seed))
        return [values.numpy() for values in curvatures]

    return curvature
