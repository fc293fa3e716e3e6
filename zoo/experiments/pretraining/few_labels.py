"""How much does unsupervised pre-training help where few examples have a label?

All networks learn without labels from all inputs, or not at all, then with some labels, by the same number of updates.
Hinton, Osindero and Teh, Neural Computation 18, 2006, and Bengio et al., NIPS 19, 2007, have the method; Erhan et al.,
JMLR 11, 2010, ask what it is good for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from zoo import datasets
from zoo.experiments.pretraining.figures import plot_by_labels
from zoo.experiments.pretraining.nets import compare, evaluate_accuracy, fine_tune, pretrain_nets
from zoo.experiments.result import Result
from zoo.utils.constraints import Count, check, check_all

if TYPE_CHECKING:
    from zoo.datasets import Split


def run(
    dataset: str = "mnist",
    *,
    labels: tuple[int, ...] = (50, 100, 200, 500, 1000),
    depth: int = 3,
    width: int = 200,
    seeds: int = 5,
    pretraining_epochs: int = 10,
    epochs: int = 5,
    progress: bool = True,
) -> Result:
    """Runs the experiment.

    Args:
        dataset: Name of a data set with inputs in [0, 1].
        labels: Numbers of labelled training examples. Numbers that the data set does not have are left out; all of
            its labels come last in any case.
        depth: Number of hidden layers.
        width: Number of units in each hidden layer.
        seeds: Number of networks of each start and number of labels. A seed has the same labels, the same output layer
            and the same order of examples whatever the start.
        pretraining_epochs: Number of epochs of each layer's training without labels.
        epochs: Number of epochs of the training with all labels; with fewer labels, the same number of updates.
        progress: Whether to show the progress on standard error.

    Returns:
        Table `accuracies` and its figure.

    Raises:
        InvalidValue: A number is below 1, there are fewer labels than classes, or inputs lie outside [0, 1].
        UnknownName: Unknown data set.
        DataError: The data cannot be loaded.
    """
    labels = check("labels", labels, tuple[int, ...])
    counts = check_all(
        Count, depth=depth, width=width, seeds=seeds, pretraining_epochs=pretraining_epochs, epochs=epochs
    )
    data = datasets.load(dataset)
    labels = (*sorted({count for count in labels if count < len(data.train)}), len(data.train))
    labelled = {
        (seed, count): data.with_labels(count, seed=seed).train for seed in range(seeds) for count in labels[:-1]
    }
    accuracies = []
    for nets in pretrain_nets(
        data, depth=depth, width=width, seeds=seeds, epochs=pretraining_epochs,
        description="pre-training by labels", progress=progress,
    ):  # fmt: skip
        for count in labels:
            net = nets.create(depth)
            train = repeat(labelled.get((nets.seed, count), data.train), len(data.train))
            fine_tune(net, train, epochs=epochs, seed=nets.seed)
            kind = {"start": nets.start, "labels": count, "seed": nets.seed}
            updates = int(net.optimizer.iterations.numpy())
            accuracies.append({**kind, "updates": updates, "accuracy": evaluate_accuracy(net, data)})
    table = pd.DataFrame(accuracies)
    return Result(
        "few-labels",
        {"dataset": dataset, "digest": data.digest, "labels": labels, **counts},
        compare(table, "labels").reset_index(),
        {"accuracies": table},
        {"accuracies": plot_by_labels(table, data.name)},
    )


def repeat(split: Split, examples: int) -> Split:
    """Returns a split that repeats its examples up to a number.

    An epoch of it has as many updates as one of the whole training set.
    """
    rows = np.resize(np.arange(len(split)), examples)
    return replace(split, x=split.x[rows], y=split.y[rows])
