"""How much does unsupervised pre-training help where few examples have a label?

All nets learn without labels from all inputs, or not at all, then with so many labels, by equally many
updates. Hinton, Osindero and Teh, Neural Computation 18, 2006, and Bengio et al., NIPS 19, 2007, have the
method; Erhan et al., JMLR 11, 2010, ask what it is good for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from zoo import datasets
from zoo.experiments.pretraining.figures import plot_by_labels
from zoo.experiments.pretraining.nets import (
    STARTS,
    compare,
    compile_net,
    fine_tune,
    following,
    pretrain,
    sigmoid_net,
    start_from,
    tested_accuracy,
)
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
        dataset: A data set with inputs in [0, 1].
        labels: How many training examples have their label. Those that the data set does not have are left
            out; all of them come last in any case.
        depth: Number of hidden layers.
        width: Units in each hidden layer.
        seeds: Nets of each start and number of labels. A seed has the same labels, the same output layer
            and the same order of examples whatever the start.
        pretraining_epochs: Epochs of each layer's training without labels.
        epochs: Epochs of the training with all labels; with fewer of them, as many updates.
        progress: Whether to show how far it is, on standard error.

    Returns:
        The table `accuracies` and its figure.

    Raises:
        InvalidValue: A number below 1, fewer labels than classes, or inputs outside [0, 1].
        UnknownName: No such data set.
        DataError: The data cannot be had.
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
    for seed, start in following(
        [(seed, start) for seed in range(seeds) for start in STARTS], "pre-training by labels", progress=progress
    ):
        pretrained = sigmoid_net(data, depth=depth, width=width, seed=seed)
        if recipe := STARTS[start]:
            pretrain(pretrained, recipe, data.train.x, epochs=pretraining_epochs, seed=seed)
        for count in labels:
            net = sigmoid_net(data, depth=depth, width=width, seed=seed)
            start_from(net, pretrained)
            compile_net(net)
            train = repeated(labelled.get((seed, count), data.train), len(data.train))
            fine_tune(net, train, epochs=epochs, seed=seed)
            updates = int(net.optimizer.iterations.numpy())
            accuracy = tested_accuracy(net, data)
            accuracies.append({"start": start, "labels": count, "seed": seed, "updates": updates, "accuracy": accuracy})
    table = pd.DataFrame(accuracies)
    return Result(
        "few-labels",
        {"dataset": dataset, "digest": data.digest, "labels": labels, **counts},
        compare(table, "labels").reset_index(),
        {"accuracies": table},
        {"accuracies": plot_by_labels(table, data.name)},
    )


def repeated(split: Split, examples: int) -> Split:
    """Returns a split that goes through its examples again and again until there are so many.

    An epoch of it has as many updates as one of the whole training set.
    """
    rows = np.resize(np.arange(len(split)), examples)
    return replace(split, x=split.x[rows], y=split.y[rows])
