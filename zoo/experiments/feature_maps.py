"""What does a convolutional network detect, and how few weights does it need?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from zoo import datasets
from zoo.datasets.transforms import framed
from zoo.experiments.result import Result, experiment
from zoo.loop.evaluating import evaluate
from zoo.models.catalogue import create
from zoo.models.layer_table import layer_table
from zoo.training.in_memory import train_in_memory
from zoo.utils.constraints import Count, Seed
from zoo.utils.plotting import make_figure, tile_images

LAYERS = ("C1", "S2", "C3", "S4")
# The lecture's letters: 16x16 pixels, a hidden layer of 100, 26 classes.
LETTERS: dict[str, Any] = {"input_shape": (16, 16, 1), "classes": 26}
_LEAST = 5  # where the log axis of counts begins


@experiment("feature-maps")
def run(dataset: str = "mnist", *, epochs: Count = 5, seed: Seed = 0, progress: bool = True) -> Result:
    """Runs the experiment.

    Args:
        dataset: Name of a data set of grayscale images. They are padded to 32x32, small ones after being enlarged.
        epochs: Number of epochs of the modern LeNet-5.
        seed: Random seed. Keras' global seed is set.
        progress: Whether to show the progress on standard error.

    Returns:
        The summary has, layer by layer, the weights and connections of the lecture's plain network for letters and of
        convolutional ones. Table `test` has the trained network's accuracy. Figures: `filters` (the kernels of C1),
        `maps` (the maps of each layer for one digit of each of three classes), and `weights`.

    Raises:
        InvalidValue: A number is out of range, or the data are not grayscale images.
        UnknownName: Unknown data set.
        DataError: The data cannot be loaded.
    """
    data = framed(datasets.load(dataset), 32)
    options = {"input_shape": data.input_shape, "classes": data.classes}
    model, _ = train_in_memory(
        "lenet5_relu", data.train.x, data.train.y, options=options, epochs=epochs, seed=seed,
        verbose=2 if progress else 0,
    )  # fmt: skip
    accuracy = evaluate(model, data.test.x, data.test.y)["accuracy"]
    images = data.test.x[[int(np.flatnonzero(data.test.y == label)[0]) for label in range(min(3, data.classes))]]
    weights = count_weights()
    title = f"lenet5_relu on {data.name}, test accuracy {100 * accuracy:.2f} %"
    return Result(
        weights,
        {"test": pd.DataFrame({"model": ["lenet5_relu"], "accuracy": [accuracy]})},
        {
            "filters": plot_filters(read_filters(model), title),
            "maps": plot_maps(images, compute_maps(model, images), data.name),
            "weights": plot_weights(weights),
        },
        {"digest": data.digest},
    )


def read_filters(model: keras.Model) -> np.ndarray:
    """Returns the kernels of the first layer of maps, `(maps, rows, columns)`."""
    return np.moveaxis(np.asarray(model.get_layer("C1").kernel)[:, :, 0], -1, 0)


def compute_maps(model: keras.Model, images: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the maps of images by layer, `(images, rows, columns, maps)`."""
    body = keras.Model(model.input, [model.get_layer(name).output for name in LAYERS])
    return dict(zip(LAYERS, map(np.asarray, body(images)), strict=True))


def count_weights() -> pd.DataFrame:
    """Returns the weights and connections of a plain network and of convolutional ones, one row per layer with any.

    The lecture's plain network for letters of 16x16 has 25,700 + 2,626 weights. LeNet-5 has, for a larger image, a
    hundred times the connections and twice the weights.
    """
    nets = {
        "plain, 16x16 to 26 letters": create("shallow_mlp", hidden=100, **LETTERS),
        "LeNet-5, 32x32 to 10 digits": create("lenet5"),
        "modern LeNet-5, 32x32 to 10 digits": create("lenet5_relu"),
    }
    tables = []
    for name, model in nets.items():
        table = layer_table(model)[["layer", "output", "trainable", "connections"]]
        tables.append(table[table["connections"] > 0].assign(net=name))
    table = pd.concat(tables, ignore_index=True).rename(columns={"trainable": "weights"})
    return table[["net", "layer", "output", "weights", "connections"]]


