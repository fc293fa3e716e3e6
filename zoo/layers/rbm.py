"""The restricted Boltzmann machine: two layers of stochastic units, and the weights between them.

Smolensky 1986; Hinton, «A practical guide to training RBMs», UTML TR 2010-003. Trained by
`zoo.models.boltzmann_machine`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import keras
from keras import ops

from zoo.errors import InvalidValue
from zoo.layers import rbm_likelihood
from zoo.layers.free_energy import free_energy
from zoo.layers.gibbs import KerasSampler, Sampler
from zoo.layers.rbm_likelihood import LogPartition
from zoo.utils.constraints import Seed, at_least, check, non_negative, positive

Visible = Literal["bernoulli", "gaussian"]


@keras.saving.register_keras_serializable("zoo")
class RBM(keras.layers.Layer):
    """A restricted Boltzmann machine. A call returns P(h = 1 | v).

    The energy is `-v'Wh - b'v - c'h` with Bernoulli visible units, and
    `|v - b|^2 / 2s^2 - c'h - v'Wh / s` with Gaussian visible units of standard deviation `s`. Under a mixed-precision
    policy, it is computed in single precision: the sums over the units are too large for differences in half precision.

    Args:
        hidden: Number of hidden units, which are Bernoulli.
        visible: Kind of visible units: `"bernoulli"` for data in [0, 1], or `"gaussian"` for standardized data.
            Defaults to `"bernoulli"`.
        labels: Number of visible units, the last ones, that form a group in which exactly one unit is on.
            Defaults to 0.
        sigma: Standard deviation of Gaussian visible units. Defaults to 1.
        kernel_initializer: Initializer of the weights. Defaults to None, N(0, 0.01^2) as in Hinton's guide.
        visible_bias_initializer: Initializer of the visible biases. Defaults to `"zeros"`.
        hidden_bias_initializer: Initializer of the hidden biases. Defaults to `"zeros"`.
        kernel_regularizer: Penalty on the weights, which a model adds to its loss. Defaults to None.
        seed: Random seed of the sampling. Defaults to None, which draws it from Keras' global seed.

    Raises:
        InvalidValue: An argument has the wrong type or is out of range.

    Input shape: `(batch, visible)`.
    Output shape: `(batch, hidden)`.

    >>> import numpy as np
    >>> rbm = RBM(500)
    >>> tuple(rbm(np.zeros((2, 784))).shape)
    (2, 500)
    >>> round(float(rbm.free_energy(np.zeros((1, 784)))[0]), 3)  # -500 ln 2, all biases being 0
    -346.574
    """

    def __init__(
        self,
        hidden: int,
        *,
        visible: Visible = "bernoulli",
        labels: int = 0,
        sigma: float = 1.0,
        kernel_initializer: Any = None,
        visible_bias_initializer: Any = "zeros",
        hidden_bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**{"dtype": keras.config.dtype_policy().variable_dtype, **options})
        self.hidden = check("hidden", hidden, Annotated[int, at_least(1)])
        self.visible = check("visible", visible, Visible)
        self.labels = check("labels", labels, Annotated[int, non_negative])
        self.sigma = check("sigma", sigma, Annotated[float, positive])
        if self.labels and visible == "gaussian":
            raise InvalidValue("labels require Bernoulli visible units; got visible='gaussian'.")
        self.kernel_initializer = keras.initializers.get(
            keras.initializers.RandomNormal(stddev=0.01) if kernel_initializer is None else kernel_initializer
        )
        self.visible_bias_initializer = keras.initializers.get(visible_bias_initializer)
        self.hidden_bias_initializer = keras.initializers.get(hidden_bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.seed = check("seed", seed, Seed | None)
        self.seed_generator = keras.random.SeedGenerator(self.seed)
        self.sampler = KerasSampler(self.seed_generator)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        visible = input_shape[-1]
        if visible is None or visible < self.labels:
            raise InvalidValue(f"The number of visible units must be an integer >= {self.labels}; got {visible}.")
        shape, regularizer = (visible, self.hidden), self.kernel_regularizer
        self.kernel = self.add_weight(shape, self.kernel_initializer, regularizer=regularizer, name="kernel")
        self.visible_bias = self.add_weight(shape[:1], self.visible_bias_initializer, name="visible_bias")
        self.hidden_bias = self.add_weight(shape[1:], self.hidden_bias_initializer, name="hidden_bias")

    def call(self, inputs: Any) -> Any:
        return ops.sigmoid(self.hidden_input(inputs))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.hidden)

    def hidden_input(self, v: Any) -> Any:
        """Returns the total input of the hidden units, `c + v'W / s`: the log-odds of P(h = 1 | v).

        Args:
            v: Visible states or probabilities, `(batch, visible)`.

        Returns:
            `(batch, hidden)`.
        """
        v = ops.convert_to_tensor(v, self.compute_dtype)
        return self.hidden_bias + ops.matmul(v / self.sigma if self.sigma != 1 else v, self.kernel)

    def visible_mean(self, h: Any) -> Any:
        """Returns E(v | h): P(v = 1 | h) of Bernoulli units, the softmax of the label units.

        Args:
            h: Hidden states or probabilities, `(batch, hidden)`.

        Returns:
            `(batch, visible)`.
        """
        total = ops.matmul(ops.convert_to_tensor(h, self.compute_dtype), ops.transpose(self.kernel))
        if self.visible == "gaussian":
            return self.visible_bias + self.sigma * total
        total = total + self.visible_bias
        if not self.labels:
            return ops.sigmoid(total)
        return ops.concatenate([ops.sigmoid(total[:, : -self.labels]), ops.softmax(total[:, -self.labels :])], axis=-1)

    def sample_hidden(self, v: Any, sampler: Sampler | None = None) -> Any:
        """Draws h from P(h | v). Shapes are those of `hidden_input`."""
        return (sampler or self.sampler).bernoulli(self(v))

    def sample_visible(self, h: Any, sampler: Sampler | None = None) -> Any:
        """Draws v from P(v | h). Shapes are those of `visible_mean`."""
        return self._sample_visible_at(self.visible_mean(h), sampler or self.sampler)

    def gibbs_step(self, v: Any, sampler: Sampler | None = None) -> tuple[Any, Any]:
        """Draws h given v, then v given h.

        Args:
            v: Visible states, `(batch, visible)`.
            sampler: Source of randomness. Defaults to None, the layer's own.

        Returns:
            The new visible states and the means from which they were drawn, both `(batch, visible)`.
        """
        mean = self.visible_mean(self.sample_hidden(v, sampler))
        return self._sample_visible_at(mean, sampler or self.sampler), mean

    def gibbs(self, v: Any, k: int = 1) -> Any:
        """Returns the visible states after `k` steps of Gibbs sampling from `v`."""
        for _ in range(check("k", k, Annotated[int, at_least(1)])):
            v, _ = self.gibbs_step(v)
        return v

    def gibbs_from_hidden(self, h: Any, k: int) -> Any:
        """Returns the hidden states after `k` steps from `h`. A step draws v given h, then h given v."""
        for _ in range(k):
            h = self.sample_hidden(self.sample_visible(h))
        return h

    def bernoulli(self, probabilities: Any) -> Any:
        """Draws zeros and ones, each 1 with its probability."""
        return self.sampler.bernoulli(probabilities)

    def _sample_visible_at(self, mean: Any, sampler: Sampler) -> Any:
        if self.visible == "gaussian":
            return sampler.normal(mean, self.sigma)
        if not self.labels:
            return sampler.bernoulli(mean)
        label = sampler.one_hot(ops.log(mean[:, -self.labels :] + keras.config.epsilon()))
        return ops.concatenate([sampler.bernoulli(mean[:, : -self.labels]), label], axis=-1)

    def reconstruct(self, v: Any) -> Any:
        """Returns E(v | h) for the mean of h given `v`, without sampling."""
        return self.visible_mean(self(v))

    def energy(self, v: Any, h: Any) -> Any:
        """Returns the energy of states of both layers, `(batch,)`."""
        v, h = (ops.convert_to_tensor(states, self.compute_dtype) for states in (v, h))
        return self.visible_energy(v, self.visible_bias) - ops.sum(h * self.hidden_input(v), axis=-1)

    def free_energy(self, v: Any) -> Any:
        """Returns the free energy F(v) of visible states, `(batch,)`: p(v) = exp(-F(v)) / Z."""
        v = ops.convert_to_tensor(v, self.compute_dtype)
        return self.visible_energy(v, self.visible_bias) - ops.sum(ops.softplus(self.hidden_input(v)), axis=-1)

    def free_energy_of(self, v: Any, hidden_input: Any) -> Any:
        """Returns F(v) from the total input of the hidden units; see `zoo.layers.free_energy`."""
        return free_energy(self, v, hidden_input)

    def pseudo_log_likelihood(self, v: Any, unit: Any = None) -> Any:
        """Estimates the sum of log P(v_i | all other v) over the visible units from one unit per example.

        The term of this unit times the number of units is an unbiased estimate of the sum.

        Args:
            v: Visible states, `(batch, visible)`. They are rounded to 0 and 1.
            unit: Index of the unit for all examples. Defaults to None, a random unit for each.

        Returns:
            `(batch,)`, in nats.

        Raises:
            InvalidValue: The visible units are not Bernoulli.
        """
        if self.visible != "bernoulli" or self.labels:
            raise InvalidValue(
                "The pseudo-likelihood requires Bernoulli visible units without labels; got "
                f"visible={self.visible!r}, labels={self.labels}."
            )
        v = ops.round(ops.convert_to_tensor(v, self.compute_dtype))
        hidden_input, (examples, visible) = self.hidden_input(v), ops.shape(v)
        if unit is None:
            unit = keras.random.randint((examples,), 0, visible, seed=self.seed_generator)
        unit = ops.broadcast_to(ops.convert_to_tensor(unit, "int32"), (examples,))
        change = 1 - 2 * ops.sum(v * ops.one_hot(unit, visible, dtype=v.dtype), axis=-1)
        flipped = hidden_input + change[:, None] * ops.take(self.kernel, unit, axis=0)
        gap = -change * ops.take(self.visible_bias, unit) - ops.sum(
            ops.softplus(flipped) - ops.softplus(hidden_input), axis=-1
        )
        return -visible * ops.softplus(-gap)

    def log_partition(
        self,
        *,
        method: Literal["exact", "ais"] = "ais",
        data: Any = None,
        runs: int = 100,
        betas: Any = None,
        seed: int = 0,
    ) -> LogPartition:
        """Returns log Z, the logarithm of the partition function.

        Args:
            method: `"exact"` enumerates the states of the smaller layer, which may have at most 25 units;
                `"ais"` estimates by annealed importance sampling. Defaults to `"ais"`.
            data: Examples, `(examples, visible)`, whose mean determines the biases from which the sampling starts.
                Defaults to None, the visible biases.
            runs: Number of independent runs of the sampling. Defaults to 100.
            betas: Inverse temperatures from 0 to 1. Defaults to None, the 14,503 of Salakhutdinov and Murray.
            seed: Random seed of the sampling. Defaults to 0.

        Raises:
            InvalidValue: An argument is out of range, or there are too many states to enumerate.

        >>> rbm = RBM(500, kernel_initializer="zeros")
        >>> rbm.build((None, 784))
        >>> round(rbm.log_partition(betas=[0, 1], runs=2).value, 3)  # 1284 ln 2
        890.001
        """
        gaussian = self.visible == "gaussian"
        parameters = rbm_likelihood.Parameters(
            ops.convert_to_numpy(self.kernel) / self.sigma,
            ops.convert_to_numpy(self.visible_bias),
            ops.convert_to_numpy(self.hidden_bias),
            sigma=self.sigma if gaussian else None,
            labels=self.labels,
        )
        if check("method", method, Literal["exact", "ais"]) == "exact":
            return rbm_likelihood.exact(parameters)
        known = data is not None and not gaussian
        base = rbm_likelihood.base_rate_biases(data, self.labels) if known else parameters.visible_bias
        runs, seed = check("runs", runs, Annotated[int, at_least(1)]), check("seed", seed, Seed)
        return rbm_likelihood.annealed(parameters, base=base, runs=runs, betas=betas, seed=seed)

    def log_likelihood(self, v: Any, log_partition: LogPartition | float) -> Any:
        """Returns log p(v), in nats.

        Args:
            v: Visible states, `(batch, visible)`.
            log_partition: Result of `log_partition`, or log Z.

        Returns:
            `(batch,)`.
        """
        value = log_partition.value if isinstance(log_partition, LogPartition) else log_partition
        return -self.free_energy(v) - value

    def visible_energy(self, v: Any, visible_bias: Any) -> Any:
        """Returns the part of the energy that does not depend on the hidden units, `(batch,)`."""
        if self.visible == "gaussian":
            return ops.sum(ops.square(v - visible_bias), axis=-1) / (2 * self.sigma**2)
        return -ops.matmul(v, visible_bias)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in ("hidden", "visible", "labels", "sigma", "seed")},
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "visible_bias_initializer": keras.initializers.serialize(self.visible_bias_initializer),
            "hidden_bias_initializer": keras.initializers.serialize(self.hidden_bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }
