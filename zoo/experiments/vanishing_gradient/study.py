"""Why were deep networks hard to train? Accuracy by depth, and speed of learning by layer.

Nielsen, «Neural Networks and Deep Learning», 2015, chapter 5; then the same with other activations and initial weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import tensorflow as tf

from zoo import datasets
from zoo.errors import InvalidValue
from zoo.experiments.result import Result, experiment, track_cases
from zoo.experiments.vanishing_gradient import nets as many_nets
from zoo.experiments.vanishing_gradient.figures import plot_accuracies, plot_initial_norms, plot_speeds, plot_variants
from zoo.experiments.vanishing_gradient.nets import Activation, Initializer
from zoo.utils.constraints import Count

WIDTH, ETA, LAMBDA, BATCH = 30, 0.1, 5.0, 10
DEPTHS = (1, 2, 3, 4, 10)
VARIANTS: tuple[tuple[Activation, Initializer], ...] = (
    ("sigmoid", "nielsen"),
    ("sigmoid", "glorot"),
    ("tanh", "glorot"),
    ("relu", "he"),
)
MEASURED = 1000  # examples that the speed of learning is measured on


class Kind(NamedTuple):
    """A kind of network: activation and initializer of its hidden layers, and their number."""

    activation: Activation
    initializer: Initializer
    depth: int


class Digits(NamedTuple):
    """Examples as Nielsen's code has them: rows of pixels in [0, 1), one-hot targets, labels."""

    x: tf.Tensor
    y: tf.Tensor
    labels: tf.Tensor


@experiment("vanishing-gradient")
def run(
    dataset: str = "mnist",
    *,
    seeds: Count = 100,
    curve_seeds: Count | None = None,
    accuracy_seeds: Count = 3,
    updates: Count = 500,
    epochs: Count = 30,
    progress: bool = True,
) -> Result:
    """Runs the experiment.

    Args:
        dataset: Name of a data set with validation examples.
        seeds: Number of networks of each depth whose initial norms are measured.
        curve_seeds: Number of networks whose speed of learning is measured over the updates. Defaults to 30, or 5 for
            a quick look at a data set of fewer than 10,000 training examples.
        accuracy_seeds: Number of networks that are trained in full.
        updates: Number of full-batch updates over which the speed of learning is measured.
        epochs: Number of epochs of the training in full.
        progress: Whether to show the progress on standard error.

    Returns:
        Tables `accuracies`, `initial_norms`, `learning_speeds` and their figures, with the published values for MNIST.

    Raises:
        InvalidValue: A number is below 1.
        UnknownName: Unknown data set.
        DataError: The data cannot be loaded.
    """
    data = datasets.load(dataset)
    if data.validation is None:
        raise InvalidValue(f"dataset must have validation examples; {dataset} has none.")
    curve_seeds = curve_seeds or (30 if len(data.train) >= 10_000 else 5)
    train, validation = as_nielsen(data.train.x, data.train.y), as_nielsen(data.validation.x, data.validation.y)
    first = Digits(*(part[:MEASURED] for part in train))

    kinds = [Kind(*variant, depth) for variant in VARIANTS for depth in DEPTHS]
    norm_tables, speed_tables, accuracy_tables = [], [], []
    for kind in track_cases(kinds, "initial norms", progress=progress):
        norm_tables.append(initial_norms(first, kind, seeds=range(seeds)))
    for kind in track_cases([kind for kind in kinds if kind.depth > 1], "speed of learning", progress=progress):
        speed_tables.append(learning_speeds(first, kind, seeds=range(curve_seeds), updates=updates))
    for kind in track_cases(kinds, "accuracy by depth", progress=progress):
        accuracy_tables.append(accuracies(train, validation, kind, seeds=range(accuracy_seeds), epochs=epochs))
    norms, speeds, table = map(pd.concat, (norm_tables, speed_tables, accuracy_tables))
    published = data.name == "mnist"
    return Result(
        summarize(table, norms),
        {"accuracies": table, "initial_norms": norms, "learning_speeds": speeds},
        {
            "accuracies": plot_accuracies(table, data.name, published=published),
            "initial_norms": plot_initial_norms(norms, data.name, published=published),
            "learning_speeds": plot_speeds(speeds, data.name, published=published),
            "variants": plot_variants(speeds, data.name),
        },
        {"digest": data.digest, "curve_seeds": curve_seeds},
    )


