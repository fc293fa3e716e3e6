"""Many perceptrons trained at once, one per seed, in the symbols of Nielsen's chapter 2.

All networks of a shape are one stack of arrays: `w[l]` is `(seeds, n_in, n_out)`, `b[l]` is `(seeds, 1, n_out)`.
The numbers of a network do not depend on how many are trained beside it.

Nielsen, «Neural Networks and Deep Learning», 2015, chapter 2 (equations BP1 to BP4) and network2.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
import tensorflow as tf

Activation = Literal["sigmoid", "tanh", "relu"]
Initializer = Literal["nielsen", "glorot", "he"]


class Nets(NamedTuple):
    """A stack of perceptrons with sigmoid outputs.

    Args:
        w: Weights of each layer, `(seeds, n_in, n_out)`.
        b: Biases of each layer, `(seeds, 1, n_out)`.
    """

    w: tuple[tf.Tensor, ...]
    b: tuple[tf.Tensor, ...]


def initial_nets(sizes: Sequence[int], seeds: Sequence[int], initializer: Initializer = "nielsen") -> Nets:
    """Draws the initial weights of one network per seed.

    Args:
        sizes: Numbers of units of each layer, the inputs first, as in `[784, 30, 30, 10]`.
        seeds: Random seeds.
        initializer: `"nielsen"`: weights N(0, 1) / sqrt(n_in), biases N(0, 1); `"glorot"` and `"he"`:
            normal with variance 2 / (n_in + n_out) and 2 / n_in, biases 0.
    """
    variance = {
        "nielsen": lambda n_in, n_out: 1 / n_in,
        "glorot": lambda n_in, n_out: 2 / (n_in + n_out),
        "he": lambda n_in, n_out: 2 / n_in,
    }[initializer]

    def draw(seed: int) -> Nets:
        random = np.random.default_rng(seed)  # the order of network2.py: biases first, then rows of weights
        b = [random.standard_normal((1, n)) * (initializer == "nielsen") for n in sizes[1:]]
        w = [random.standard_normal((n_out, n_in)).T * variance(n_in, n_out) ** 0.5 for n_in, n_out in pairwise(sizes)]
        return Nets(tuple(w), tuple(b))

    return tf.nest.map_structure(lambda *arrays: tf.constant(np.stack(arrays), tf.float32), *map(draw, seeds))


def feed_forward(nets: Nets, x: tf.Tensor, activation: Activation) -> list[tf.Tensor]:
    """Returns the activations of every layer, `(seeds, examples, n)`, the inputs first.

    Args:
        nets: Networks.
        x: Inputs that all networks share, `(examples, n)`, or of each network, `(seeds, examples, n)`.
        activation: Activation of the hidden layers.
    """
    squash = {"sigmoid": tf.sigmoid, "tanh": tf.tanh, "relu": tf.nn.relu}[activation]
    a = [x]
    for layer, (w, b) in enumerate(zip(nets.w, nets.b, strict=True), start=1):
        # Shared inputs pass through all networks as one matrix product.
        z = (tf.einsum("ni,sio->sno", a[-1], w) if a[-1].shape.rank == 2 else a[-1] @ w) + b
        a.append(tf.sigmoid(z) if layer == len(nets.w) else squash(z))
    return a


def back_propagate(nets: Nets, a: Sequence[tf.Tensor], y: tf.Tensor, activation: Activation) -> list[tf.Tensor]:
    """Returns the error delta of every layer but the inputs, `(seeds, examples, n)`.

    Args:
        nets: Networks.
        a: Activations.
        y: Targets, one-hot, `(examples, n)` or `(seeds, examples, n)`.
        activation: Activation of the hidden layers.
    """
    slope = {
        "sigmoid": lambda a: a * (1 - a),
        "tanh": lambda a: 1 - a * a,
        "relu": lambda a: tf.cast(a > 0, a.dtype),
    }[activation]
    deltas = [a[-1] - y]  # BP1, with the cross-entropy
    for layer in range(len(nets.w) - 1, 0, -1):
        deltas.insert(0, tf.matmul(deltas[0], nets.w[layer], transpose_b=True) * slope(a[layer]))  # BP2
    return deltas


def speeds(deltas: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns the speed of learning of every hidden layer: the norm of its mean delta, `(seeds, layers)`."""
    return tf.stack([tf.norm(tf.reduce_mean(delta, axis=1), axis=-1) for delta in deltas[:-1]], axis=1)


