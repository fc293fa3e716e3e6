"""Which networks still recognize a digit that was moved by a few pixels?

For a perceptron, a moved digit is an entirely different input. A convolution detects the same features elsewhere, and
pooling drops some of their position: the layers above have to learn the rest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import keras
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from zoo import datasets
from zoo.datasets import Dataset
from zoo.datasets.transforms import framed, shifted
from zoo.experiments.result import Result, experiment, track_cases
from zoo.models.catalogue import card
from zoo.training.in_memory import train_in_memory
from zoo.utils.constraints import Count, between
from zoo.utils.plotting import make_figure, tile_images


class Net(NamedTuple):
    """A network to compare: a model of the zoo, one of its recipes, and options."""

    model: str
    recipe: str
    options: Mapping[str, Any]


NETS: Mapping[str, Net] = {
    "perceptron, 1 hidden layer": Net("shallow_mlp", "modern", {"hidden": 100}),
    "perceptron, 3 hidden layers": Net("deep_mlp", "modern", {"depth": 3, "width": 100}),
    "LeNet-5": Net("lenet5", "adam", {}),
    "LeNet-5, ReLU and max-pooling": Net("lenet5_relu", "modern", {}),
    "LeNet-5, trained on distorted digits": Net("lenet5_relu", "modern", {"distortion": 1.0}),
}
SIDE = 32  # of the images: MNIST's digits, 20x20, can be moved by 6 pixels without being cut
FEWEST_UPDATES = 2000  # LeNet-5 needs them, on however few digits
DIRECTIONS = tuple((down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right)
_STYLES = (
    {"color": "#D55E00", "marker": "s", "linestyle": "--"},
    {"color": "#A0004B", "marker": "D", "linestyle": "--"},
    {"color": "#0072B2", "marker": "o"},
    {"color": "#007A5A", "marker": "^"},
    {"color": "black", "marker": "v", "linestyle": ":"},
)


@experiment("shift")
def run(
    dataset: str = "mnist",
    *,
    updates: Count | None = None,
    seeds: Count = 1,
    furthest: Annotated[int, between(0, SIDE // 4)] = 6,
    progress: bool = True,
) -> Result:
    """Runs the experiment.

    Args:
        dataset: Name of a data set of grayscale images. They are padded to 32x32, small ones after being enlarged.
        updates: Number of updates of each network, rounded up to whole epochs. Defaults to one per six training
            images, and 2,000 at least.
        seeds: Number of networks of each kind.
        furthest: Largest shift of the test digits in pixels, in each of eight directions (diagonally, that many both
            ways).
        progress: Whether to show the progress on standard error.

    Returns:
        The summary has the test accuracy (%) of each kind of network by shift, averaged over the directions and
        seeds, and its number of weights. Table `accuracies` has one row per network, direction and shift.

    Raises:
        InvalidValue: A number is out of range, or the data are not grayscale images.
        UnknownName: Unknown data set.
        DataError: The data cannot be loaded.
    """
    data = framed(datasets.load(dataset), SIDE)
    updates = updates or max(FEWEST_UPDATES, len(data.train) // 6)
    cases = [(kind, seed) for kind in NETS for seed in range(seeds)]
    weights, rows = {}, []
    for kind, seed in track_cases(cases, "networks and moved digits", progress=progress):
        model = train_net(NETS[kind], data, updates=updates, seed=seed)
        weights[kind] = sum(math.prod(weight.shape) for weight in model.trainable_weights)
        rows += [{"net": kind, "seed": seed, **row} for row in measure_accuracies(model, data, furthest)]
    table = pd.DataFrame(rows)
    means = 100 * table.groupby(["net", "pixels"])["accuracy"].mean().unstack().loc[list(NETS)]
    summary = means.round(2).reset_index()
    summary.columns = ["net", *(f"{pixels}_px" for pixels in means.columns)]
    summary.insert(1, "weights", summary["net"].map(weights))
    return Result(
        summary,
        {"accuracies": table},
        {"accuracies": plot_shifts(table, data, [shifted(data.test.x[:1], n, n)[0] for n in range(furthest + 1)])},
        {"digest": data.digest, "updates": updates},
    )


def train_net(net: Net, data: Dataset, *, updates: int, seed: int) -> keras.Model:
    """Trains a network on digits that are not moved; sets Keras' global seed.

    Args:
        net: Network.
        data: Data set.
        updates: Number of updates, rounded up to whole epochs.
        seed: Random seed.
    """
    options = {"input_shape": data.input_shape, "classes": data.classes, **net.options}
    recipe = card(net.model).recipe(net.recipe)
    # Without XLA: measuring it with convolutions takes longer than it saves.
    return train_in_memory(
        net.model, data.train.x, data.train.y, recipe=recipe, options=options, updates=updates, seed=seed,
        jit_compile=False,
    )[0]  # fmt: skip


def measure_accuracies(model: keras.Model, data: Dataset, furthest: int) -> list[dict[str, Any]]:
    """Returns the accuracy on the moved test set: `pixels`, `down`, `right` (each -1, 0 or 1 times the pixels)."""
    rows = []
    for pixels in range(furthest + 1):
        directions = DIRECTIONS if pixels else ((0, 0),)
        moved = np.concatenate([shifted(data.test.x, pixels * down, pixels * right) for down, right in directions])
        scores = model.predict(moved, batch_size=1000, verbose=0).reshape(len(directions), len(data.test), -1)
        for (down, right), correct in zip(directions, scores.argmax(axis=-1) == data.test.y, strict=True):
            rows.append({"pixels": pixels, "down": down, "right": right, "accuracy": float(correct.mean())})
    return rows


def plot_shifts(accuracies: pd.DataFrame, data: Dataset, moved: Sequence[np.ndarray]) -> Figure:
    """Plots accuracy against the shift of the test digits, above one of them.

    Args:
        accuracies: Columns `net`, `pixels`, `accuracy`; one row per network and direction.
        data: Data set.
        moved: An image, moved by 0, 1, 2 ... pixels.
    """
    figure = make_figure(9, 6.8)
    axes, strip = figure.subplots(2, 1, height_ratios=(5, 1))
    for style, (kind, rows) in zip(_STYLES, accuracies.groupby("net", sort=False), strict=False):
        by_pixels = 100 * rows.groupby("pixels")["accuracy"].mean()
        axes.plot(by_pixels.index, by_pixels, label=kind, **style)
    axes.axhline(100 / data.classes, color="#888888", linewidth=1)
    axes.text(0, 100 / data.classes + 1, "guessing", color="#666666")
    axes.set(ylim=(0, 102), xlim=(-0.5, len(moved) - 0.5), xticks=range(len(moved)))
    axes.set_xlabel("shift of the test digits (pixels)")
    axes.set_ylabel("test accuracy (%), mean over eight directions")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 0.13))
    images = 1 - np.stack(moved)[:, :, :, 0]
    strip.imshow(tile_images(images, len(moved), gap=max(1, data.input_shape[1] // 8), fill=1), cmap="gray")
    strip.set_axis_off()
    figure.suptitle(
        f"{data.name}, images of {data.input_shape[0]}x{data.input_shape[1]}: test digits moved after training.\n"
        "Below, one of them, moved down and to the right"
    )
    return figure
