"""Does depth help where the number of weights is the same?

Goodfellow et al., ICLR 2014, found that it does on house numbers: 11 layers read more of them than 3, and 3 do not
catch up with more weights. Here the numbers are digits put side by side, and the nets a thousand times smaller.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import keras
import pandas as pd

from zoo import datasets
from zoo.errors import InvalidValue
from zoo.experiments.depth_plots import plot_depths
from zoo.experiments.pretraining.nets import following
from zoo.experiments.result import Result
from zoo.loop.evaluating import evaluate
from zoo.loop.fit import fit
from zoo.models.catalogue import card, create
from zoo.recipes.compiling import compile_model
from zoo.utils.constraints import Count, check

if TYPE_CHECKING:
    from zoo.datasets import Dataset

DEEPEST, SHALLOWEST = 11, 3


class Case(NamedTuple):
    """A net that is trained."""

    kind: str
    depth: int
    parameters: int
    seed: int


def run(
    dataset: str = "mnist_sequences",
    *,
    depths: tuple[int, ...] = (3, 5, 7, 9, 11),
    parameters: tuple[int, ...] = (30_000, 60_000, 120_000),
    epochs: int = 6,
    seeds: int = 1,
    progress: bool = True,
) -> Result:
    """Runs the experiment.

    Args:
        dataset: A data set of sequences; of any other that has sequences, as `mnist`, those.
        depths: Numbers of hidden layers, at the middle one of the `parameters`; the others are tried with the
            shallowest and the deepest net.
        parameters: Numbers of weights and biases.
        epochs: Epochs of each net.
        seeds: Nets of each kind.
        progress: Whether to show how far it is, on standard error.

    Returns:
        The summary has, for each kind, depth and number of parameters, the share of test sequences that are read
        without a mistake and of training ones (%, means over the seeds), and `parameters`, exactly. Table `nets`, a
        row a net; figure `depth`.

    Raises:
        InvalidValue: A number out of range, or a data set without sequences.
        UnknownName: No such data set.
        DataError: The data cannot be had.
    """
    depths = tuple(sorted(set(check("depths", depths, tuple[int, ...]))))
    parameters = tuple(sorted(set(check("parameters", parameters, tuple[int, ...]))))
    epochs, seeds = check("epochs", epochs, Count), check("seeds", seeds, Count)
    data = sequences_of(dataset)
    middle = parameters[len(parameters) // 2]
    cases = [("convolutional", depth, middle) for depth in depths]
    cases += [("convolutional", depth, count) for depth in (depths[0], depths[-1]) for count in parameters]
    cases += [("fully_connected", depths[0], count) for count in parameters]
    nets = [Case(*case, seed) for case in dict.fromkeys(cases) for seed in range(seeds)]
    rows = [trained(net, data, epochs=epochs) for net in following(nets, "nets by depth", progress=progress)]
    table = pd.DataFrame(rows)
    by = ["kind", "depth", "parameters"]
    summary = table.groupby(by, sort=False)[["test_accuracy", "train_accuracy"]].mean().mul(100).round(2).reset_index()
    settings = {"depths": depths, "parameters": parameters, "epochs": epochs, "seeds": seeds}
    return Result(
        "depth",
        {"dataset": data.name, "digest": data.digest, **settings},
        summary,
        {"nets": table},
        {"depth": plot_depths(table, data.name, middle)},
    )


def sequences_of(name: str) -> Dataset:
    """Loads a data set of sequences; where that one has single digits, the sequences that are made of it."""
    if f"{name}_sequences" in datasets.names():
        name = f"{name}_sequences"
    data = datasets.load(name)
    if data.longest is None:
        have = ", ".join(each for each in datasets.names() if each.endswith("_sequences"))
        raise InvalidValue(f"depth takes a data set of sequences: {have}; got {name}.")
    return data


def trained(case: Case, data: Dataset, *, epochs: int) -> dict[str, object]:
    """Trains a net and returns what it reads; Keras' global seed is set."""
    keras.utils.set_random_seed(case.seed)
    recipe = replace(card("depth_cnn").recipe(), epochs=epochs)
    model = create(
        "depth_cnn",
        input_shape=data.input_shape,
        classes=data.classes,
        longest=data.longest,
        depth=case.depth,
        parameters=case.parameters,
        kind=case.kind,
        halvings=3 if min(data.input_shape[:2]) < 17 else 4,
    )
    compile_model(model, recipe, steps_per_epoch=math.ceil(len(data.train) / recipe.batch_size))
    # Plainly: to measure what XLA makes of so many convolutions takes longer than it saves.
    fit(
        model,
        data.train.x,
        data.train.y,
        batch_size=recipe.batch_size,
        epochs=epochs,
        seed=case.seed,
        jit_compile=False,
        verbose=0,
    )
    read = {name: evaluate(model, split.x, split.y, batch_size=500) for name, split in data.splits.items()}
    return {
        **case._asdict(),
        "exact_parameters": model.count_params(),
        "train_accuracy": read["train"]["accuracy"],
        "test_accuracy": read["test"]["accuracy"],
        "test_loss": read["test"]["loss"],
    }
