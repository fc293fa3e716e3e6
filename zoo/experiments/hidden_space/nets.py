"""Networks with one hidden layer, and their two stages."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from zoo.datasets import Dataset
from zoo.loop.evaluating import evaluate
from zoo.models.families.mlp import MODERN
from zoo.training.in_memory import train_in_memory

# Random biases, so that not all lines start through the origin; and a penalty on large weights, without which the
# units become steps and the points of the hidden space lie on each other.
OPTIONS = {"activation": "sigmoid", "initializer": "nielsen"}
IN_THE_PLANE = replace(MODERN, options={**OPTIONS, "l2": 3e-5}, learning_rate=0.1)
ELSEWHERE = replace(MODERN, options={**OPTIONS, "l2": 3e-4}, learning_rate=0.01)


class Stages(NamedTuple):
    """The two stages of a network: u = S(xW + b), then the scores uV + c, the largest of which is the class.

    Args:
        w: Weights of the hidden units, `(inputs, hidden)`.
        b: Biases of the hidden units, `(hidden,)`.
        v: Weights of the output units, `(hidden, classes)`.
        c: Biases of the output units, `(classes,)`.
    """

    w: np.ndarray
    b: np.ndarray
    v: np.ndarray
    c: np.ndarray

    def hidden(self, x: np.ndarray) -> np.ndarray:
        """Returns the activations of the hidden units, `(examples, hidden)`."""
        z = x.reshape(len(x), -1) @ self.w + self.b
        return 0.5 + 0.5 * np.tanh(z / 2)  # the sigmoid, whose exponential would overflow

    def scores(self, u: np.ndarray) -> np.ndarray:
        """Returns the score of each class at points of the hidden space, `(examples, classes)`."""
        return u @ self.v + self.c

    def edge_on(self, u: np.ndarray) -> np.ndarray:
        """Returns points of the hidden space as they are seen along the plane between two classes.

        Args:
            u: Points, `(examples, hidden)`.

        Returns:
            `(examples, 2)`: the distance from the plane, positive for class 1; and the direction within the plane in
            which the points spread most.
        """
        normal, offset = self.v[:, 1] - self.v[:, 0], self.c[1] - self.c[0]
        length = np.linalg.norm(normal)
        distance = (u @ normal + offset) / length
        within = u - distance[:, None] * normal / length
        widest = np.linalg.svd(within - within.mean(axis=0), full_matrices=False)[2][0]
        return np.stack([distance, within @ widest], axis=1)


class Net(NamedTuple):
    """A trained network.

    Args:
        dataset: Name of its data set.
        hidden: Number of its hidden units.
        seed: Random seed of its initial weights and of the order of the examples.
        train_loss: Loss on the training examples, the penalty on the weights included.
        train_accuracy: Accuracy on the training examples.
        test_accuracy: Accuracy on the test examples.
        stages: Its weights.
    """

    dataset: str
    hidden: int
    seed: int
    train_loss: float
    train_accuracy: float
    test_accuracy: float
    stages: Stages


def train_net(data: Dataset, hidden: int, *, in_the_plane: bool, seed: int, updates: int) -> Net:
    """Trains a network with one layer of sigmoid units.

    Args:
        data: Data set.
        hidden: Number of hidden units.
        in_the_plane: Whether the data are points in the plane.
        seed: Random seed. Keras' global seed is set.
        updates: Number of updates, rounded up to whole epochs.
    """
    model, _ = train_in_memory(
        "shallow_mlp", data.train.x, data.train.y, recipe=IN_THE_PLANE if in_the_plane else ELSEWHERE,
        options={"input_shape": data.input_shape, "classes": data.classes, "hidden": hidden},
        updates=updates, seed=seed,
    )  # fmt: skip
    train, test = (evaluate(model, split.x, split.y) for split in (data.train, data.test))
    return Net(
        data.name, hidden, seed, train["loss"], train["accuracy"], test["accuracy"], Stages(*model.get_weights())
    )
