"""The generative deep belief network: directed layers below an RBM with label units.

Hinton, Osindero and Teh, «A fast learning algorithm for deep belief nets», Neural Computation 18, 2006.
"""

from __future__ import annotations

from typing import Annotated, Any

import keras
import numpy as np
from keras import ops

from zoo.errors import InvalidValue
from zoo.layers.gibbs import NumpySampler, Sampler, clamped_gibbs_step
from zoo.layers.rbm import RBM
from zoo.models.boltzmann_machine import free_energies, mean_over_examples, replicas_of
from zoo.models.visible_data import adapt_before_fit, check_values, summarize
from zoo.utils.constraints import Seed, at_least, check


@keras.saving.register_keras_serializable("zoo")
class DeepBeliefNetwork(keras.Model):
    """A deep belief network with label units. A call returns the probability of each class.

    The visible units of the top RBM are the labels and the highest of the `hidden` layers. Each lower layer has
    recognition weights (upwards) and generation weights (downwards), which `fit(x, y)` trains by the up-down algorithm,
    a contrastive form of wake-sleep. The probability of a class follows from the free energy of the top RBM with its
    label on.

    Args:
        input_shape: Shape of one example with values in [0, 1], which is flattened.
        classes: Number of classes.
        hidden: Number of units of each directed layer, from the input upwards.
        top: Number of hidden units of the top RBM.
        k: Number of Gibbs steps in the top RBM per update. Defaults to 1.
        seed: Random seed of the sampling. Defaults to None, which draws it from Keras' global seed.

    Raises:
        InvalidValue: An argument has the wrong type or is out of range.

    >>> import numpy as np
    >>> model = DeepBeliefNetwork(input_shape=(8, 8, 1), classes=10, hidden=(32, 32), top=64)
    >>> tuple(model(np.zeros((2, 8, 8, 1), "float32")).shape)
    (2, 10)
    >>> model.generate([3, 7], steps=5).shape
    (2, 8, 8, 1)
    """

    def __init__(
        self,
        *,
        input_shape: tuple[int, ...],
        classes: int,
        hidden: tuple[int, ...] = (500, 500),
        top: int = 2000,
        k: int = 1,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        dtype = keras.config.dtype_policy().variable_dtype  # as in an RBM
        super().__init__(**{"dtype": dtype, **options})
        self._flatten = keras.layers.Flatten(name="flatten")
        self.example_shape = check("input_shape", input_shape, tuple[int, ...])
        self.classes = check("classes", classes, Annotated[int, at_least(2)])
        self.hidden = check("hidden", hidden, tuple[int, ...])
        self.k = check("k", k, Annotated[int, at_least(1)])
        self.seed = check("seed", seed, Seed | None)
        self.is_adapted = False
        widths = (int(np.prod(self.example_shape)), *self.hidden)
        self.recognition = [
            keras.layers.Dense(width, "sigmoid", dtype=dtype, name=f"recognition_{number}")
            for number, width in enumerate(self.hidden, start=1)
        ]
        self.generation = [
            keras.layers.Dense(width, "sigmoid", dtype=dtype, name=f"generation_{number}")
            for number, width in enumerate(widths[:-1], start=1)
        ]
        self.top = RBM(check("top", top, Annotated[int, at_least(1)]), labels=self.classes, seed=self.seed, name="top")
        self.build((None, *self.example_shape))

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        widths = (int(np.prod(self.example_shape)), *self.hidden)
        for up, down, below, above in zip(self.recognition, self.generation, widths[:-1], widths[1:], strict=True):
            up.build((None, below))
            down.build((None, above))
        self.top.build((None, widths[-1] + self.classes))
        self.built = True

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """Shape of the inputs, as in Keras' functional models."""
        return (None, *self.example_shape)

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """Shape of the outputs."""
        return (None, self.classes)

    def call(self, inputs: Any) -> Any:
        return ops.softmax(self.label_scores(self.codes(inputs)))

    def _visible(self, x: Any) -> Any:
        return self._flatten(ops.convert_to_tensor(x, sparse=False))

    def fit(self, x: Any = None, y: Any = None, **options: Any) -> keras.callbacks.History:
        """Trains the model as Keras does, after `adapt(x)`."""
        adapt_before_fit(self, x, steps=options.get("steps_per_epoch"))
        return super().fit(x, y, **options)

    fit.only_adapts = True  # type: ignore[attr-defined]  # so that `zoo.training.fit` need not call it

    def adapt(self, x: Any, *, steps: int | None = None) -> None:
        """Checks the data, as `BoltzmannMachine.adapt` does; nothing is initialized by them.

        Args:
            x: All examples, `(examples, *input_shape)`, or batches of them.
            steps: Number of batches to read of data without an end. Defaults to None.

        Raises:
            InvalidValue: The data have another shape, are not finite, or are outside [0, 1].
        """
        check_values(self.name, summarize(self.name, x, self.example_shape, steps=steps))
        self.is_adapted = True

    def codes(self, x: Any) -> Any:
        """Returns the probabilities of the units of the highest directed layer, without sampling.

        Args:
            x: Examples, `(batch, *input_shape)`.

        Returns:
            `(batch, hidden[-1])`.
        """
        h = self._visible(x)
        for layer in self.recognition:
            h = layer(h)
        return h

    def label_scores(self, codes: Any) -> Any:
        """Returns the negative free energy of the top RBM for each label, up to a common constant.

        Args:
            codes: Result of `codes`.

        Returns:
            `(batch, classes)`.
        """
        top, units = self.top, self.hidden[-1]
        total = top.hidden_bias + ops.matmul(codes, top.kernel[:units])
        bias, baseline = top.visible_bias[units:], ops.softplus(total)
        # The difference is computed per unit, because in single precision the sums over units would lose it.
        scores = [
            bias[label] + ops.sum(ops.softplus(total + top.kernel[units + label]) - baseline, axis=-1)
            for label in range(self.classes)
        ]
        return ops.stack(scores, axis=-1)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Returns a loss whose gradient is that of the up-down algorithm, appendix B of the paper."""
        top = self.top
        weight = None if sample_weight is None else ops.cast(sample_weight, top.compute_dtype)
        label = ops.one_hot(ops.cast(ops.reshape(y, (-1,)), "int32"), self.classes, dtype=top.compute_dtype)

        # Up: the recognized states teach the generative weights.
        loss = 0.0
        wake = self.sample_up(ops.cast(self._visible(x), top.compute_dtype), top.sampler)
        for down, below, above in zip(self.generation, wake, wake[1:], strict=False):
            loss = loss + mean_over_examples(_cross_entropy(below, _logits(down, above)), weight)

        # At the top: contrastive divergence, with the label.
        data = ops.concatenate([wake[-1], label], axis=-1)
        total = top.hidden_input(data)
        h = top.bernoulli(ops.stop_gradient(ops.sigmoid(total)))
        end = ops.stop_gradient(top.sample_visible(top.gibbs_from_hidden(h, self.k - 1)))
        energy, chain_energy = free_energies(top, data, total, end)
        loss = loss + mean_over_examples(energy, weight) - mean_over_examples(chain_energy, weight)

        # Down: the generated states teach the recognition weights.
        sleep = self.sample_down(end[:, : self.hidden[-1]], top.sampler)
        for up, above, below in zip(reversed(self.recognition), sleep, sleep[1:], strict=False):
            loss = loss + mean_over_examples(_cross_entropy(above, _logits(up, below)), weight)
        return loss * _one_after(loss) / replicas_of(self)

    def sample_up(self, x: Any, sampler: Sampler) -> list[Any]:
        """Returns the input and the states of each directed layer, each sampled from the layer below.

        Args:
            x: Flat examples, `(batch, pixels)`.
            sampler: Source of randomness.
        """
        states = [x]
        for up in self.recognition:
            states.append(sampler.bernoulli(ops.stop_gradient(up(states[-1]))))
        return states

    def sample_down(self, state: Any, sampler: Sampler | None) -> list[Any]:
        """Returns the states of the highest directed layer and those generated in each layer below.

        Args:
            state: States of the highest directed layer, `(batch, hidden[-1])`.
            sampler: Source of randomness, or None for the mean of each layer.

        Returns:
            States from the top down. The last are the probabilities of the pixels, `(batch, pixels)`.
        """
        states = [state]
        for down in reversed(self.generation):
            below = ops.stop_gradient(down(states[-1]))
            states.append(below if sampler is None or down is self.generation[0] else sampler.bernoulli(below))
        return states

    def generate(self, labels: Any, *, steps: int = 1000, seed: int = 0) -> np.ndarray:
        """Generates examples of given classes by Gibbs sampling in the top RBM with clamped labels.

        As in section 7 of the paper, the chains start from the codes of a random image.

        Args:
            labels: Class of each example, `(n,)`.
            steps: Number of Gibbs steps. Defaults to 1000.
            seed: Random seed. Defaults to 0.

        Returns:
            Probabilities of the pixels, `(n, *input_shape)`.

        Raises:
            InvalidValue: A label is out of range.
        """
        labels = np.asarray(labels, "int64").reshape(-1)
        if len(labels) == 0 or labels.min() < 0 or labels.max() >= self.classes:
            raise InvalidValue(f"labels must be integers from 0 to {self.classes - 1}; got {labels.tolist()}.")
        steps = check("steps", steps, Annotated[int, at_least(1)])
        sampler = NumpySampler(np.random.default_rng(check("seed", seed, Seed)))
        units = self.hidden[-1]
        kernel, visible_bias, hidden_bias = (
            ops.convert_to_numpy(weight) for weight in (self.top.kernel, self.top.visible_bias, self.top.hidden_bias)
        )
        conditionals = {
            "kernel": kernel[:units],
            "kernel_transposed": kernel[:units].T,
            "visible_bias": visible_bias[:units],
            "hidden_bias": hidden_bias + kernel[units + labels],
        }
        image = sampler.bernoulli(np.full((len(labels), int(np.prod(self.example_shape))), 0.5))
        state = self.sample_up(image, sampler)[-1]
        for _ in range(steps):
            state = clamped_gibbs_step(state, sampler, **conditionals)
        return ops.convert_to_numpy(self.sample_down(state, sampler)[-1]).reshape(-1, *self.example_shape)

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "input_shape": self.example_shape,
            "classes": self.classes,
            "hidden": self.hidden,
            "top": self.top.hidden,
            "k": self.k,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DeepBeliefNetwork:
        return cls(**config)


def _logits(layer: keras.layers.Dense, inputs: Any) -> Any:
    return ops.matmul(inputs, layer.kernel) + layer.bias


def _one_after(loss: Any) -> Any:
    """Returns 1, computed from the loss, so that no weight changes before the whole loss is available.

    The gradient of the generation weights is available before the downward pass. On a busy machine, TensorFlow 2.21
    updated these weights in one step of twenty while the downward pass still used them.
    """
    finite = ops.isfinite(ops.stop_gradient(loss))
    return ops.cast(ops.where(finite, 1.0, float("nan")), loss.dtype)


def _cross_entropy(target: Any, logits: Any) -> Any:
    """Returns the cross-entropy of Bernoulli units, summed over the units, `(batch,)`."""
    return ops.sum(ops.softplus(logits) - ops.stop_gradient(target) * logits, axis=-1)
