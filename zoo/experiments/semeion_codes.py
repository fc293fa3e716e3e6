"""What do two numbers retain of a digit? The codes of an autoencoder beside two principal components.

The lecture's autoencoder of SEMEION, deeper: Hinton and Salakhutdinov, «Reducing the dimensionality of data with
neural networks», Science 313, 2006, figure 3, draw the same comparison for MNIST.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import keras
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

from zoo import datasets
from zoo.experiments.result import Result, experiment
from zoo.models.families.autoencoder import SQUARED
from zoo.training.in_memory import train_in_memory
from zoo.utils.constraints import Count, Seed
from zoo.utils.plotting import make_figure

RECIPE = replace(SQUARED, batch_size=32)
NEIGHBORS = 9
SHOWN = 1500  # examples in the figure; more of them hide each other
# Okabe and Ito's eight colors, and two more of other lightness.
_COLORS = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#8C6D00", "#0072B2", "#D55E00", "#CC79A7", "#7F7F7F", "#5D2A91")


class Codes(NamedTuple):
    """Codes and reconstructions of examples.

    Args:
        codes: Codes, `(examples, 2)`.
        reconstructions: Reconstructions, `(examples, pixels)`.
    """

    codes: np.ndarray
    reconstructions: np.ndarray


@experiment("semeion-codes")
def run(
    dataset: str = "semeion",
    *,
    hidden: tuple[int, ...] = (256, 64),
    updates: Count = 8000,
    seed: Seed = 0,
    progress: bool = True,
) -> Result:
    """Runs the experiment.

    Args:
        dataset: Name of a data set with inputs in [0, 1].
        hidden: Numbers of units of the encoder's layers below the code; the decoder mirrors them.
        updates: Number of updates of the autoencoder, rounded up to whole epochs.
        seed: Random seed of its initial weights, its noise and the order of the examples.
        progress: Whether to show the progress on standard error.

    Returns:
        Table `codes` has one row per test example and method. Both methods learn from the training examples alone,
        without labels. The summary has each method's squared error, summed over the pixels, on both sets, and the
        share of test examples that the majority of the 9 nearest training examples in the plane classifies correctly;
        and the same with all pixels as codes.

    Raises:
        InvalidValue: A number is out of range.
        UnknownName: Unknown data set.
        DataError: The data cannot be loaded.
    """
    data = datasets.load(dataset)
    train, test = (split.x.reshape(len(split), -1) for split in (data.train, data.test))
    label = "autoencoder" if progress else ""
    methods = {
        "two principal components": principal_components(train, test),
        "autoencoder, two units": autoencoder(train, test, hidden=hidden, updates=updates, seed=seed, progress=label),
    }
    codes = pd.concat(
        [
            pd.DataFrame({"method": name, "digit": data.test.y, "x": of_test.codes[:, 0], "y": of_test.codes[:, 1]})
            for name, (_, of_test) in methods.items()
        ],
        ignore_index=True,
    )
    pixels = {f"all {train.shape[1]} pixels": (Codes(train, train), Codes(test, test))}
    summary = pd.DataFrame(
        [
            {
                "codes": name,
                "train_error": squared_error(train, of_train),
                "test_error": squared_error(test, of_test),
                "nearest_neighbours": 100 * neighbors_accuracy(of_train, data.train.y, of_test, data.test.y),
            }
            for name, (of_train, of_test) in {**methods, **pixels}.items()
        ]
    ).round(2)
    return Result(
        summary,
        {"codes": codes},
        {"codes": plot_codes(codes, summary, data.source.class_names, data.name)},
        {"digest": data.digest},
    )


def principal_components(train: np.ndarray, test: np.ndarray) -> tuple[Codes, Codes]:
    """Returns the codes of both sets by the first two principal components of the training examples."""
    components = PCA(2, svd_solver="full").fit(train)
    of_train, of_test = (components.transform(x) for x in (train, test))
    return tuple(Codes(codes, components.inverse_transform(codes)) for codes in (of_train, of_test))  # type: ignore[return-value]


def autoencoder(
    train: np.ndarray, test: np.ndarray, *, hidden: tuple[int, ...], updates: int, seed: int, progress: str = ""
) -> tuple[Codes, Codes]:
    """Trains a denoising autoencoder with two linear code units and returns the codes of both sets.

    The noise is for so few examples: without it, the network soon memorizes them.

    Args:
        train: Training examples, `(examples, pixels)`.
        test: Test examples.
        hidden: Numbers of units of the encoder's layers below the code.
        updates: Number of updates, rounded up to whole epochs.
        seed: Random seed. Keras' global seed is set.
        progress: Label of the progress bar. Defaults to no bar.
    """
    options = {
        "input_shape": train.shape[1:],
        "hidden": (*hidden, 2),
        "activation": "tanh",
        "code_activation": "linear",
    }
    model, _ = train_in_memory(
        "denoising_autoencoder", train, recipe=RECIPE, options=options, updates=updates, seed=seed, progress=progress
    )
    both = keras.Model(model.input, [model.get_layer("code").output, model.output])
    of_train, of_test = (Codes(*both.predict(x, batch_size=1000, verbose=0)) for x in (train, test))
    return of_train, of_test


def squared_error(x: np.ndarray, codes: Codes) -> float:
    """Returns the squared error of the reconstructions, summed over the pixels, averaged over the examples."""
    return float(np.square(x - codes.reconstructions).sum(axis=1).mean())


def neighbors_accuracy(of_train: Codes, y_train: np.ndarray, of_test: Codes, y_test: np.ndarray) -> float:
    """Returns the share of test examples whose label is that of most of their nearest training examples."""
    return float(KNeighborsClassifier(NEIGHBORS).fit(of_train.codes, y_train).score(of_test.codes, y_test))


def plot_codes(codes: pd.DataFrame, summary: pd.DataFrame, class_names: Sequence[str], dataset: str) -> Figure:
    """Draws each test example as its label at its code, one panel per method.

    Args:
        codes: Columns `method`, `digit`, `x`, `y`.
        summary: Columns `codes` (the method), `test_error`, `nearest_neighbours`.
        class_names: Names of the classes.
        dataset: Name of the data set.
    """
    names = list(dict.fromkeys(codes["method"]))
    figure = make_figure(6.5 * len(names), 6.6)
    measures = summary.set_index("codes")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        of_method = codes[codes["method"] == name]
        for digit, rows in of_method.iloc[:SHOWN].groupby("digit"):
            # The label itself is the marker: the colors may be similar.
            marker, color = f"${class_names[int(str(digit))]}$", _COLORS[int(str(digit)) % len(_COLORS)]
            axes.scatter(rows["x"], rows["y"], marker=marker, s=42, linewidths=0.2, color=color)
        error, correct = measures.loc[name, ["test_error", "nearest_neighbours"]]
        title = f"{name}\nsquared error {error:.1f} per image; {correct:.0f} % correct by nearest neighbors"
        axes.set(title=title, xlabel="first number", ylabel="second number")
    shown = min(SHOWN, len(codes) // len(names))
    figure.suptitle(f"{shown:,} test images of {dataset} as two numbers")
    return figure