def step(nets: Nets, a: Sequence[tf.Tensor], deltas: Sequence[tf.Tensor], *, eta: float, decay: float) -> Nets:
    """Returns the networks after a step of gradient descent: weights shrink by `decay`, biases do not.

    Args:
        nets: Networks.
        a: Activations.
        deltas: Errors.
        eta: Learning rate.
        decay: `1 - eta * lambda / n`.
    """
    examples = tf.cast(tf.shape(deltas[0])[1], tf.float32)
    w, b = [], []
    for layer, delta in enumerate(deltas):
        into = a[layer]
        shared = into.shape.rank == 2
        nabla_w = tf.einsum("ni,sno->sio", into, delta) if shared else tf.matmul(into, delta, transpose_a=True)  # BP4
        nabla_b = tf.reduce_sum(delta, axis=1, keepdims=True)  # BP3
        w.append(decay * nets.w[layer] - eta / examples * nabla_w)
        b.append(nets.b[layer] - eta / examples * nabla_b)
    return Nets(tuple(w), tuple(b))


def learning_speeds(
    nets: Nets, x: tf.Tensor, y: tf.Tensor, *, updates: int, activation: Activation, eta: float, lmbda: float
) -> tuple[Nets, tf.Tensor]:
    """Trains on the whole batch and measures the speed of learning before each update.

    Args:
        nets: Networks.
        x: Inputs, `(examples, n)`.
        y: Targets, one-hot, `(examples, n)`.
        updates: Number of updates.
        activation: Activation of the hidden layers.
        eta: Learning rate.
        lmbda: Factor lambda of the L2 penalty.

    Returns:
        The trained networks, and the speeds, `(updates, seeds, layers)`.
    """
    decay = 1 - eta * lmbda / x.shape[0]

    def body(update: tf.Tensor, nets: Nets, record: tf.TensorArray) -> tuple[tf.Tensor, Nets, tf.TensorArray]:
        a = feed_forward(nets, x, activation)
        deltas = back_propagate(nets, a, y, activation)
        return update + 1, step(nets, a, deltas, eta=eta, decay=decay), record.write(update, speeds(deltas))

    def loop() -> tuple[Nets, tf.Tensor]:
        shape = (nets.w[0].shape[0], len(nets.w) - 1)
        record = tf.TensorArray(tf.float32, size=updates, element_shape=shape)
        _, trained, filled = tf.while_loop(lambda update, *_: update < updates, body, (tf.constant(0), nets, record))
        return trained, filled.stack()

    return tf.function(loop, autograph=False).get_concrete_function()()


@tf.function(autograph=False, jit_compile=True)
def train_epoch(
    nets: Nets, x: tf.Tensor, y: tf.Tensor, order: tf.Tensor, *, activation: Activation, eta: float, lmbda: float
) -> Nets:
    """Trains for an epoch in batches.

    Args:
        nets: Networks.
        x: Inputs, `(examples, n)`.
        y: Targets, one-hot, `(examples, n)`.
        order: Rows of the examples in each network's batches, `(batches, seeds, batch)`.
        activation: Activation of the hidden layers.
        eta: Learning rate.
        lmbda: Factor lambda of the L2 penalty.
    """
    decay = 1 - eta * lmbda / x.shape[0]

    def body(batch: tf.Tensor, nets: Nets) -> tuple[tf.Tensor, Nets]:
        rows = order[batch]
        a = feed_forward(nets, tf.gather(x, rows), activation)
        deltas = back_propagate(nets, a, tf.gather(y, rows), activation)
        return batch + 1, step(nets, a, deltas, eta=eta, decay=decay)

    return tf.while_loop(lambda batch, _: batch < tf.shape(order)[0], body, (tf.constant(0), nets))[1]


def accuracies(nets: Nets, x: tf.Tensor, y: tf.Tensor, *, activation: Activation) -> tf.Tensor:
    """Returns each network's share of examples whose largest output is their label, `(seeds,)`."""
    guess = tf.argmax(feed_forward(nets, x, activation)[-1], axis=-1)
    return tf.reduce_mean(tf.cast(guess == y, tf.float32), axis=1)
