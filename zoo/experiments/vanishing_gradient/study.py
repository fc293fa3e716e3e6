"""Why were deep networks hard to train? Accuracy by depth, and how fast each layer learns.

Nielsen, «Neural Networks and Deep Learning», 2015, chapter 5; then the same with other units and initial weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
import tensorflow as tf
from rich.console import Console
from rich.progress import track

from zoo import datasets
from zoo.experiments.result import Result
from zoo.experiments.vanishing_gradient import nets as many_nets
from zoo.experiments.vanishing_gradient.figures import plot_accuracies, plot_initial_norms, plot_speeds, plot_variants
from zoo.experiments.vanishing_gradient.nets import Activation, Initializer
from zoo.utils.constraints import Count, check_all

WIDTH, ETA, LAMBDA, BATCH = 30, 0.1, 5.0, 10
DEPTHS = (1, 2, 3, 4, 10)
VARIANTS: tuple[tuple[Activation, Initializer], ...] = (
    ("sigmoid", "nielsen"),
    ("sigmoid", "glorot"),
    ("tanh", "glorot"),
    ("relu", "he"),
)
MEASURED = 1000  # examples that the speed of learning is measured on


class Digits(NamedTuple):
    """Examples as Nielsen's code has them: rows of pixels in [0, 1), one-hot targets, labels."""

    x: tf.Tensor
    y: tf.Tensor
    labels: tf.Tensor


def run(
    dataset: str = "mnist",
    *,
    seeds: int = 100,
    curve_seeds: int | None = None,
    accuracy_seeds: int = 3,
    updates: int = 500,
    epochs: int = 30,
    progress: bool = True,
) -> Result:
    """Runs the experiment.

    Args:
        dataset: A data set with validation examples.
        seeds: Nets whose initial norms are measured, for each depth.
        curve_seeds: Nets whose speed of learning is followed over the updates; None for 30, or for 5 where the data
            set has fewer than 10,000 training examples and only a look is wanted.
        accuracy_seeds: Nets that are trained in full.
        updates: Full-batch updates that the speed of learning is followed over.
        epochs: Epochs of the training in full.
        progress: Whether to show how far it is, on standard error.

    Returns:
        Tables `accuracies`, `initial_norms`, `learning_speeds` and their figures. Published values
        are drawn in where the data set is MNIST.

    Raises:
        InvalidValue: A number below 1.
        UnknownName: No such data set.
        DataError: The data cannot be had.
    """
    data = datasets.load(dataset)
    if curve_seeds is None:
        curve_seeds = 30 if len(data.train) >= 10_000 else 5
    settings = check_all(
        Count, seeds=seeds, curve_seeds=curve_seeds, accuracy_seeds=accuracy_seeds, updates=updates, epochs=epochs
    )
    train, validation = as_nielsen(data.train.x, data.train.y), as_nielsen(data.validation.x, data.validation.y)
    first = Digits(*(part[:MEASURED] for part in train))

    def each(what: str) -> Iterable[tuple[Activation, Initializer, int]]:
        cases = [(*variant, depth) for variant in VARIANTS for depth in DEPTHS]
        console = Console(stderr=True)
        return track(cases, what, console=console, disable=not (progress and console.is_terminal))

    norms = pd.concat([initial_norms(first, *case, seeds=range(seeds)) for case in each("initial norms")])
    speeds = pd.concat(
        [
            learning_speeds(first, *case, seeds=range(curve_seeds), updates=updates)
            for case in each("speed of learning")
            if case[2] > 1
        ]
    )
    table = pd.concat(
        [
            accuracies(train, validation, *case, seeds=range(accuracy_seeds), epochs=epochs)
            for case in each("accuracy by depth")
        ]
    )
    published = data.name == "mnist"
    return Result(
        "vanishing-gradient",
        {"dataset": dataset, "digest": data.digest, **settings},
        summarise(table, norms),
        {"accuracies": table, "initial_norms": norms, "learning_speeds": speeds},
        {
            "accuracies": plot_accuracies(table, data.name, published=published),
            "initial_norms": plot_initial_norms(norms, data.name, published=published),
            "learning_speeds": plot_speeds(speeds, data.name, published=published),
            "variants": plot_variants(speeds, data.name),
        },
    )


def summarise(table: pd.DataFrame, norms: pd.DataFrame) -> pd.DataFrame:
    """Returns a row for each kind of net: mean accuracy, and how much slower the first layer starts to learn.

    Args:
        table: What `accuracies` returned.
        norms: What `initial_norms` returned.

    Returns:
        Columns `activation`, `initializer`, `depth`, `accuracy` (%, mean over seeds), `first_layer` and
        `last_layer` (median norm before any update), `ratio` (median over seeds of last over first).
    """
    kind = ["activation", "initializer", "depth"]
    ends = norms.groupby([*kind, "seed"], sort=False)["norm"].agg(["first", "last"])
    ends["ratio"] = ends["last"] / ends["first"]
    summary = table.groupby(kind, sort=False)["accuracy"].mean().mul(100).round(2).to_frame()
    medians = ends.groupby(kind, sort=False).median().rename(columns={"first": "first_layer", "last": "last_layer"})
    return summary.join(medians.map(lambda value: float(f"{value:.3g}"))).reset_index()


