"""Does pre-training help, and does it help more with depth?

Erhan, Bengio, Courville, Manzagol, Vincent and Bengio, «Why does unsupervised pre-training help deep learning?», JMLR
11, 2010: sigmoid networks of one to five hidden layers, from many seeds.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import pandas as pd

from zoo import datasets
from zoo.experiments.pretraining.figures import plot_by_depth, plot_gradients_by_layer
from zoo.experiments.pretraining.nets import STARTS, compare, fine_tune, pretrain_net, sigmoid_net
from zoo.experiments.result import Result, experiment, track_cases
from zoo.telemetry import GradientProbe
from zoo.utils.constraints import Count

MEASURED = 1000  # examples that the gradient is measured on


@experiment("pretraining")
def run(
    dataset: str = "mnist",
    *,
    depths: tuple[int, ...] = (1, 2, 3, 4, 5),
    width: Count = 200,
    seeds: Count = 5,
    pretraining_epochs: Count = 10,
    epochs: Count = 10,
    progress: bool = True,
) -> Result:
    """Runs the experiment.

    Args:
        dataset: Name of a data set with inputs in [0, 1].
        depths: Numbers of hidden layers.
        width: Number of units in each hidden layer.
        seeds: Number of networks of each depth and start. A seed has the same output layer and the same order of
            examples whatever the start.
        pretraining_epochs: Number of epochs of each layer's training without labels.
        epochs: Number of epochs of the training with labels.
        progress: Whether to show the progress on standard error.

    Returns:
        Tables `accuracies` and `gradients`, and figures: the error and the first layer's gradient by depth, and the
        gradient in every layer of each depth.

    Raises:
        InvalidValue: A number is below 1, or inputs lie outside [0, 1].
        UnknownName: Unknown data set.
        DataError: The data cannot be loaded.
    """
    depths = tuple(sorted(set(depths)))
    data = datasets.load(dataset)
    probe = GradientProbe(data.train.x[:MEASURED], data.train.y[:MEASURED])
    accuracies, gradients = [], []
    for seed, start in track_cases(list(product(range(seeds), STARTS)), "pre-training by depth", progress=progress):
        pretrained = pretrain_net(data, start, depth=depths[-1], width=width, epochs=pretraining_epochs, seed=seed)
        for depth in depths:
            net = sigmoid_net(data, depth=depth, width=width, seed=seed, pretrained=pretrained)
            measured = probe.measure(net)[["layer", "variable", "l2", "rms"]]
            kind: dict[str, Any] = {"start": start, "depth": depth, "seed": seed}
            number = measured.groupby("layer", sort=False).ngroup() + 1
            gradients.append(measured.assign(**kind, number=number)[[*kind, "number", *measured.columns]])
            accuracies.append({**kind, "accuracy": fine_tune(net, data.train, data.test, epochs=epochs, seed=seed)})
    table, measures = pd.DataFrame(accuracies), pd.concat(gradients, ignore_index=True)
    return Result(
        summarize(table, measures),
        {"accuracies": table, "gradients": measures},
        {
            "by_depth": plot_by_depth(table, first_layer(measures), data.name),
            "gradients": plot_gradients_by_layer(measures, data.name),
        },
        {"digest": data.digest, "depths": depths},
    )


def first_layer(gradients: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows of the first hidden layer's biases."""
    return gradients[(gradients["number"] == 1) & (gradients["variable"] == "bias")]


def summarize(accuracies: pd.DataFrame, gradients: pd.DataFrame) -> pd.DataFrame:
    """Returns a row for each start and depth.

    Args:
        accuracies: Columns `start`, `depth`, `seed`, `accuracy`.
        gradients: Columns `start`, `depth`, `seed`, `number` (of the layer, from 1), `variable`, `l2`.

    Returns:
        Columns `start`, `depth`, those of `compare`, and `first_layer`: the median norm of the first layer's bias
        gradient before any update with labels.
    """
    summary = compare(accuracies, "depth")
    median = first_layer(gradients).groupby(["start", "depth"], sort=False)["l2"].median()
    summary["first_layer"] = median.map(lambda value: float(f"{value:.3g}"))
    return summary.reset_index()
