"""The functions of the models of the zoo beside prediction: codes, reconstructions, samples, members."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from zoo.layers.gibbs import clamped_gibbs_step
from zoo.models.boltzmann_machine import BoltzmannMachine
from zoo.models.deep_belief_network import DeepBeliefNetwork

Function = Callable[[Any], dict[str, Any]]


def family_functions(
    model: keras.Model, name: str, members: Sequence[keras.Model] = ()
) -> dict[str, tuple[str, Function]]:
    """Returns the functions of a model on its inputs, each with its description.

    Args:
        model: A model of the zoo, or the mean of `members`.
        name: Name of its inputs.
        members: Models whose mean it is. Defaults to none.
    """
    shape: tuple[int, ...] = tuple(model.input_shape[1:])
    functions: dict[str, tuple[str, Function]] = {}

    def flatten(x: Any) -> Any:
        return tf.reshape(x, [-1, math.prod(shape)])

    if isinstance(model, BoltzmannMachine):
        rbm = model.rbm
        functions = {
            "hidden": ("P(h = 1 | v)", lambda x: {"hidden": rbm(flatten(x))}),
            "reconstruct": (
                "E(v | h) for the mean of h given v",
                lambda x: {name: tf.reshape(rbm.reconstruct(flatten(x)), [-1, *shape])},
            ),
            "free_energy": ("F(v), in nats", lambda x: {"free_energy": rbm.free_energy(flatten(x))}),
        }
    elif isinstance(model, DeepBeliefNetwork):
        functions = {
            "hidden": ("codes in the visible units of the top RBM", lambda x: {"hidden": model.codes(x)}),
            "reconstruct": (
                "images generated from the codes",
                lambda x: {name: _to_images(model, model.sample_down(model.codes(x), None)[-1])},
            ),
            "free_energy": (
                "free energy of the top RBM for each class, in nats",
                lambda x: {"free_energy": _class_energies(model, model.codes(x))},
            ),
        }
    elif (code := find_layer(model, "code")) is not None:
        encoder = keras.Model(model.inputs, code.output)
        functions["encode"] = ("codes", lambda x: {"code": encoder(x, training=False)})
    elif hidden := [layer for layer in model.layers if layer.name.startswith("hidden_")]:
        codes = keras.Model(model.inputs, hidden[-1].output)
        functions["hidden"] = ("outputs of the last hidden layer", lambda x: {"hidden": codes(x, training=False)})
    if members:
        functions["members"] = (
            "outputs of each member",
            lambda x: {"members": tf.stack([member(x, training=False) for member in members], axis=1)},
        )
    return functions


def find_layer(model: keras.Model, name: str) -> Any:
    """Returns the layer of a name, or None."""
    return next((layer for layer in model.layers if layer.name == name), None)


def decoder(model: keras.Model, code: keras.layers.Layer) -> Function:
    """Returns the layers after the code as a function."""
    layers = model.layers[model.layers.index(code) + 1 :]

    def decode(x: Any) -> Any:
        for layer in layers:
            x = layer(x, training=False)
        return x

    return decode


class _StatelessSampler:
    """Samples TensorFlow tensors. The same seed gives the same draws in every call of an exported function.

    Args:
        seed: Random seed, a scalar tensor.
        key: Number of the first draw. Draws with different numbers are independent.
        step: Difference between the numbers of consecutive draws. Defaults to 1.
    """

    def __init__(self, seed: Any, key: Any, step: int = 1) -> None:
        self.seed, self.key, self.step = seed, key, step
        self.sigmoid = tf.sigmoid

    def bernoulli(self, probabilities: Any) -> Any:
        noise = tf.random.stateless_uniform(tf.shape(probabilities), self._next_seed(), dtype=probabilities.dtype)
        return tf.cast(noise < probabilities, probabilities.dtype)

    def normal(self, mean: Any, sigma: float) -> Any:
        return mean + sigma * tf.random.stateless_normal(tf.shape(mean), self._next_seed(), dtype=mean.dtype)

    def one_hot(self, logits: Any) -> Any:
        # The unit with the largest sum of logit and Gumbel noise follows the softmax. The next key is another draw's.
        uniform = tf.random.stateless_uniform(tf.shape(logits), tf.stack([self.seed + 1, self.key]), minval=1e-20)
        unit = tf.argmax(logits - tf.math.log(-tf.math.log(uniform)), axis=-1)
        return tf.one_hot(unit, logits.shape[-1], dtype=logits.dtype)

    def _next_seed(self) -> Any:
        key, self.key = self.key, self.key + self.step
        return tf.stack([self.seed, key])


def sample_rbm(model: BoltzmannMachine, name: str) -> Callable[..., dict[str, Any]]:
    """Returns Gibbs sampling as a function that TensorFlow can serve."""
    rbm, shape = model.rbm, model.example_shape

    def sample(start: Any, steps: Any, seed: Any) -> dict[str, Any]:
        def step(number: Any, state: Any, _: Any) -> tuple[Any, Any, Any]:
            return number + 1, *rbm.gibbs_step(state, _StatelessSampler(seed, 2 * number))

        state = tf.reshape(start, [-1, math.prod(shape)])
        _, state, mean = tf.while_loop(lambda number, *_: number < steps, step, (tf.constant(0), state, state))
        return {name: tf.reshape(state, [-1, *shape]), "means": tf.reshape(mean, [-1, *shape])}

    return sample


def sample_dbn(model: DeepBeliefNetwork, name: str) -> Callable[..., dict[str, Any]]:
    """Returns `DeepBeliefNetwork.generate` as a function that TensorFlow can serve."""
    top, units, layers = model.top, model.hidden[-1], len(model.generation)

    def sample(labels: Any, steps: Any, seed: Any) -> dict[str, Any]:
        kernel = tf.convert_to_tensor(top.kernel)
        conditionals = {
            "kernel": kernel[:units],
            "kernel_transposed": tf.transpose(kernel[:units]),
            "visible_bias": top.visible_bias[:units],
            "hidden_bias": top.hidden_bias + tf.gather(kernel[units:], labels),
        }

        def step(number: Any, state: Any) -> tuple[Any, Any]:
            return number + 1, clamped_gibbs_step(state, _StatelessSampler(seed, 2 * number), **conditionals)

        pixels = tf.fill([tf.shape(labels)[0], math.prod(model.example_shape)], 0.5)
        image = _StatelessSampler(seed, -1).bernoulli(pixels)
        state = model.sample_up(image, _StatelessSampler(seed, -2 - layers, step=-1))[-1]
        _, state = tf.while_loop(lambda number, *_: number < steps, step, (tf.constant(0), state))
        return {name: _to_images(model, model.sample_down(state, _StatelessSampler(seed, -2, step=-1))[-1])}

    return sample


def _to_images(model: DeepBeliefNetwork, pixels: Any) -> Any:
    return tf.reshape(pixels, [-1, *model.example_shape])


def _class_energies(model: DeepBeliefNetwork, codes: Any) -> Any:
    top, units = model.top, model.hidden[-1]
    shared = tf.linalg.matvec(codes, tf.convert_to_tensor(top.visible_bias)[:units])
    total = top.hidden_bias + tf.matmul(codes, top.kernel[:units])
    shared += tf.reduce_sum(tf.nn.softplus(total), axis=-1)
    return -shared[:, None] - model.label_scores(codes)