def plot_filters(filters: np.ndarray, title: str) -> Figure:
    """Draws the kernels of a layer as images.

    Args:
        filters: Kernels, `(maps, rows, columns)`.
        title: Title of the figure.
    """
    figure = make_figure(1.7 * len(filters) + 1, 2.9)
    panels = figure.subplots(1, len(filters), squeeze=False)[0]
    limit = np.abs(filters).max()
    for number, (axes, kernel) in enumerate(zip(panels, filters, strict=True), start=1):
        image = axes.imshow(kernel, cmap="RdBu_r", vmin=-limit, vmax=limit)
        axes.set(title=f"map {number}", xticks=[], yticks=[])
    figure.colorbar(image, ax=list(panels), label="weight", fraction=0.02)
    figure.suptitle(f"Kernels of C1, {'x'.join(map(str, filters.shape[1:]))}: what its maps look for. {title}")
    return figure


def plot_maps(images: np.ndarray, maps: Mapping[str, np.ndarray], dataset: str) -> Figure:
    """Draws the maps of images: one row per image, one column per layer, its maps in a grid.

    Args:
        images: Images, `(images, rows, columns, 1)`.
        maps: Maps by layer, `(images, rows, columns, maps)`.
        dataset: Name of the data set.
    """
    figure = make_figure(13, 2.9 * len(images))
    panels = figure.subplots(len(images), 1 + len(maps), squeeze=False)
    for number, row in enumerate(panels):
        row[0].imshow(images[number, :, :, 0], cmap="gray_r")
        for axes, (name, values) in zip(row[1:], maps.items(), strict=True):
            maps_of_image = np.moveaxis(values[number], -1, 0) / max(values[number].max(), 1e-12)
            columns, gap = int(np.ceil(np.sqrt(values.shape[3]))), max(1, values.shape[1] // 10)
            axes.imshow(tile_images(maps_of_image, columns, gap=gap, fill=0.25), cmap="gray_r")
            axes.spines[:].set_visible(False)
            if not number:
                axes.set_title(f"{name}: {values.shape[3]} maps of {values.shape[1]}x{values.shape[2]}")
        for axes in row:
            axes.set(xticks=[], yticks=[])
    panels[0][0].set_title("image, 32x32")
    figure.suptitle(f"{dataset}: maps of a trained LeNet-5 (ReLU, max-pooling) for each image; black is most active")
    return figure


def plot_weights(counts: pd.DataFrame) -> Figure:
    """Plots the numbers of weights and connections of each network's layers.

    Args:
        counts: Columns `net`, `layer`, `weights`, `connections`.
    """
    figure = make_figure(13, 4.6)
    nets = list(counts.groupby("net", sort=False))
    panels = figure.subplots(1, len(nets), sharey=True, width_ratios=[max(4, len(rows)) for _, rows in nets])
    for axes, (net, rows) in zip(panels, nets, strict=True):
        place = np.arange(len(rows))
        for offset, name, color in ((-0.2, "connections", "#B9D4E6"), (0.2, "weights", "#0072B2")):
            bars = axes.bar(place + offset, rows[name], 0.4, color=color, label=name)
            labels = [f"{value:,}" if value else "" for value in rows[name]]
            axes.bar_label(bars, labels, fontsize=7.5, rotation=90, padding=2)
            for x in place[rows[name] == 0] + offset:
                axes.text(x, _LEAST, "0", fontsize=7.5, ha="center", va="bottom")
        axes.set_xticks(place, rows["layer"])
        totals = f"{rows['weights'].sum():,} weights\n{rows['connections'].sum():,} connections"
        axes.set_title(f"{net}\n{totals}", fontsize=10)
        axes.set(yscale="log", ylim=(_LEAST, 2e7))
    panels[0].set_ylabel("number in a layer")
    panels[0].legend(frameon=False, loc="upper right")
    figure.suptitle("A convolution shares its weights: many connections, few weights")
    return figure
