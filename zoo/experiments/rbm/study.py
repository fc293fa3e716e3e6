"""What does an RBM learn? Its filters, samples, reconstructions and likelihood: CD-1 against persistent chains.

Hinton, «A practical guide to training RBMs», UTML TR 2010-003; Tieleman, «Training RBMs using approximations to
the likelihood gradient», ICML 2008; Salakhutdinov and Murray, «On the quantitative analysis of deep belief
networks», ICML 2008.
"""

from __future__ import annotations

import contextlib
import math
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
from zoo.experiments.result import Result
from zoo.layers.rbm import RBM
from zoo.loop.fit import fit
from zoo.models.catalogue import create
from zoo.models.families.rbm import DENSITY
from zoo.recipes.compiling import compile_model
from zoo.training.progress_bar import ProgressBar
from zoo.utils.constraints import Count, Seed, check, check_all

# Both methods take a learning rate that falls to 0, without which persistent chains do not come to rest.
RECIPE = DENSITY
Pixels = Literal["threshold", "sampled"]
METHODS: Mapping[str, Mapping[str, Any]] = {
    "CD-1": {"persistent": False, "k": 1},
    "persistent CD": {"persistent": True, "k": 1, "chains": 100},
}


def run(
    dataset: str = "mnist",
    *,
    hidden: int = 500,
    updates: int = 15_000,
    steps: tuple[int, ...] = (1, 10, 100, 1000),
    runs: int = 100,
    pixels: Pixels = "threshold",
    seed: int = 0,
    progress: bool = True,
) -> Result:
    """Runs the experiment on images in black and white.

    Args:
        dataset: A data set of images in [0, 1], with validation examples.
        hidden: Number of hidden units.
        updates: Updates of either method, rounded up to whole epochs.
        steps: After how many steps of Gibbs sampling the chains are drawn.
        runs: Runs of annealed importance sampling.
        pixels: `"threshold"`: a pixel is on from 0.5 upwards. `"sampled"`: it is on with the probability of its grey,
            drawn once, as in Salakhutdinov and Murray; such images are noisier, and less likely by some nats.
        seed: Decides every draw. Keras' global seed is set.
        progress: Whether to show how far it is, on standard error.

    Returns:
        Tables `monitors` (by epoch) and `likelihoods`, and figures `filters`, `samples`, `reconstructions` and
        `monitors`.

    Raises:
        InvalidValue: A number out of range, or examples that are no images.
        UnknownName: No such data set.
        DataError: The data cannot be had.
    """
    counts = check_all(Count, hidden=hidden, updates=updates, runs=runs)
    steps, seed = tuple(sorted(set(check("steps", steps, tuple[int, ...])))), check("seed", seed, Seed)
    data = datasets.load(dataset)
    if len(data.input_shape) != 3:
        raise InvalidValue(f"This experiment is about images; an example of {dataset} has shape {data.input_shape}.")
    draw = np.random.default_rng(seed) if check("pixels", pixels, Pixels) == "sampled" else None
    train, validation, test = (black_and_white(data.splits[part].x, draw) for part in ("train", "validation", "test"))
    monitors, likelihoods, machines = [], [], {}
    for method in METHODS:
        model, history = trained(
            method, train, validation, hidden=hidden, updates=updates, seed=seed, progress=progress
        )
        machines[method] = model.rbm
        monitors.append(history)
        likelihoods.append(likelihood(model.rbm, train, test, runs=runs, seed=seed).assign(method=method))
    table = pd.concat(monitors, ignore_index=True)
    measured = pd.concat(likelihoods, ignore_index=True)
    measured = measured[["method", *measured.columns.drop("method")]]
    last = table.groupby("method", sort=False)[["reconstruction_error", "pseudo_log_likelihood"]].last().reset_index()
    examples = one_of_each(test, data.test.y)
    samples = {method: chains(machine, examples, steps=steps, seed=seed) for method, machine in machines.items()}
    back = {method: ops.convert_to_numpy(machine.reconstruct(examples)) for method, machine in machines.items()}
    shape = data.input_shape[:2]
    return Result(
        "rbm",
        {"dataset": dataset, "digest": data.digest, "steps": steps, "pixels": pixels, "seed": seed, **counts},
        last.merge(measured, on="method").map(lambda value: value if isinstance(value, str) else float(f"{value:.5g}")),
        {"monitors": table, "likelihoods": measured},
        {
            "filters": plot_filters(
                {method: ops.convert_to_numpy(machine.kernel) for method, machine in machines.items()}, shape, data.name
            ),
            "samples": plot_samples(samples, steps, shape, data.name),
            "reconstructions": plot_reconstructions({"test images": examples, **back}, shape, data.name),
            "monitors": plot_monitors(table, measured, data.name),
        },
    )


