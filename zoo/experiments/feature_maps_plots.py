"""The figures of filters, maps and numbers of weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_LEAST = 5  # where the log axis of numbers begins


def plot_filters(filters: np.ndarray, title: str) -> Figure:
    """Draws the kernels of a layer as images.

    Args:
        filters: `(maps, rows, columns)`.
        title: Of the figure.
    """
    figure = _figure(1.7 * len(filters) + 1, 2.9)
    panels = figure.subplots(1, len(filters), squeeze=False)[0]
    limit = np.abs(filters).max()
    for number, (axes, kernel) in enumerate(zip(panels, filters, strict=True), start=1):
        image = axes.imshow(kernel, cmap="RdBu_r", vmin=-limit, vmax=limit)
        axes.set_title(f"map {number}")
        axes.set_xticks([])
        axes.set_yticks([])
    figure.colorbar(image, ax=list(panels), label="weight", fraction=0.02)
    figure.suptitle(f"What the maps of C1 look for: their kernels of {'x'.join(map(str, filters.shape[1:]))}. {title}")
    return figure


def plot_maps(images: np.ndarray, maps: Mapping[str, np.ndarray], dataset: str) -> Figure:
    """Draws what each layer makes of some images: a row an image, a column a layer, its maps in a grid.

    Args:
        images: `(images, rows, columns, 1)`.
        maps: By layer, `(images, rows, columns, maps)`.
        dataset: The data set's name.
    """
    figure = _figure(13, 2.9 * len(images))
    panels = figure.subplots(len(images), 1 + len(maps), squeeze=False)
    for number, row in enumerate(panels):
        row[0].imshow(images[number, :, :, 0], cmap="gray_r")
        for axes, (name, values) in zip(row[1:], maps.items(), strict=True):
            axes.imshow(_grid(values[number]), cmap="gray_r")
            if not number:
                axes.set_title(f"{name}: {values.shape[3]} maps of {values.shape[1]}x{values.shape[2]}")
        for axes in row:
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(False)
        row[0].spines[:].set_visible(True)
    panels[0][0].set_title("image, 32x32")
    figure.suptitle(
        f"{dataset}: what the maps of a trained LeNet-5 (ReLU, max-pooling) make of an image; black is most"
    )
    return figure


def plot_weights(counts: pd.DataFrame) -> Figure:
    """Draws the numbers of weights and of connections of each net's layers.

    Args:
        counts: Columns `net`, `layer`, `weights`, `connections`.
    """
    figure = _figure(13, 4.6)
    nets = list(counts.groupby("net", sort=False))
    panels = figure.subplots(1, len(nets), sharey=True, width_ratios=[max(4, len(rows)) for _, rows in nets])
    for axes, (net, rows) in zip(panels, nets, strict=True):
        place = np.arange(len(rows))
        for offset, name, colour in ((-0.2, "connections", "#B9D4E6"), (0.2, "weights", "#0072B2")):
            bars = axes.bar(place + offset, rows[name], 0.4, color=colour, label=name)
            labels = [f"{value:,}" if value else "" for value in rows[name]]
            axes.bar_label(bars, labels, fontsize=7.5, rotation=90, padding=2)
            for x in place[rows[name] == 0] + offset:
                axes.text(x, _LEAST, "0", fontsize=7.5, ha="center", va="bottom")
        axes.set_xticks(place, rows["layer"])
        axes.set_title(
            f"{net}\n{rows['weights'].sum():,} weights\n{rows['connections'].sum():,} connections", fontsize=10
        )
        axes.set_yscale("log")
        axes.set_ylim(_LEAST, 2e7)
    panels[0].set_ylabel("number in a layer")
    panels[0].legend(frameon=False, loc="upper right")
    figure.suptitle("A convolution shares its weights: many connections, few weights")
    return figure


def _grid(maps: np.ndarray) -> np.ndarray:
    """Returns the maps of a layer side by side in a square, each scaled by the layer's greatest value."""
    rows, columns, count = maps.shape
    across = int(np.ceil(np.sqrt(count)))
    gap = max(1, rows // 10)
    down = -(-count // across)
    grid = np.full((down * (rows + gap) - gap, across * (columns + gap) - gap), 0.25)
    for number in range(count):
        top, left = number // across * (rows + gap), number % across * (columns + gap)
        grid[top : top + rows, left : left + columns] = maps[:, :, number] / max(maps.max(), 1e-12)
    return grid


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")
