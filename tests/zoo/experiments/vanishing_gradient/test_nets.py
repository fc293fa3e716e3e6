"""Many networks at once equal single ones, and a plain NumPy version of the protocol."""

from itertools import pairwise

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.experiments.vanishing_gradient import nets as many_nets

SIZES = [12, 7, 6, 4]


@pytest.fixture
def examples():
    random = np.random.default_rng(0)
    x = random.uniform(size=(20, 12)).astype("float32")
    return x, np.eye(4, dtype="float32")[random.integers(4, size=20)]


def numpy_speeds(seed, x, y, *, updates, eta=0.1, lmbda=5.0):
    """Full-batch training by the book, in double precision; the norms before each update."""
    random = np.random.default_rng(seed)
    biases = [random.standard_normal((n, 1)) for n in SIZES[1:]]
    weights = [random.standard_normal((n, m)) / np.sqrt(m) for m, n in pairwise(SIZES)]
    rows = []
    for _ in range(updates):
        activations = [x.T.astype(np.float64)]
        for w, b in zip(weights, biases, strict=True):
            activations.append(1 / (1 + np.exp(-(w @ activations[-1] + b))))
        deltas = [activations[-1] - y.T]
        for w, a in zip(weights[:0:-1], activations[-2:0:-1], strict=True):
            deltas.insert(0, w.T @ deltas[0] * a * (1 - a))
        rows.append([np.linalg.norm(delta.mean(axis=1)) for delta in deltas[:-1]])
        for layer, delta in enumerate(deltas):
            weights[layer] = (1 - eta * lmbda / len(x)) * weights[layer] - eta * delta @ activations[layer].T / len(x)
            biases[layer] = biases[layer] - eta * delta.mean(axis=1, keepdims=True)
    return np.array(rows)


def test_the_speeds_of_learning_equal_those_of_the_book(examples):
    nets = many_nets.initial_nets(SIZES, [3, 8])
    _, speeds = many_nets.learning_speeds(
        nets, *map(tf.constant, examples), updates=30, activation="sigmoid", eta=0.1, lmbda=5.0
    )
    expected = np.stack([numpy_speeds(seed, *examples, updates=30) for seed in (3, 8)], axis=1)
    np.testing.assert_allclose(speeds, expected, rtol=1e-4)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu"])
@pytest.mark.parametrize("initializer", ["nielsen", "glorot", "he"])
def test_many_nets_at_once_equal_single_ones(examples, activation, initializer):
    def follow(seeds):
        nets = many_nets.initial_nets(SIZES, seeds, initializer)
        x, y = map(tf.constant, examples)
        nets, speeds = many_nets.learning_speeds(nets, x, y, updates=20, activation=activation, eta=0.1, lmbda=1.0)
        order = np.stack([np.random.default_rng(seed).permutation(20).reshape(4, 5) for seed in seeds], axis=1)
        nets = many_nets.train_epoch(nets, x, y, tf.constant(order), activation=activation, eta=0.1, lmbda=1.0)
        return speeds.numpy(), [w.numpy() for w in (*nets.w, *nets.b)]

    speeds, weights = follow([5, 1, 9])
    for place, seed in enumerate((5, 1, 9)):
        alone_speeds, alone_weights = follow([seed])
        np.testing.assert_allclose(alone_speeds[:, 0], speeds[:, place], rtol=1e-4, atol=1e-8)
        for alone, among in zip(alone_weights, weights, strict=True):
            np.testing.assert_allclose(alone[0], among[place], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu"])
def test_the_errors_equal_the_gradients_of_keras(examples, activation):
    nets = many_nets.initial_nets(SIZES, [2])
    hidden = [keras.layers.Dense(n, activation) for n in SIZES[1:-1]]
    model = keras.Sequential([keras.Input((12,)), *hidden, keras.layers.Dense(4, "sigmoid")])
    model.set_weights([p for w, b in zip(nets.w, nets.b, strict=True) for p in (w[0].numpy(), b[0, 0].numpy())])
    x, y = map(tf.constant, examples)
    with tf.GradientTape() as tape:
        loss = 4 * tf.reduce_mean(keras.losses.binary_crossentropy(y, model(x)))
    gradients = tape.gradient(loss, model.trainable_variables)
    a = many_nets.feed_forward(nets, x, activation)
    deltas = many_nets.back_propagate(nets, a, y, activation)
    stepped = many_nets.step(nets, a, deltas, eta=1.0, decay=1.0)
    for layer in range(3):
        np.testing.assert_allclose(nets.w[layer] - stepped.w[layer], gradients[2 * layer][None], atol=1e-6)
        np.testing.assert_allclose(nets.b[layer] - stepped.b[layer], gradients[2 * layer + 1][None, None], atol=1e-6)
    norms = [np.linalg.norm(gradients[2 * layer + 1]) for layer in range(2)]
    np.testing.assert_allclose(many_nets.speeds(deltas)[0], norms, rtol=1e-4)


def test_accuracy_is_the_share_of_correct_predictions(examples):
    nets = many_nets.initial_nets(SIZES, range(3))
    x, y = map(tf.constant, examples)
    outputs = many_nets.feed_forward(nets, x, "sigmoid")[-1].numpy()
    expected = (outputs.argmax(axis=-1) == examples[1].argmax(axis=1)).mean(axis=1)
    np.testing.assert_allclose(many_nets.accuracies(nets, x, tf.argmax(y, axis=1), activation="sigmoid"), expected)