def black_and_white(x: np.ndarray, draw: np.random.Generator | None = None) -> np.ndarray:
    """Returns images as rows of zeros and ones, `(examples, pixels)`: drawn by their grey, or on from 0.5 upwards."""
    rows = x.reshape(len(x), -1)
    return (rows > draw.random(rows.shape) if draw else rows >= 0.5).astype("float32")


def trained(
    method: str,
    train: np.ndarray,
    validation: np.ndarray,
    *,
    hidden: int,
    updates: int,
    seed: int,
    progress: bool = False,
) -> tuple[keras.Model, pd.DataFrame]:
    """Trains an RBM.

    Args:
        method: A name of `METHODS`.
        train: Examples of zeros and ones, `(examples, pixels)`.
        validation: Others, to watch the training with.
        hidden: Number of hidden units.
        updates: Updates, rounded up to whole epochs.
        seed: Decides every draw.
        progress: Whether to show how far it is.

    Returns:
        The model, and its monitors: columns `method`, `epoch`, and the metrics, those of the validation
        examples after `val_`.
    """
    keras.utils.set_random_seed(seed)
    per_epoch = math.ceil(len(train) / RECIPE.batch_size)
    epochs = math.ceil(updates / per_epoch)
    model = create("rbm", input_shape=train.shape[1:], hidden=hidden, **METHODS[method])
    compile_model(model, replace(RECIPE, epochs=epochs), steps_per_epoch=per_epoch)
    with contextlib.ExitStack() as stack:
        bar = ProgressBar(epochs=epochs, steps_per_epoch=per_epoch, label=method) if progress else None
        history = fit(
            model,
            train,
            batch_size=RECIPE.batch_size,
            epochs=epochs,
            seed=seed,
            validation_data=(validation,),
            validation_batch_size=1000,
            callbacks=[stack.enter_context(bar)] if bar else None,
            verbose=0,
        ).history
    return model, pd.DataFrame({"method": method, "epoch": range(1, epochs + 1), **history})


def likelihood(rbm: RBM, train: np.ndarray, test: np.ndarray, *, runs: int, seed: int) -> pd.DataFrame:
    """Estimates an RBM's mean log-likelihoods by annealed importance sampling that starts near the training examples.

    Args:
        rbm: The RBM.
        train: Examples that it learnt from, of zeros and ones.
        test: Others.
        runs: Independent runs of the sampling.
        seed: Decides it.

    Returns:
        A row, in nats: `test_log_likelihood` and `train_log_likelihood`, of as many examples at most;
        `standard_error` of both, which is that of `log_partition`.
    """
    partition = rbm.log_partition(method="ais", data=train, runs=runs, seed=seed)

    def mean(x: np.ndarray) -> float:
        return float(np.mean(ops.convert_to_numpy(rbm.log_likelihood(x, partition))))

    return pd.DataFrame(
        [
            {
                "test_log_likelihood": mean(test),
                "train_log_likelihood": mean(train[: len(test)]),
                "standard_error": partition.standard_error,
                "log_partition": partition.value,
            }
        ]
    )


def chains(rbm: RBM, x: np.ndarray, *, steps: tuple[int, ...], seed: int) -> dict[str, list[np.ndarray]]:
    """Follows chains of Gibbs sampling that start at examples, and at noise.

    Args:
        rbm: The RBM.
        x: Examples of zeros and ones, `(chains, pixels)`.
        steps: After how many steps the chains are looked at, in rising order.
        seed: Decides the noise.

    Returns:
        By start, the states at the start and after each of `steps`, `(chains, pixels)`: after a step the
        probabilities that the pixels were drawn from.
    """
    noise = np.random.default_rng(seed).integers(2, size=x.shape).astype("float32")
    seen = [state := np.concatenate([x, noise])]
    for before, after in pairwise((0, *steps)):
        for _ in range(after - before):
            state, means = rbm.gibbs_step(state)
        seen.append(ops.convert_to_numpy(means))
    return {"test images": [each[: len(x)] for each in seen], "noise": [each[len(x) :] for each in seen]}


def one_of_each(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns the first example of every class."""
    return x[np.unique(y, return_index=True)[1]]
