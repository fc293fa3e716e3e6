"""The restricted Boltzmann machine: two layers of random units, and the weights between them.

Smolensky 1986; Hinton, «A practical guide to training RBMs», UTML TR 2010-003. Its learning is in
`zoo.models.boltzmann_machine`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import keras
import numpy as np
from keras import ops

from zoo.errors import InvalidValue
from zoo.layers import rbm_likelihood
from zoo.layers.gibbs import KerasSampler, Sampler
from zoo.layers.rbm_likelihood import LogPartition
from zoo.utils.constraints import Seed, at_least, check, non_negative, positive

Visible = Literal["bernoulli", "gaussian"]


@keras.saving.register_keras_serializable("zoo")
class RBM(keras.layers.Layer):
    """A restricted Boltzmann machine; called, it gives P(h = 1 | v).

    The energy is `-v'Wh - b'v - c'h` with Bernoulli visible units, and
    `|v - b|^2 / 2s^2 - c'h - v'Wh / s` with Gaussian ones of standard deviation `s`.

    Args:
        hidden: Number of hidden units; they are Bernoulli.
        visible: `"bernoulli"`, for data in [0, 1], or `"gaussian"`, for standardised data.
        labels: So many of the visible units, the last ones, are a group of which exactly one is on.
        sigma: Standard deviation of Gaussian visible units.
        kernel_initializer: Law of the initial weights; None is N(0, 0.01^2), as in Hinton's guide.
        visible_bias_initializer: Of the visible biases.
        hidden_bias_initializer: Of the hidden biases.
        kernel_regularizer: A penalty on the weights, which a model adds to its loss.
        seed: Decides what is sampled; None draws it from Keras' global seed.

    Raises:
        InvalidValue: An argument of the wrong type or out of range.

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
        super().__init__(**options)
        self.hidden = check("hidden", hidden, Annotated[int, at_least(1)])
        self.visible = check("visible", visible, Visible)
        self.labels = check("labels", labels, Annotated[int, non_negative])
        self.sigma = check("sigma", sigma, Annotated[float, positive])
        if self.labels and visible == "gaussian":
            raise InvalidValue("labels are for Bernoulli visible units; got visible='gaussian'.")
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
            raise InvalidValue(f"An RBM takes a fixed number of visible units, {self.labels} or more; got {visible}.")
        self.kernel = self.add_weight(
            shape=(visible, self.hidden),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            name="kernel",
        )
        self.visible_bias = self.add_weight(
            shape=(visible,), initializer=self.visible_bias_initializer, name="visible_bias"
        )
        self.hidden_bias = self.add_weight(
            shape=(self.hidden,), initializer=self.hidden_bias_initializer, name="hidden_bias"
        )

    def call(self, inputs: Any) -> Any:
        return ops.sigmoid(self.hidden_input(inputs))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.hidden)

    def hidden_input(self, v: Any) -> Any:
        """Returns what comes into the hidden units, `c + v'W / s`: the log-odds of P(h = 1 | v).

        Args:
            v: Visible states or probabilities, `(batch, visible)`.

        Returns:
            `(batch, hidden)`.
        """
        v = ops.convert_to_tensor(v, self.compute_dtype)
        return self.hidden_bias + ops.matmul(v / self.sigma if self.sigma != 1 else v, self.kernel)

    def visible_mean(self, h: Any) -> Any:
        """Returns E(v | h): P(v = 1 | h) of Bernoulli units, the softmax of a label group.

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
        """Draws h from P(h | v); shapes as in `hidden_input`."""
        return (sampler or self.sampler).bernoulli(self(v))

    def sample_visible(self, h: Any, sampler: Sampler | None = None) -> Any:
        """Draws v from P(v | h); shapes as in `visible_mean`."""
        return self._sample_visible_at(self.visible_mean(h), sampler or self.sampler)

    def gibbs_step(self, v: Any, sampler: Sampler | None = None) -> tuple[Any, Any]:
        """Draws h given v, then v given h.

        Args:
            v: Visible states, `(batch, visible)`.
            sampler: Source of randomness. Defaults to the layer's own.

        Returns:
            The new visible states and the means that they were drawn from, `(batch, visible)` both.
        """
        mean = self.visible_mean(self.sample_hidden(v, sampler))
        return self._sample_visible_at(mean, sampler or self.sampler), mean

    def gibbs(self, v: Any, k: int = 1) -> Any:
        """Returns the visible states after `k` steps of Gibbs sampling from `v`."""
        for _ in range(check("k", k, Annotated[int, at_least(1)])):
            v, _ = self.gibbs_step(v)
        return v

    def gibbs_from_hidden(self, h: Any, k: int) -> Any:
        """Returns the hidden states after `k` steps from `h`; each draws v given h, then h given v."""
        for _ in range(k):
            h = self.sample_hidden(self.sample_visible(h))
        return h

    def bernoulli(self, probabilities: Any) -> Any:
        """Draws zeros and ones with these probabilities."""
        return self.sampler.bernoulli(probabilities)

    def _sample_visible_at(self, mean: Any, sampler: Sampler) -> Any:
        if self.visible == "gaussian":
            return sampler.normal(mean, self.sigma)
        if not self.labels:
            return sampler.bernoulli(mean)
        label = sampler.one_hot(ops.log(mean[:, -self.labels :] + keras.config.epsilon()))
        return ops.concatenate([sampler.bernoulli(mean[:, : -self.labels]), label], axis=-1)

    def reconstruct(self, v: Any) -> Any:
        """Returns E(v | h) with h at its mean given `v`, without sampling."""
        return self.visible_mean(self(v))

    def energy(self, v: Any, h: Any) -> Any:
        """Returns the energy of states of both layers, `(batch,)`."""
        v, h = (ops.convert_to_tensor(each, self.compute_dtype) for each in (v, h))
        return self._visible_energy(v, self.visible_bias) - ops.sum(h * self.hidden_input(v), axis=-1)

    def free_energy(self, v: Any) -> Any:
        """Returns F(v) with p(v) = exp(-F(v)) / Z.

        Args:
            v: Visible states, `(batch, visible)`.

        Returns:
            `(batch,)`, in nats.
        """
        v = ops.convert_to_tensor(v, self.compute_dtype)
        return self._visible_energy(v, self.visible_bias) - ops.sum(ops.softplus(self.hidden_input(v)), axis=-1)

    def free_energy_of(self, v: Any, hidden_input: Any) -> Any:
        """Returns F(v) where what comes into the hidden units is known already.

        No gradient goes to `v`. That to the parameters is the expected one of the energy, for the weights
        `-v P(h = 1 | v)'`, by one matrix product for all examples: twice as fast as to follow `hidden_input` back.
        """
        v, hidden_input = ops.stop_gradient(v), ops.stop_gradient(hidden_input)
        h = ops.sigmoid(hidden_input)

        @ops.custom_gradient
        def energies(kernel: Any, visible_bias: Any, hidden_bias: Any) -> Any:
            def gradient(*upstream: Any) -> tuple[Any, Any, Any]:
                weight = ops.cast(upstream[-1], v.dtype)[:, None]
                on_hidden = -weight * h
                on_visible = -weight * (v - ops.cast(visible_bias, v.dtype) if self.visible == "gaussian" else v)
                slopes = (
                    ops.matmul(ops.transpose(v / self.sigma if self.sigma != 1 else v), on_hidden),
                    ops.sum(on_visible / self.sigma**2 if self.sigma != 1 else on_visible, axis=0),
                    ops.sum(on_hidden, axis=0),
                )
                return tuple(ops.cast(slope, kernel.dtype) for slope in slopes)

            # The logarithm of 1 + exp(x) is x's positive part less that of the likelier state's probability.
            softplus = ops.relu(hidden_input) - ops.log(ops.maximum(h, 1 - h))
            return self._visible_energy(v, visible_bias) - ops.sum(softplus, axis=-1), gradient

        # TensorFlow wants tensors here; `convert_to_tensor` returns a variable as it is.
        return energies(*(ops.copy(each) for each in (self.kernel, self.visible_bias, self.hidden_bias)))

    def pseudo_log_likelihood(self, v: Any, unit: Any = None) -> Any:
        """Estimates the sum of log P(v_i | all other v) over the visible units from one unit an example.

        That unit's term times the number of units is an unbiased estimate of the sum.

        Args:
            v: Visible states, `(batch, visible)`; they are rounded to 0 and 1.
            unit: The unit's number, one for all examples; None draws one for each.

        Returns:
            `(batch,)`, in nats.

        Raises:
            InvalidValue: The visible units are not Bernoulli.
        """
        if self.visible != "bernoulli" or self.labels:
            raise InvalidValue("The pseudo-likelihood is that of Bernoulli visible units.")
        v = ops.round(ops.convert_to_tensor(v, self.compute_dtype))
        return self.pseudo_log_likelihood_of(v, self.hidden_input(v), unit)

    def pseudo_log_likelihood_of(self, v: Any, hidden_input: Any, unit: Any = None) -> Any:
        """Returns the same where what comes into the hidden units is known already; `v` is 0 or 1."""
        visible = v.shape[-1]
        if unit is None:
            unit = keras.random.randint((ops.shape(v)[0],), 0, visible, seed=self.seed_generator)
        unit = ops.broadcast_to(ops.convert_to_tensor(unit, "int32"), (ops.shape(v)[0],))
        state = ops.sum(v * ops.one_hot(unit, visible, dtype=v.dtype), axis=-1)
        change = 1 - 2 * state
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
        """Returns log Z, what the logarithms of the probabilities are short of.

        Args:
            method: `"exact"` enumerates the states of the smaller side, of at most 25 units; `"ais"`
                estimates by annealed importance sampling.
            data: Examples, `(examples, visible)`, near which the sampling starts; without them it starts
                at the visible biases.
            runs: Independent runs of the sampling.
            betas: Inverse temperatures from 0 to 1; None takes the 14,503 of Salakhutdinov and Murray.
            seed: Decides the sampling.

        Raises:
            InvalidValue: An argument out of range, or too many states to enumerate.

        >>> rbm = RBM(500, kernel_initializer="zeros")
        >>> rbm.build((None, 784))
        >>> round(rbm.log_partition(betas=[0, 1], runs=2).value, 3)  # 1284 ln 2
        890.001
        """
        gaussian = self.visible == "gaussian"
        kernel, visible_bias, hidden_bias = (
            ops.convert_to_numpy(each) for each in (self.kernel, self.visible_bias, self.hidden_bias)
        )
        parameters = rbm_likelihood.Parameters(
            kernel / self.sigma, visible_bias, hidden_bias, self.sigma if gaussian else None, self.labels
        )
        if check("method", method, Literal["exact", "ais"]) == "exact":
            return rbm_likelihood.exact(parameters)
        base = visible_bias
        if data is not None and not gaussian:
            data = np.asarray(data).reshape(len(data), -1)
            mean = (data.sum(0, dtype="float64") + 1) / (len(data) + 2)
            base = np.log(mean) if self.labels else np.log(mean / (1 - mean))
            if self.labels:
                base[: -self.labels] -= np.log1p(-mean[: -self.labels])
        runs = check("runs", runs, Annotated[int, at_least(1)])
        return rbm_likelihood.annealed(parameters, base=base, runs=runs, betas=betas, seed=check("seed", seed, Seed))

    def log_likelihood(self, v: Any, log_partition: LogPartition | float) -> Any:
        """Returns log p(v), in nats.

        Args:
            v: Visible states, `(batch, visible)`.
            log_partition: What `log_partition` returned.

        Returns:
            `(batch,)`.
        """
        value = log_partition.value if isinstance(log_partition, LogPartition) else log_partition
        return -self.free_energy(v) - value

    def _visible_energy(self, v: Any, visible_bias: Any) -> Any:
        if self.visible == "gaussian":
            return ops.sum(ops.square(v - visible_bias), axis=-1) / (2 * self.sigma**2)
        return -ops.matmul(v, visible_bias)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "hidden": self.hidden,
            "visible": self.visible,
            "labels": self.labels,
            "sigma": self.sigma,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "visible_bias_initializer": keras.initializers.serialize(self.visible_bias_initializer),
            "hidden_bias_initializer": keras.initializers.serialize(self.hidden_bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "seed": self.seed,
        }
