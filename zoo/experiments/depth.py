"""Does depth help with an equal number of weights?

Goodfellow et al., ICLR 2014, showed that it does for house numbers: 11 layers read more of them than 3, and 3 layers do
not catch up with more weights. Here the numbers are digits side by side, and the networks a thousand times smaller.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from zoo import datasets
from zoo.datasets import Dataset
from zoo.errors import InvalidValue
from zoo.experiments.result import Result, experiment, track_cases
from zoo.loop.evaluating import evaluate
from zoo.training.in_memory import train_in_memory
from zoo.utils.constraints import Count
from zoo.utils.plotting import label_ticks, make_panels

_STYLES: dict[tuple[str, bool], dict[str, Any]] = {
    ("convolutional", True): {"color": "#0072B2", "marker": "o"},
    ("convolutional", False): {"color": "#007A5A", "marker": "^"},
    ("fully_connected", False): {"color": "#D55E00", "marker": "s", "linestyle": "--"},
}


class Case(NamedTuple):
    """A network to train."""

    kind: str
    depth: int
    parameters: int
    seed: int


@experiment("depth")
def run(
    dataset: str = "mnist_sequences",
    *,
    depths: tuple[int, ...] = (3, 5, 7, 9, 11),
    parameters: tuple[int, ...] = (30_000, 60_000, 120_000),
    epochs: Count = 6,
    seeds: Count = 1,
    progress: bool = True,
) -> Result:
    """Runs the experiment.

    Args:
        dataset: Name of a data set of sequences, or of one that has sequences, such as `"mnist"`.
        depths: Numbers of hidden layers at the middle number of parameters; the other numbers are tried with the
            shallowest and the deepest network.
        parameters: Numbers of weights and biases.
        epochs: Number of epochs of each network.
        seeds: Number of networks of each kind.
        progress: Whether to show the progress on standard error.

    Returns:
        The summary has, for each kind, depth and number of parameters, the share of test and training sequences that
        are read without a mistake (%, averaged over the seeds). Table `nets` has one row per network.

    Raises:
        InvalidValue: A number is out of range, or the data set has no sequences.
        UnknownName: Unknown data set.
        DataError: The data cannot be loaded.
    """
    depths, parameters = (tuple(sorted(set(numbers))) for numbers in (depths, parameters))
    data = load_sequences(dataset)
    middle = parameters[len(parameters) // 2]
    kinds = [("convolutional", depth, middle) for depth in depths]
    kinds += [("convolutional", depth, count) for depth in (depths[0], depths[-1]) for count in parameters]
    kinds += [("fully_connected", depths[0], count) for count in parameters]
    cases = [Case(*kind, seed) for kind in dict.fromkeys(kinds) for seed in range(seeds)]
    table = pd.DataFrame(
        [train_case(case, data, epochs=epochs) for case in track_cases(cases, "depths", progress=progress)]
    )
    accuracies = table.groupby(["kind", "depth", "parameters"], sort=False)[["test_accuracy", "train_accuracy"]]
    return Result(
        accuracies.mean().mul(100).round(2).reset_index(),
        {"nets": table},
        {"depth": plot_depths(table, data.name, middle)},
        {"dataset": data.name, "digest": data.digest, "depths": depths, "parameters": parameters},
    )


def load_sequences(name: str) -> Dataset:
    """Loads a data set of sequences, or the sequences made of a data set of single digits."""
    if f"{name}_sequences" in datasets.names():
        name = f"{name}_sequences"
    data = datasets.load(name)
    if data.longest is None:
        valid = ", ".join(other for other in datasets.names() if other.endswith("_sequences"))
        raise InvalidValue(f"dataset must be one of sequences, {valid}; got {name}.")
    return data


def train_case(case: Case, data: Dataset, *, epochs: int) -> dict[str, object]:
    """Trains a network and returns what it reads; sets Keras' global seed."""
    options = {
        "input_shape": data.input_shape,
        "classes": data.classes,
        "longest": data.longest,
        "depth": case.depth,
        "parameters": case.parameters,
        "kind": case.kind,
        "halvings": 3 if min(data.input_shape[:2]) < 17 else 4,
    }
    # Without XLA: measuring it with so many convolutions takes longer than it saves.
    model, _ = train_in_memory(
        "depth_cnn", data.train.x, data.train.y, options=options, epochs=epochs, seed=case.seed, jit_compile=False
    )
    train, test = (evaluate(model, split.x, split.y, batch_size=500) for split in (data.train, data.test))
    return {
        **case._asdict(),
        "exact_parameters": model.count_params(),
        "train_accuracy": train["accuracy"],
        "test_accuracy": test["accuracy"],
        "test_loss": test["loss"],
    }


def plot_depths(nets: pd.DataFrame, dataset: str, parameters: int) -> Figure:
    """Plots accuracy against depth at an equal number of weights, and against their number.

    Args:
        nets: Columns `kind`, `depth`, `parameters`, `exact_parameters`, `test_accuracy`; one row per network.
        dataset: Name of the data set.
        parameters: Number of weights in the first panel.
    """
    figure, (by_depth, by_size) = make_panels(2, width=6, height=5, sharey=True)
    nets = nets.assign(percent=100 * nets["test_accuracy"])
    equal = nets[nets["parameters"] == parameters]
    convolutional, dense = (equal[equal["kind"] == kind] for kind in ("convolutional", "fully_connected"))
    mean = convolutional.groupby("depth")["percent"].mean()
    by_depth.plot(mean.index, mean, color="#0072B2", marker="o", label="convolutional")
    by_depth.plot(convolutional["depth"], convolutional["percent"], linestyle="none", marker="_", color="#0072B2")
    by_depth.plot(dense["depth"], dense["percent"], "s", color="#D55E00", label="fully connected")
    by_depth.set_xticks(sorted(convolutional["depth"].unique()))
    by_depth.set_xlabel("hidden layers")
    by_depth.set_ylabel("test sequences read without a mistake (%)")
    by_depth.set_title(f"networks of about {parameters:,} weights")
    deepest = nets["depth"].max()
    ends = nets[nets["depth"].isin((nets["depth"].min(), deepest))]
    for (kind, depth), rows in ends.groupby(["kind", "depth"]):
        of_size = rows.groupby("exact_parameters")["percent"].mean()
        label = f"{depth} layers, {str(kind).replace('_', ' ')}"
        by_size.plot(of_size.index, of_size, label=label, **_STYLES[str(kind), depth == deepest])
    label_ticks(by_size, sorted(nets["parameters"].unique()))
    by_size.set_xlabel("weights and biases")
    for axes in (by_depth, by_size):
        axes.legend(frameon=False)
    figure.suptitle(f"Numbers of one to five digits, {dataset}")
    return figure
