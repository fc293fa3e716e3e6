"""How does a hidden layer move the examples to where lines separate the classes?

A network with one hidden layer has two stages: each hidden unit is a line across the inputs, from one side of which to
the other its activation grows; each output unit is a line across the activations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Annotated

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from zoo import datasets
from zoo.datasets import Dataset
from zoo.experiments.hidden_space.figures import plot_classes, plot_problem
from zoo.experiments.hidden_space.nets import Net, Stages, train_net
from zoo.experiments.result import Result, experiment, track_cases
from zoo.utils.constraints import Count, at_least

# The problems in the plane, each with the fewest hidden units with which one of five restarts solves it.
PLANE: Mapping[str, int] = {"xor": 2, "moons": 3, "rings": 3, "spirals": 16}
UNITS = (2, 3, 5, 10, 30)  # hidden units for other data sets
DIRECTIONS = 1800  # in which the best line is searched


@experiment("hidden-space")
def run(
    dataset: str = "semeion",
    *,
    hidden: Annotated[int, at_least(2)] | None = None,
    restarts: Count = 5,
    updates: Count = 5000,
    progress: bool = True,
) -> Result:
    """Runs the experiment.

    Args:
        dataset: Name of a problem in the plane, for that one alone; or of any other data set, for all problems in the
            plane, and the data set's classes in the plane of two hidden units.
        hidden: Number of hidden units for the problems in the plane. Defaults to a few that are enough for each.
        restarts: Number of networks for each problem and number of hidden units. The one with the lowest training loss
            is shown: with so few units, many get stuck.
        updates: Number of updates of each, rounded up to whole epochs.
        progress: Whether to show the progress on standard error.

    Returns:
        The summary has accuracies on the test examples (%): of a logistic regression (scikit-learn's) fitted to the
        training inputs, of another fitted to the activations of their hidden units, and of the network. Tables `nets`,
        one row per restart; `lines`, the largest share of the test points (%) that a line across the inputs can
        classify correctly, chosen for these points and therefore above the regression's; `codes`, the activations of
        the two hidden units. One figure per problem, by its name.

    Raises:
        InvalidValue: A number is out of range.
        UnknownName: Unknown data set.
        DataError: The data cannot be loaded.
    """
    data = datasets.load(dataset)
    plane = {dataset: data} if dataset in PLANE else {name: datasets.load(name) for name in PLANE}
    cases = [(problem, hidden or PLANE[name]) for name, problem in plane.items()]
    if dataset not in PLANE:
        cases += [(data, count) for count in UNITS]
    nets = [
        train_net(*case, in_the_plane=case[0].name in PLANE, seed=seed, updates=updates)
        for case, seed in track_cases(list(product(cases, range(restarts))), "hidden spaces", progress=progress)
    ]
    best = [min(nets[n : n + restarts], key=lambda net: net.train_loss) for n in range(0, len(nets), restarts)]
    lines = {name: 100 * best_line(problem.test.x, problem.test.y) for name, problem in plane.items()}
    summary = summarize(best, {**plane, dataset: data})
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
        tables["codes"] = compute_codes(net.stages, data)
        linear = float(summary["regression_on_inputs"].iloc[-1])
        of_data = tables["nets"][tables["nets"]["dataset"] == dataset]
        figures[dataset] = plot_classes(tables["codes"], net, of_data, linear, data.source.class_names)
    return Result(summary, tables, figures, {"digest": data.digest})


def summarize(nets: Sequence[Net], problems: Mapping[str, Dataset]) -> pd.DataFrame:
    """Returns accuracies (%) of lines across the inputs and across the hidden units, one row per network."""
    on_inputs = {name: linear_accuracy(data, data.train.x, data.test.x) for name, data in problems.items()}
    rows = []
    for net in nets:
        data, activations = problems[net.dataset], net.stages.hidden
        rows.append(
            {
                "dataset": net.dataset,
                "hidden": net.hidden,
                "regression_on_inputs": 100 * on_inputs[net.dataset],
                "regression_on_hidden": 100
                * linear_accuracy(data, activations(data.train.x), activations(data.test.x)),
                "net": 100 * net.test_accuracy,
                "train_loss": net.train_loss,
                "seed": net.seed,
            }
        )
    return pd.DataFrame(rows).round(4)


def linear_accuracy(data: Dataset, train: np.ndarray, test: np.ndarray) -> float:
    """Returns the share of test examples that a logistic regression classifies correctly.

    Args:
        data: Data set with the labels.
        train: Representation of its training examples, `(examples, ...)`.
        test: Representation of its test examples.
    """
    classifier = LogisticRegression(max_iter=2000).fit(train.reshape(len(train), -1), data.train.y)
    return float(classifier.score(test.reshape(len(test), -1), data.test.y))


def best_line(x: np.ndarray, y: np.ndarray) -> float:
    """Returns the largest share of points that a line can have on the right side.

    Args:
        x: Points in the plane, `(points, 2)`.
        y: Classes, 0 or 1.
    """
    angles = np.arange(DIRECTIONS) * np.pi / DIRECTIONS
    order = np.argsort(x @ np.stack([np.cos(angles), np.sin(angles)]), axis=0)
    # With class 1 below a line and class 0 above it, each point that the line moves across counts one more or less.
    right = np.sum(y == 0) + np.cumsum(2 * y[order] - 1, axis=0)
    return float(max(right.max(), len(y) - right.min()) / len(y))


def compute_codes(stages: Stages, data: Dataset) -> pd.DataFrame:
    """Returns the activations of two hidden units: columns `split`, `label`, `u1`, `u2`, one row per example."""
    splits = {"train": data.train, "test": data.test}
    return pd.concat(
        [
            pd.DataFrame(stages.hidden(split.x), columns=["u1", "u2"]).assign(split=name, label=split.y)
            for name, split in splits.items()
        ],
        ignore_index=True,
    )
