"""What does a hidden layer do? It moves the examples to where lines separate their classes.

A net with one hidden layer has two stages: each hidden unit is a line across the inputs, from one side of
which to the other its activation grows; each output unit is a line across the activations.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Annotated, NamedTuple

import keras
import numpy as np
import pandas as pd

from zoo import datasets
from zoo.experiments.hidden_space.figures import plot_classes, plot_problem
from zoo.experiments.pretraining.nets import following
from zoo.experiments.result import Result
from zoo.loop.evaluating import evaluate
from zoo.loop.fit import fit
from zoo.models.catalogue import create
from zoo.models.families.mlp import MODERN
from zoo.recipes.compiling import compile_model
from zoo.utils.constraints import Count, at_least, check

if TYPE_CHECKING:
    from zoo.datasets import Dataset

# The problems in the plane, each with as few hidden units as one of five restarts solves it with.
PLANE: Mapping[str, int] = {"xor": 2, "moons": 3, "rings": 3, "spirals": 16}
UNITS = (2, 3, 5, 10, 30)  # hidden units, for other data sets
# Biases at random, so that not all lines start through the origin; and a penalty on large weights, without
# which the units become steps and the points of the hidden space lie on each other.
OPTIONS = {"activation": "sigmoid", "initializer": "nielsen"}
IN_THE_PLANE = replace(MODERN, options={**OPTIONS, "l2": 3e-5}, learning_rate=0.1)
ELSEWHERE = replace(MODERN, options={**OPTIONS, "l2": 3e-4}, learning_rate=0.01)
DIRECTIONS = 1800  # in which the best line is looked for


class Stages(NamedTuple):
    """The two stages of a net: u = S(xW + b), then the scores uV + c, the largest of which is the class.

    Args:
        w: Weights of the hidden units, `(inputs, hidden)`.
        b: Their biases, `(hidden,)`.
        v: Weights of the output units, `(hidden, classes)`.
        c: Their biases, `(classes,)`.
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
            `(examples, 2)`: the distance from the plane, above 0 for class 1; and where the points spread
            most within it.
        """
        normal, offset = self.v[:, 1] - self.v[:, 0], self.c[1] - self.c[0]
        length = np.linalg.norm(normal)
        distance = (u @ normal + offset) / length
        within = u - distance[:, None] * normal / length
        widest = np.linalg.svd(within - within.mean(axis=0), full_matrices=False)[2][0]
        return np.stack([distance, within @ widest], axis=1)


class Net(NamedTuple):
    """A trained net.

    Args:
        dataset: What it has learnt.
        hidden: Number of its hidden units.
        seed: Decided its initial weights and the order of the examples.
        train_loss: Its loss on the training examples, with the penalty on its weights.
        train_accuracy: The share of them that it classifies rightly.
        test_accuracy: The share of the test examples.
        stages: Its weights.
    """

    dataset: str
    hidden: int
    seed: int
    train_loss: float
    train_accuracy: float
    test_accuracy: float
    stages: Stages


def run(
    dataset: str = "semeion",
    *,
    hidden: int | None = None,
    restarts: int = 5,
    updates: int = 5000,
    progress: bool = True,
) -> Result:
    """Runs the experiment.

    Args:
        dataset: A problem in the plane, for that one alone. With any other data set come all problems in
            the plane, and the data set's classes in the plane of two hidden units.
        hidden: Hidden units for the problems in the plane; None for a few that are enough for each.
        restarts: Nets for each problem and number of hidden units. The one with the least training loss
            is shown: with so few units, many get stuck.
        updates: Updates of each, rounded up to whole epochs.
        progress: Whether to show how far it is, on standard error.

    Returns:
        The summary has accuracies on the test examples (%): of a logistic regression (scikit-learn's)
        that is fitted to the training examples' inputs, of another to the activations of their hidden
        units, and of the net. Tables `nets`, a row a restart; `lines`, the share of the test points (%)
        that a line across the inputs can get right at most, chosen for these points and therefore more
        than the regression's; `codes`, the activations of the two hidden units. A figure for each
        problem, by its name.

    Raises:
        InvalidValue: A number out of range.
        UnknownName: No such data set.
        DataError: The data cannot be had.
    """
    hidden = check("hidden", hidden, Annotated[int, at_least(2)] | None)
    restarts, updates = check("restarts", restarts, Count), check("updates", updates, Count)
    load = datasets.load
    data = load(dataset)
    plane = {dataset: data} if dataset in PLANE else {name: load(name) for name in PLANE}
    cases = [(problem, hidden or PLANE[name]) for name, problem in plane.items()]
    if dataset not in PLANE:
        cases += [(data, count) for count in UNITS]
    nets = [
        trained(*case, seed=seed, updates=updates)
        for case, seed in following(list(product(cases, range(restarts))), "hidden spaces", progress=progress)
    ]
    best = [min(nets[n : n + restarts], key=lambda net: net.train_loss) for n in range(0, len(nets), restarts)]
    lines = {name: 100 * best_line(problem.test.x, problem.test.y) for name, problem in plane.items()}
    summary = summarise(best, {**plane, dataset: data})
    tables = {
        "nets": pd.DataFrame(nets).drop(columns="stages"),
        "lines": pd.DataFrame(lines.items(), columns=["dataset", "best_line_for_test"]).round(2),
    }
    figures = {
        net.dataset: plot_problem(plane[net.dataset].test, net, lines[net.dataset], restarts)
        for net in best
        if net.dataset in plane
    }
    if dataset not in PLANE:
        net = best[len(plane)]
        tables["codes"] = codes(net.stages, data)
        linear = float(summary["regression_on_inputs"].iloc[-1])
        of_data = tables["nets"][tables["nets"]["dataset"] == dataset]
        figures[dataset] = plot_classes(tables["codes"], net, of_data, linear, data.source.class_names)
    return Result(
        "hidden-space",
        {"dataset": dataset, "digest": data.digest, "hidden": hidden, "restarts": restarts, "updates": updates},
        summary,
        tables,
        figures,
    )


def trained(data: Dataset, hidden: int, *, seed: int, updates: int) -> Net:
    """Trains a net with one layer of sigmoid units.

    Args:
        data: The data set.
        hidden: Number of hidden units.
        seed: Decides the initial weights and the order of the examples. Keras' global seed is set.
        updates: Updates, rounded up to whole epochs.
    """
    keras.utils.set_random_seed(seed)
    recipe = IN_THE_PLANE if data.name in PLANE else ELSEWHERE
    model = create("shallow_mlp", input_shape=data.input_shape, classes=data.classes, hidden=hidden, **recipe.options)
    steps = math.ceil(len(data.train) / recipe.batch_size)
    compile_model(model, recipe, steps_per_epoch=steps)
    epochs = math.ceil(updates / steps)
    fit(model, data.train.x, data.train.y, batch_size=recipe.batch_size, epochs=epochs, seed=seed, verbose=0)
    train, test = (evaluate(model, split.x, split.y) for split in (data.train, data.test))
    return Net(
        data.name, hidden, seed, train["loss"], train["accuracy"], test["accuracy"], Stages(*model.get_weights())
    )


def summarise(nets: Sequence[Net], problems: Mapping[str, Dataset]) -> pd.DataFrame:
    """Returns what lines make of the inputs and of the hidden units: a row a net, accuracies in %."""
    on_inputs = {name: linear_accuracy(data, data.train.x, data.test.x) for name, data in problems.items()}
    rows = []
    for net in nets:
        data, of = problems[net.dataset], net.stages.hidden
        rows.append(
            {
                "dataset": net.dataset,
                "hidden": net.hidden,
                "regression_on_inputs": 100 * on_inputs[net.dataset],
                "regression_on_hidden": 100 * linear_accuracy(data, of(data.train.x), of(data.test.x)),
                "net": 100 * net.test_accuracy,
                "train_loss": net.train_loss,
                "seed": net.seed,
            }
        )
    return pd.DataFrame(rows).round(4)


def linear_accuracy(data: Dataset, train: np.ndarray, test: np.ndarray) -> float:
    """Returns the share of test examples that a logistic regression gets right.

    Args:
        data: The data set that has the labels.
        train: What stands for its training examples, `(examples, ...)`.
        test: What stands for its test examples.
    """
    from sklearn.linear_model import LogisticRegression

    classifier = LogisticRegression(max_iter=2000).fit(train.reshape(len(train), -1), data.train.y)
    return float(classifier.score(test.reshape(len(test), -1), data.test.y))


def best_line(x: np.ndarray, y: np.ndarray) -> float:
    """Returns the share of points that the best of all lines has on the right side, chosen for these very points.

    Args:
        x: Points in the plane, `(points, 2)`.
        y: Their classes, 0 or 1.
    """
    angles = np.arange(DIRECTIONS) * np.pi / DIRECTIONS
    order = np.argsort(x @ np.stack([np.cos(angles), np.sin(angles)]), axis=0)
    # With class 1 below a line and class 0 above it, each point that the line moves across counts one more or less.
    right = np.sum(y == 0) + np.cumsum(2 * y[order] - 1, axis=0)
    return float(max(right.max(), len(y) - right.min()) / len(y))


def codes(stages: Stages, data: Dataset) -> pd.DataFrame:
    """Returns the activations of two hidden units: columns `split`, `label`, `u1`, `u2`, a row an example."""
    splits = {"train": data.train, "test": data.test}
    return pd.concat(
        [
            pd.DataFrame(stages.hidden(split.x), columns=["u1", "u2"]).assign(split=name, label=split.y)
            for name, split in splits.items()
        ],
        ignore_index=True,
    )