def as_nielsen(x: np.ndarray, y: np.ndarray) -> Digits:
    """Returns examples as Nielsen's code has them, with the brightest pixel at 255/256."""
    labels = tf.constant(y)
    rows = tf.constant(x.reshape(len(x), -1) * np.float32(255 / 256))
    return Digits(rows, tf.one_hot(labels, int(y.max()) + 1), labels)


def initial_norms(
    data: Digits, activation: Activation, initializer: Initializer, depth: int, *, seeds: Iterable[int]
) -> pd.DataFrame:
    """Measures the speed of learning of every hidden layer before any update.

    Args:
        data: The examples to measure on.
        activation: Activation of the hidden layers.
        initializer: Law of the initial weights.
        depth: Number of hidden layers.
        seeds: One net each.

    Returns:
        Columns `activation`, `initializer`, `depth`, `seed`, `layer` (from 1, the input's side), `norm`.
    """
    nets = _nets(data, depth, seeds, initializer)
    a = many_nets.feed_forward(nets, data.x, activation)
    norms = many_nets.speeds(many_nets.back_propagate(nets, a, data.y, activation)).numpy()
    index = pd.MultiIndex.from_product([list(seeds), range(1, depth + 1)], names=["seed", "layer"])
    table = pd.DataFrame({"norm": norms.ravel()}, index=index).reset_index()
    return _labelled(table, activation, initializer, depth)


def learning_speeds(
    data: Digits, activation: Activation, initializer: Initializer, depth: int, *, seeds: Iterable[int], updates: int
) -> pd.DataFrame:
    """Follows the speed of learning of every hidden layer over full-batch updates.

    Args:
        data: The examples to train and to measure on.
        activation: Activation of the hidden layers.
        initializer: Law of the initial weights.
        depth: Number of hidden layers.
        seeds: One net each.
        updates: How many updates; the norms of row j are those before update j.

    Returns:
        Columns `activation`, `initializer`, `depth`, `update` (from 0), `layer`, and the `min`,
        `median` and `max` of the norm over the seeds.
    """
    nets = _nets(data, depth, seeds, initializer)
    _, norms = many_nets.learning_speeds(
        nets, data.x, data.y, updates=updates, activation=activation, eta=ETA, lmbda=LAMBDA
    )
    index = pd.MultiIndex.from_product([range(updates), range(1, depth + 1)], names=["update", "layer"])
    summaries = {name: getattr(np, name)(norms.numpy(), axis=1).ravel() for name in ("min", "median", "max")}
    return _labelled(pd.DataFrame(summaries, index=index).reset_index(), activation, initializer, depth)


def accuracies(
    train: Digits,
    validation: Digits,
    activation: Activation,
    initializer: Initializer,
    depth: int,
    *,
    seeds: Iterable[int],
    epochs: int,
) -> pd.DataFrame:
    """Trains nets in full and returns their accuracy on the validation set after the last epoch.

    Args:
        train: The examples to train on.
        validation: The examples to judge by.
        activation: Activation of the hidden layers.
        initializer: Law of the initial weights.
        depth: Number of hidden layers.
        seeds: One net each; a seed decides a net's weights and the order of its examples.
        epochs: Epochs to train.

    Returns:
        Columns `activation`, `initializer`, `depth`, `seed`, `accuracy`.
    """
    nets = _nets(train, depth, seeds, initializer)
    orders = zip(*(_orders(len(train.labels), seed) for seed in seeds), strict=True)
    for _, order in zip(range(epochs), orders, strict=False):
        nets = many_nets.train_epoch(
            nets,
            train.x,
            train.y,
            tf.constant(np.stack(order, axis=1)),
            activation=activation,
            eta=ETA,
            lmbda=LAMBDA,
        )
    found = many_nets.accuracies(nets, validation.x, validation.labels, activation=activation)
    table = pd.DataFrame({"seed": list(seeds), "accuracy": found.numpy()})
    return _labelled(table, activation, initializer, depth)


def _nets(data: Digits, depth: int, seeds: Iterable[int], initializer: Initializer) -> many_nets.Nets:
    sizes = [data.x.shape[1], *[WIDTH] * depth, data.y.shape[1]]
    return many_nets.initial_nets(sizes, list(seeds), initializer)


def _orders(examples: int, seed: int) -> Iterator[np.ndarray]:
    random = np.random.default_rng([seed, examples])
    while True:
        # A last, smaller batch would need a loop of its own; in every epoch another few are left out of it.
        whole = examples // BATCH * BATCH
        yield random.permutation(examples)[:whole].reshape(-1, BATCH)


def _labelled(table: pd.DataFrame, activation: Activation, initializer: Initializer, depth: int) -> pd.DataFrame:
    labels = {"activation": activation, "initializer": initializer, "depth": depth}
    return table.assign(**labels)[[*labels, *table.columns]]