def summarize(table: pd.DataFrame, norms: pd.DataFrame) -> pd.DataFrame:
    """Returns one row per kind of network: mean accuracy, and the initial norms of the first and last layer.

    Args:
        table: Table of `accuracies`.
        norms: Table of `initial_norms`.

    Returns:
        Columns `activation`, `initializer`, `depth`, `accuracy` (%, mean over seeds), `first_layer` and
        `last_layer` (median norm before any update), `ratio` (median over seeds of last over first).
    """
    kind = list(Kind._fields)
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


def initial_norms(data: Digits, kind: Kind, *, seeds: Sequence[int]) -> pd.DataFrame:
    """Measures the speed of learning of every hidden layer before any update.

    Args:
        data: Examples to measure on.
        kind: Kind of network.
        seeds: Random seeds, one network each.

    Returns:
        Columns `activation`, `initializer`, `depth`, `seed`, `layer` (from 1, the input's side), `norm`.
    """
    nets = _initial_nets(data, kind, seeds)
    a = many_nets.feed_forward(nets, data.x, kind.activation)
    norms = many_nets.speeds(many_nets.back_propagate(nets, a, data.y, kind.activation)).numpy()
    index = pd.MultiIndex.from_product([seeds, range(1, kind.depth + 1)], names=["seed", "layer"])
    return _add_kind(pd.DataFrame({"norm": norms.ravel()}, index=index).reset_index(), kind)


def learning_speeds(data: Digits, kind: Kind, *, seeds: Sequence[int], updates: int) -> pd.DataFrame:
    """Measures the speed of learning of every hidden layer over full-batch updates.

    Args:
        data: Examples to train and to measure on.
        kind: Kind of network.
        seeds: Random seeds, one network each.
        updates: Number of updates; the norms of row j are those before update j.

    Returns:
        Columns `activation`, `initializer`, `depth`, `update` (from 0), `layer`, and the `min`,
        `median` and `max` of the norm over the seeds.
    """
    _, norms = many_nets.learning_speeds(
        _initial_nets(data, kind, seeds), data.x, data.y, updates=updates, activation=kind.activation, eta=ETA,
        lmbda=LAMBDA,
    )  # fmt: skip
    index = pd.MultiIndex.from_product([range(updates), range(1, kind.depth + 1)], names=["update", "layer"])
    summaries = {name: getattr(np, name)(norms.numpy(), axis=1).ravel() for name in ("min", "median", "max")}
    return _add_kind(pd.DataFrame(summaries, index=index).reset_index(), kind)


def accuracies(train: Digits, validation: Digits, kind: Kind, *, seeds: Sequence[int], epochs: int) -> pd.DataFrame:
    """Trains networks in full and returns their accuracy on the validation set after the last epoch.

    Args:
        train: Training examples.
        validation: Validation examples.
        kind: Kind of network.
        seeds: Random seeds of the weights and of the order of the examples, one network each.
        epochs: Number of epochs.

    Returns:
        Columns `activation`, `initializer`, `depth`, `seed`, `accuracy`.
    """
    nets = _initial_nets(train, kind, seeds)
    orders = zip(*(_orders(len(train.labels), seed) for seed in seeds), strict=True)
    for _, order in zip(range(epochs), orders, strict=False):
        rows = tf.constant(np.stack(order, axis=1))
        nets = many_nets.train_epoch(nets, train.x, train.y, rows, activation=kind.activation, eta=ETA, lmbda=LAMBDA)
    shares = many_nets.accuracies(nets, validation.x, validation.labels, activation=kind.activation)
    return _add_kind(pd.DataFrame({"seed": seeds, "accuracy": shares.numpy()}), kind)


def _initial_nets(data: Digits, kind: Kind, seeds: Sequence[int]) -> many_nets.Nets:
    sizes = [data.x.shape[1], *[WIDTH] * kind.depth, data.y.shape[1]]
    return many_nets.initial_nets(sizes, seeds, kind.initializer)


def _orders(examples: int, seed: int) -> Iterator[np.ndarray]:
    random = np.random.default_rng([seed, examples])
    while True:
        # A last, smaller batch would need another loop; a few other examples are left out in every epoch.
        count = examples // BATCH * BATCH
        yield random.permutation(examples)[:count].reshape(-1, BATCH)


def _add_kind(table: pd.DataFrame, kind: Kind) -> pd.DataFrame:
    return table.assign(**kind._asdict())[[*kind._fields, *table.columns]]
