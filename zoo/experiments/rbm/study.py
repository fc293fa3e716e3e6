"""What does an RBM learn: filters, samples, reconstructions and likelihood, by CD-1 and by persistent chains?

Hinton, «A practical guide to training RBMs», UTML TR 2010-003; Tieleman, «Training RBMs using approximations to the
likelihood gradient», ICML 2008; Salakhutdinov and Murray, «On the quantitative analysis of deep belief networks»,
ICML 2008.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal

import keras
import numpy as np
import pandas as pd
from keras import ops

from zoo import datasets
from zoo.errors import InvalidValue
from zoo.experiments.rbm.figures import plot_filters, plot_monitors, plot_reconstructions, plot_samples
from zoo.experiments.result import Result, experiment
from zoo.layers.rbm import RBM
from zoo.models.families.rbm import DENSITY
from zoo.training.in_memory import train_in_memory
from zoo.utils.constraints import Count, Seed

# Both methods use a learning rate that decays to 0, without which persistent chains do not converge.
RECIPE = replace(DENSITY, options={})
Pixels = Literal["threshold", "sampled"]
METHODS: Mapping[str, Mapping[str, Any]] = {
    "CD-1": {"persistent": False, "k": 1},
    "persistent CD": {"persistent": True, "k": 1, "chains": 100},
}


@experiment("rbm")
def run(
    dataset: str = "mnist",
    *,
    hidden: Count = 500,
    updates: Count = 15_000,
    steps: tuple[int, ...] = (1, 10, 100, 1000),
    runs: Count = 100,
    pixels: Pixels = "threshold",
    seed: Seed = 0,
    progress: bool = True,
) -> Result:
    """Runs the experiment on images in black and white.

    Args:
        dataset: Name of a data set of images in [0, 1], with validation examples.
        hidden: Number of hidden units.
        updates: Number of updates of either method, rounded up to whole epochs.
        steps: Numbers of steps of Gibbs sampling after which the chains are drawn.
        runs: Number of runs of annealed importance sampling.
        pixels: `"threshold"`, a pixel is on from 0.5 upwards; or `"sampled"`, it is on with the probability of its
            gray level, drawn once, as in Salakhutdinov and Murray: such images are noisier and less likely by some
            nats.
        seed: Random seed. Keras' global seed is set.
        progress: Whether to show the progress on standard error.

    Returns:
        Tables `monitors` (by epoch) and `likelihoods`, and figures `filters`, `samples`, `reconstructions` and
        `monitors`.

    Raises:
        InvalidValue: A number is out of range, or the examples are not images.
        UnknownName: Unknown data set.
        DataError: The data cannot be loaded.
    """
    steps = tuple(sorted(set(steps)))
    data = datasets.load(dataset)
    if len(data.input_shape) != 3:
        raise InvalidValue(f"dataset must be one of images; an example of {dataset} has shape {data.input_shape}.")
    random = np.random.default_rng(seed) if pixels == "sampled" else None
    train, validation, test = (binarize(data.splits[part].x, random) for part in ("train", "validation", "test"))
    monitors, likelihoods, machines = [], [], {}
    for method in METHODS:
        model, history = train_rbm(
            method, train, validation, hidden=hidden, updates=updates, seed=seed, progress=method if progress else ""
        )
        machines[method] = model.rbm
        monitors.append(history)
        likelihoods.append(estimate_likelihood(model.rbm, train, test, runs=runs, seed=seed).assign(method=method))
    table, measured = pd.concat(monitors, ignore_index=True), pd.concat(likelihoods, ignore_index=True)
    measured = measured[["method", *measured.columns.drop("method")]]
    last = table.groupby("method", sort=False)[["reconstruction_error", "pseudo_log_likelihood"]].last().reset_index()
    examples = first_of_each_class(test, data.test.y)
    samples = {method: run_chains(machine, examples, steps=steps, seed=seed) for method, machine in machines.items()}
    images = {method: ops.convert_to_numpy(machine.reconstruct(examples)) for method, machine in machines.items()}
    kernels = {method: ops.convert_to_numpy(machine.kernel) for method, machine in machines.items()}
    shape = data.input_shape[:2]
    return Result(
        last.merge(measured, on="method").map(lambda value: value if isinstance(value, str) else float(f"{value:.5g}")),
        {"monitors": table, "likelihoods": measured},
        {
            "filters": plot_filters(kernels, shape, data.name),
            "samples": plot_samples(samples, steps, shape, data.name),
            "reconstructions": plot_reconstructions({"test images": examples, **images}, shape, data.name),
            "monitors": plot_monitors(table, measured, data.name),
        },
        {"digest": data.digest, "steps": steps},
    )


def binarize(x: np.ndarray, random: np.random.Generator | None = None) -> np.ndarray:
    """Returns images as rows of zeros and ones, `(examples, pixels)`.

    Args:
        x: Images in [0, 1].
        random: Generator to draw the pixels by their gray levels. Defaults to None: a pixel is on from 0.5 upwards.
    """
    rows = x.reshape(len(x), -1)
    return (rows > random.random(rows.shape) if random else rows >= 0.5).astype("float32")


def train_rbm(
    method: str,
    train: np.ndarray,
    validation: np.ndarray,
    *,
    hidden: int,
    updates: int,
    seed: int,
    progress: str = "",
) -> tuple[keras.Model, pd.DataFrame]:
    """Trains an RBM.

    Args:
        method: Name of a method in `METHODS`.
        train: Training examples of zeros and ones, `(examples, pixels)`.
        validation: Validation examples.
        hidden: Number of hidden units.
        updates: Number of updates, rounded up to whole epochs.
        seed: Random seed.
        progress: Label of the progress bar. Defaults to no bar.

    Returns:
        The model, and its monitors: columns `method`, `epoch`, and the metrics; those of the validation examples
        begin with `val_`.
    """
    model, history = train_in_memory(
        "rbm", train, recipe=RECIPE, options={"input_shape": train.shape[1:], "hidden": hidden, **METHODS[method]},
        validation=(validation,), updates=updates, seed=seed, progress=progress,
    )  # fmt: skip
    epochs = range(1, len(history.epoch) + 1)
    return model, pd.DataFrame({"method": method, "epoch": epochs, **history.history})


def estimate_likelihood(rbm: RBM, train: np.ndarray, test: np.ndarray, *, runs: int, seed: int) -> pd.DataFrame:
    """Estimates an RBM's mean log-likelihoods by annealed importance sampling that starts near the training examples.

    Args:
        rbm: RBM.
        train: Training examples of zeros and ones.
        test: Test examples.
        runs: Number of independent runs of the sampling.
        seed: Random seed of the sampling.

    Returns:
        One row, in nats: `test_log_likelihood` and `train_log_likelihood`, of as many examples at most;
        `standard_error` of both, which is that of `log_partition`.
    """
    partition = rbm.log_partition(method="ais", data=train, runs=runs, seed=seed)
    test_mean, train_mean = (
        float(np.mean(ops.convert_to_numpy(rbm.log_likelihood(x, partition)))) for x in (test, train[: len(test)])
    )
    row = {"test_log_likelihood": test_mean, "train_log_likelihood": train_mean}
    return pd.DataFrame([{**row, "standard_error": partition.standard_error, "log_partition": partition.value}])


def run_chains(rbm: RBM, x: np.ndarray, *, steps: tuple[int, ...], seed: int) -> dict[str, list[np.ndarray]]:
    """Runs chains of Gibbs sampling that start at examples, and at noise.

    Args:
        rbm: RBM.
        x: Examples of zeros and ones, `(chains, pixels)`.
        steps: Numbers of steps after which the states are returned, in rising order.
        seed: Random seed of the noise.

    Returns:
        By start, the states at the start and after each of `steps`, `(chains, pixels)`: after a step, the
        probabilities that the pixels were drawn from.
    """
    noise = np.random.default_rng(seed).integers(2, size=x.shape).astype("float32")
    states = [state := np.concatenate([x, noise])]
    for before, after in pairwise((0, *steps)):
        for _ in range(after - before):
            state, means = rbm.gibbs_step(state)
        states.append(ops.convert_to_numpy(means))
    return {"test images": [rows[: len(x)] for rows in states], "noise": [rows[len(x) :] for rows in states]}


def first_of_each_class(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns the first example of every class."""
    return x[np.unique(y, return_index=True)[1]]
