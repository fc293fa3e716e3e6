"""What an exported model can be asked: named functions, by family, on raw data and on numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from zoo.layers.gibbs import clamped_gibbs_step
from zoo.models.boltzmann_machine import BoltzmannMachine
from zoo.models.deep_belief_network import DeepBeliefNetwork

SCALAR = tf.TensorSpec([], tf.int32)


@dataclass(frozen=True)
class Signature:
    """One function of an exported model.

    Args:
        does: What it does, in a line.
        takes: Its inputs, in order.
        call: The function; it returns named tensors.
    """

    does: str
    takes: Mapping[str, tf.TensorSpec]
    call: Callable[..., dict[str, Any]]


def signatures(model: keras.Model, *, levels: int, scale: float) -> dict[str, Signature]:
    """Returns what a model can be asked.

    Args:
        model: Any Keras model with one input and one output.
        levels: What raw images, uint8, are divided by.
        scale: What a recipe multiplies the inputs by.
    """
    shape = tuple(model.input_shape[1:])
    images = len(shape) == 3
    name = "images" if images else "inputs"
    numbers = {name: tf.TensorSpec([None, *shape], tf.float32, name)}

    def scaled(x: Any) -> Any:
        return x * scale if scale != 1 else x

    def on_numbers(does: str, function: Callable[[Any], dict[str, Any]]) -> Signature:
        return Signature(does, numbers, lambda x: function(scaled(x)))

    does, answer = _answer(model)
    found = {}
    if images:
        raw = {name: tf.TensorSpec([None, *shape], tf.uint8, name)}
        found["serve"] = Signature(
            f"{does}, from images as the data set has them, uint8 from 0 to {levels}",
            raw,
            lambda x: answer(scaled(tf.cast(x, tf.float32) / levels)),
        )
        found["serve_float"] = on_numbers(f"{does}, from images in [0, 1]", answer)
    else:
        found["serve"] = on_numbers(does, answer)
    for key, (does, function) in _of_family(model, name).items():
        found[key] = on_numbers(does, function)
    if (code := _layer(model, "code")) is not None:
        decoder = _decoder(model, code)
        found["decode"] = Signature(
            "the images that codes stand for",
            {"code": tf.TensorSpec([None, *code.output.shape[1:]], tf.float32, "code")},
            lambda x: {name: decoder(x, training=False)},
        )
    if isinstance(model, BoltzmannMachine):
        found["sample"] = Signature(
            "images after steps of Gibbs sampling from others, and the means that they were drawn with",
            {**numbers, "steps": SCALAR, "seed": SCALAR},
            _gibbs(model, name),
        )
    if isinstance(model, DeepBeliefNetwork):
        found["sample"] = Signature(
            "images of given classes, after steps of Gibbs sampling in the top RBM",
            {"classes": tf.TensorSpec([None], tf.int32, "classes"), "steps": SCALAR, "seed": SCALAR},
            _dreams(model, name),
        )
    return found


def _answer(model: keras.Model) -> tuple[str, Callable[[Any], dict[str, Any]]]:
    """Returns what the model itself gives, in words, and as a function of what it takes."""
    if isinstance(model, BoltzmannMachine):
        return "the probabilities of the hidden units", lambda x: {"hidden": model(x, training=False)}
    if _layer(model, "code") is not None:
        return "the images that are given back", lambda x: {"reconstruction": model(x, training=False)}
    outputs = "scores" if _layer(model, "scores") is not None else "probabilities"

    def classify(x: Any) -> dict[str, Any]:
        y = model(x, training=False)
        return {outputs: y, "classes": tf.argmax(y, axis=-1)}

    return f"{outputs} of the classes, and the class of the greatest", classify


def _of_family(model: keras.Model, name: str) -> dict[str, tuple[str, Callable[[Any], dict[str, Any]]]]:
    """Returns, besides, what a family of models can be asked about an input."""
    found: dict[str, tuple[str, Callable[[Any], dict[str, Any]]]] = {}
    shape: tuple[int, ...] = tuple(model.input_shape[1:])

    def flat(x: Any) -> Any:
        return tf.reshape(x, [-1, math.prod(shape)])

    if isinstance(model, BoltzmannMachine):
        rbm = model.rbm
        found["hidden"] = ("P(h = 1 | v)", lambda x: {"hidden": rbm(flat(x))})
        found["reconstruct"] = (
            "E(v | h) with h at its mean given v",
            lambda x: {name: tf.reshape(rbm.reconstruct(flat(x)), [-1, *shape])},
        )
        found["free_energy"] = ("F(v), in nats", lambda x: {"free_energy": rbm.free_energy(flat(x))})
    elif isinstance(model, DeepBeliefNetwork):
        found["hidden"] = ("the codes that the top RBM sees", lambda x: {"hidden": model.codes(x)})
        found["reconstruct"] = (
            "the images that the codes generate",
            lambda x: {name: _images(model, model.sample_down(model.codes(x), None)[-1])},
        )
        found["free_energy"] = (
            "the free energy of the top RBM with the label of each class on, in nats",
            lambda x: {"free_energy": _label_energies(model, model.codes(x))},
        )
    elif (code := _layer(model, "code")) is not None:
        encoder = keras.Model(model.inputs, code.output)
        found["encode"] = ("the code", lambda x: {"code": encoder(x, training=False)})
    elif hidden := [layer for layer in model.layers if layer.name.startswith("hidden_")]:
        codes = keras.Model(model.inputs, hidden[-1].output)
        found["hidden"] = ("the last hidden layer", lambda x: {"hidden": codes(x, training=False)})
    if members := list(getattr(model, "members", ())):
        found["members"] = (
            "what each member gives, one after the other",
            lambda x: {"members": tf.stack([member(x, training=False) for member in members], axis=1)},
        )
    return found


def _layer(model: keras.Model, name: str) -> Any:
    return next((layer for layer in model.layers if layer.name == name), None)


def _decoder(model: keras.Model, code: keras.layers.Layer) -> keras.Model:
    inputs = outputs = keras.Input(code.output.shape[1:])
    for layer in model.layers[model.layers.index(code) + 1 :]:
        outputs = layer(outputs)
    return keras.Model(inputs, outputs)


class _StatelessSampler:
    """Samples TensorFlow's tensors; the same seed gives the same draws in every call of an exported function.

    Args:
        seed: Random seed, a scalar tensor.
        key: Number of the first draw. Draws with different numbers are independent.
        step: Difference between the numbers of consecutive draws. Defaults to 1.
    """

    def __init__(self, seed: Any, key: Any, step: int = 1) -> None:
        self.seed, self.key, self.step = seed, key, step
        self.sigmoid = tf.sigmoid

    def bernoulli(self, probabilities: Any) -> Any:
        noise = tf.random.stateless_uniform(tf.shape(probabilities), self._next())
        return tf.cast(noise < probabilities, probabilities.dtype)

    def normal(self, mean: Any, sigma: float) -> Any:
        return mean + sigma * tf.random.stateless_normal(tf.shape(mean), self._next())

    def one_hot(self, logits: Any) -> Any:
        # The unit with the greatest sum of its logit and Gumbel noise is a fair draw. The next key is another draw's.
        uniform = tf.random.stateless_uniform(tf.shape(logits), tf.stack([self.seed + 1, self.key]), minval=1e-20)
        unit = tf.argmax(logits - tf.math.log(-tf.math.log(uniform)), axis=-1)
        return tf.one_hot(unit, logits.shape[-1], dtype=logits.dtype)

    def _next(self) -> Any:
        key, self.key = self.key, self.key + self.step
        return tf.stack([self.seed, key])


def _gibbs(model: BoltzmannMachine, name: str) -> Callable[..., dict[str, Any]]:
    """Returns k steps of Gibbs sampling as a function that TensorFlow can serve."""
    rbm, shape = model.rbm, model.example_shape

    def sample(start: Any, steps: Any, seed: Any) -> dict[str, Any]:
        def step(number: Any, state: Any, _: Any) -> tuple[Any, Any, Any]:
            return number + 1, *rbm.gibbs_step(state, _StatelessSampler(seed, 2 * number))

        state = tf.reshape(start, [-1, math.prod(shape)])
        _, state, mean = tf.while_loop(lambda number, *_: number < steps, step, (tf.constant(0), state, state))
        return {name: tf.reshape(state, [-1, *shape]), "means": tf.reshape(mean, [-1, *shape])}

    return sample


def _dreams(model: DeepBeliefNetwork, name: str) -> Callable[..., dict[str, Any]]:
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
        return {name: _images(model, model.sample_down(state, _StatelessSampler(seed, -2, step=-1))[-1])}

    return sample


def _images(model: DeepBeliefNetwork, pixels: Any) -> Any:
    return tf.reshape(pixels, [-1, *model.example_shape])


def _label_energies(model: DeepBeliefNetwork, codes: Any) -> Any:
    top, units = model.top, model.hidden[-1]
    shared = tf.linalg.matvec(codes, tf.convert_to_tensor(top.visible_bias)[:units])
    total = top.hidden_bias + tf.matmul(codes, top.kernel[:units])
    shared += tf.reduce_sum(tf.nn.softplus(total), axis=-1)
    return -shared[:, None] - model.label_scores(codes)
