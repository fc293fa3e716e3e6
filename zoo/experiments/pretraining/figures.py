"""Figures of networks with and without pre-training."""

from __future__ import annotations

from typing import Any, Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from zoo.utils.plotting import label_ticks, make_panels

_STYLES: dict[str, dict[str, Any]] = {
    "random": {"label": "random weights", "color": "black", "linestyle": ":", "marker": "o"},
    "autoencoders": {"label": "denoising autoencoders", "color": "#0072B2", "linestyle": "-", "marker": "s"},
    "rbms": {"label": "RBMs", "color": "#D55E00", "linestyle": "--", "marker": "^"},
}


def plot_by_depth(accuracies: pd.DataFrame, first_layer: pd.DataFrame, dataset: str) -> Figure:
    """Plots the test error against depth, beside the first layer's gradient before training with labels.

    Args:
        accuracies: Columns `start`, `depth`, `accuracy`; one row per seed.
        first_layer: Columns `start`, `depth`, `l2`; one row per seed.
        dataset: Name of the data set.
    """
    figure, (errors, gradients) = make_panels(2, width=5)
    _plot_errors(errors, accuracies, "depth")
    errors.set_title("after training with labels")
    _plot_seeds(gradients, first_layer, "depth", "l2", "median")
    gradients.set_ylabel("norm of the mean bias gradient\nof hidden layer 1, median and each seed")
    gradients.set_title("before any update with labels")
    for axes in (errors, gradients):
        axes.set_xlabel("hidden layers")
        axes.set_xticks(sorted(accuracies["depth"].unique()))
    _legend(figure, errors)
    figure.suptitle(f"Pre-training by depth, on {dataset}")
    return figure


def plot_gradients_by_layer(gradients: pd.DataFrame, dataset: str) -> Figure:
    """Plots the gradient in every layer before training with labels, one panel per depth.

    Args:
        gradients: Columns `start`, `depth`, `number` (of the layer, from 1), `variable`, `l2`; one row per seed.
        dataset: Name of the data set.
    """
    biases = gradients[gradients["variable"] == "bias"]
    depths = sorted(biases["depth"].unique())
    figure, panels = make_panels(len(depths), width=3, sharey=True)
    for axes, depth in zip(panels, depths, strict=True):
        _plot_seeds(axes, biases[biases["depth"] == depth], "number", "l2", "median")
        axes.set_title(f"{depth} hidden layer{'s' if depth > 1 else ''}")
        axes.set_xticks(range(1, depth + 2), [*map(str, range(1, depth + 1)), "output"])
        axes.set_xlabel("layer (1 is next to the input)")
    panels[0].set_ylabel("norm of the mean bias gradient\n(median and each seed)")
    _legend(figure, panels[0])
    figure.suptitle(f"Gradient in every layer before any update with labels, on {dataset}")
    return figure


def plot_by_labels(accuracies: pd.DataFrame, dataset: str) -> Figure:
    """Plots the test error against the number of labels.

    Args:
        accuracies: Columns `start`, `labels`, `accuracy`; one row per seed.
        dataset: Name of the data set.
    """
    figure, (axes,) = make_panels(1, width=7)
    _plot_errors(axes, accuracies, "labels")
    label_ticks(axes, sorted(accuracies["labels"].unique()))
    axes.set_xlabel("labelled training examples")
    _legend(figure, axes)
    figure.suptitle(f"Pre-training by number of labels, on {dataset}")
    return figure


def _plot_errors(axes: Axes, accuracies: pd.DataFrame, x: str) -> None:
    _plot_seeds(axes, accuracies.assign(error=100 * (1 - accuracies["accuracy"])), x, "error", "mean")
    axes.set_ylabel("test error (%), mean and each seed")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.minorticks_off()


def _plot_seeds(axes: Axes, table: pd.DataFrame, x: str, y: str, average: Literal["mean", "median"]) -> None:
    """Plots a column by start: the average as a line, each seed as a dash."""
    for start, rows in table.groupby("start", sort=False):
        style = _STYLES[str(start)]
        line = rows.groupby(x)[y].agg(average)
        axes.plot(line.index, line, markersize=5, **style)
        axes.plot(rows[x], rows[y], linestyle="none", marker="_", markersize=9, color=style["color"], alpha=0.6)
    axes.set_yscale("log")


def _legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    title = "hidden layers start from"
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, title=title, handlelength=3)
