"""How much does pre-training help when labels are scarce?

Some networks are pre-trained on all inputs without labels. All are then trained with some labels, by the same number of
updates. The method is that of Hinton, Osindero and Teh, Neural Computation 18, 2006, and Bengio et al., NIPS 19, 2007;
Erhan et al., JMLR 11, 2010, examine why it helps.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd

from zoo import datasets
from zoo.datasets import Split
from zoo.experiments.pretraining.figures import plot_by_labels
from zoo.experiments.pretraining.nets import STARTS, compare, fine_tune, pretrain_net, sigmoid_net
from zoo.experiments.result import Result, experiment, track_cases
from zoo.utils.constraints import Count


@experiment("few-labels")
def run(
    dataset: str = "mnist",
    *,
    labels: tuple[int, ...] = (50, 100, 200, 500, 1000),
    depth: Count = 3,
    width: Count = 200,
    seeds: Count = 5,
    pretraining_epochs: Count = 10,
    epochs: Count = 5,
    progress: bool = True,
) -> Result:
    """Runs the experiment.

    Args:
        dataset: Name of a data set with inputs in [0, 1].
        labels: Numbers of labeled training examples. Numbers above that of the data set are left out; all of its
            labels come last in any case.
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
    data = datasets.load(dataset)
    labels = (*sorted({count for count in labels if count < len(data.train)}), len(data.train))
    labeled = {
        (seed, count): data.with_labels(count, seed=seed).train for seed in range(seeds) for count in labels[:-1]
    }
    accuracies = []
    for seed, start in track_cases(list(product(range(seeds), STARTS)), "pre-training by labels", progress=progress):
        pretrained = pretrain_net(data, start, depth=depth, width=width, epochs=pretraining_epochs, seed=seed)
        for count in labels:
            net = sigmoid_net(data, depth=depth, width=width, seed=seed, pretrained=pretrained)
            train = repeat(labeled.get((seed, count), data.train), len(data.train))
            accuracy = fine_tune(net, train, data.test, epochs=epochs, seed=seed)
            kind = {"start": start, "labels": count, "seed": seed}
            accuracies.append({**kind, "updates": int(net.optimizer.iterations.numpy()), "accuracy": accuracy})
    table = pd.DataFrame(accuracies)
    return Result(
        compare(table, "labels").reset_index(),
        {"accuracies": table},
        {"accuracies": plot_by_labels(table, data.name)},
        {"digest": data.digest, "labels": labels},
    )


def repeat(split: Split, examples: int) -> Split:
    """Returns a split that repeats its examples up to a number.

    An epoch of it has as many updates as one of the whole training set.
    """
    rows = np.resize(np.arange(len(split)), examples)
    return replace(split, x=split.x[rows], y=split.y[rows])
