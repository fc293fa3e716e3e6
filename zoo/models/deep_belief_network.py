"""The deep belief network that generates: directed layers under an RBM that knows the labels.

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
from zoo.utils.constraints import Seed, at_least, check


@keras.saving.register_keras_serializable("zoo")
class DeepBeliefNetwork(keras.Model):
    """A deep belief network with label units; called, it gives the probability of each class.

    The labels join the highest of the `hidden` layers below the top RBM. Each lower layer has weights
    that recognise (upwards) and weights that generate (downwards); `fit(x, y)` trains both by the
    up-down algorithm, the contrastive form of wake-sleep. A class's probability follows from the free
    energy of the top RBM with that label on.

    Args:
        input_shape: Shape of one example, in [0, 1]; it is flattened.
        classes: Number of classes.
        hidden: Units of the directed layers, from the input up.
        top: Hidden units of the top RBM.
        k: Steps of Gibbs sampling in the top RBM, an update.
        seed: Decides what is sampled; None draws it from Keras' global seed.

    Raises:
        InvalidValue: An argument of the wrong type or out of range.

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
        super().__init__(**options)
        self._flatten = keras.layers.Flatten(name="flatten")
        self.example_shape = check("input_shape", input_shape, tuple[int, ...])
        self.classes = check("classes", classes, Annotated[int, at_least(2)])
        self.hidden = check("hidden", hidden, tuple[int, ...])
        self.k = check("k", k, Annotated[int, at_least(1)])
        self.seed = check("seed", seed, Seed | None)
        widths = (int(np.prod(self.example_shape)), *self.hidden)
        self.recognition = [
            keras.layers.Dense(width, "sigmoid", name=f"recognition_{number}")
            for number, width in enumerate(self.hidden, start=1)
        ]
        self.generation = [
            keras.layers.Dense(width, "sigmoid", name=f"generation_{number}")
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
        """Shape of what it takes, as in Keras' functional models."""
        return (None, *self.example_shape)

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """Shape of what it gives."""
        return (None, self.classes)

    def call(self, inputs: Any) -> Any:
        return ops.softmax(self.label_scores(self.codes(inputs)))

    def codes(self, x: Any) -> Any:
        """Returns the probabilities of the highest directed layer's units, without sampling.

        Args:
            x: Examples, `(batch, *input_shape)`.

        Returns:
            `(batch, hidden[-1])`.
        """
        h = self._flatten(x)
        for layer in self.recognition:
            h = layer(h)
        return h

    def label_scores(self, codes: Any) -> Any:
        """Returns minus the free energy of the top RBM with each label on, up to what they share.

        Args:
            codes: What `codes` returned.

        Returns:
            `(batch, classes)`.
        """
        top, units = self.top, self.hidden[-1]
        total = top.hidden_bias + ops.matmul(codes, top.kernel[:units])
        bias, without = top.visible_bias[units:], ops.softplus(total)
        # Unit by unit: the sum over all units is so large that single precision would lose the differences.
        scores = [
            bias[label] + ops.sum(ops.softplus(total + top.kernel[units + label]) - without, axis=-1)
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
        wake = self.sample_up(ops.cast(self._flatten(x), top.compute_dtype), top.sampler)
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
        return loss * _one_once_known(loss) / replicas_of(self)

    def sample_up(self, x: Any, sampler: Sampler) -> list[Any]:
        """Returns the states of the input and of each directed layer above it, recognized one from the other.

        Args:
            x: Flat examples, `(batch, pixels)`.
            sampler: Source of randomness.
        """
        states = [x]
        for up in self.recognition:
            states.append(sampler.bernoulli(ops.stop_gradient(up(states[-1]))))
        return states

    def sample_down(self, state: Any, sampler: Sampler | None) -> list[Any]:
        """Returns a state of the highest directed layer and what each layer below generates from it.

        Args:
            state: States of the highest directed layer, `(batch, hidden[-1])`.
            sampler: Source of randomness; None takes the mean of each layer.

        Returns:
            From the top down; the last ones are the probabilities of the pixels, `(batch, pixels)`.
        """
        states = [state]
        for down in reversed(self.generation):
            below = ops.stop_gradient(down(states[-1]))
            states.append(below if sampler is None or down is self.generation[0] else sampler.bernoulli(below))
        return states

    def generate(self, labels: Any, *, steps: int = 1000, seed: int = 0) -> np.ndarray:
        """Draws examples of given classes: Gibbs sampling in the top RBM with the label held, then one way down.

        The chains start, as in section 7 of the paper, at what a random image gives on the way up.

        Args:
            labels: A class for each example to draw, `(n,)`.
            steps: Steps of Gibbs sampling.
            seed: Decides the draw.

        Returns:
            `(n, *input_shape)`, the probabilities of the pixels.

        Raises:
            InvalidValue: A label that there is not.
        """
        labels = np.asarray(labels, "int64").reshape(-1)
        if len(labels) == 0 or labels.min() < 0 or labels.max() >= self.classes:
            raise InvalidValue(f"labels must be whole numbers from 0 to {self.classes - 1}; got {labels.tolist()}.")
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


def _one_once_known(loss: Any) -> Any:
    """Returns 1 when the whole loss is known, so that no gradient is, and no weight changes, any earlier.

    The generating weights' gradient is known on the way up already; seen: TensorFlow 2.21 changed them while the way
    down still computed with them, in one step of twenty on a busy machine.
    """
    finite = ops.isfinite(ops.stop_gradient(loss))
    return ops.cast(ops.where(finite, 1.0, float("nan")), loss.dtype)


def _cross_entropy(target: Any, logits: Any) -> Any:
    """Returns the cross-entropy of Bernoulli units, added up over them: `(batch,)`."""
    return ops.sum(ops.softplus(logits) - ops.stop_gradient(target) * logits, axis=-1)
