"""Figures of the vanishing gradient."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zoo.experiments.vanishing_gradient.published import ACCURACY, LEARNING_SPEED
from zoo.utils.plotting import make_panels

_STYLES: tuple[dict[str, Any], ...] = (
    {"color": "#0072B2", "linestyle": "-", "marker": "o"},
    {"color": "#56B4E9", "linestyle": "--", "marker": "s"},
    {"color": "#D55E00", "linestyle": "-.", "marker": "^"},
    {"color": "#009E73", "linestyle": ":", "marker": "D"},
)
_PUBLISHED: dict[str, Any] = {"color": "black", "linestyle": "none", "marker": "x", "markersize": 7, "zorder": 5}


def plot_accuracies(table: pd.DataFrame, dataset: str, *, published: bool) -> Figure:
    """Plots accuracy against depth, one line per activation and initializer."""
    figure, (axes,) = make_panels(1, width=7, sharey=True)
    for style, (name, rows) in zip(_STYLES, _variants(table), strict=False):
        by_depth = rows.groupby("depth")["accuracy"]
        mean, low, high = by_depth.mean() * 100, by_depth.min() * 100, by_depth.max() * 100
        axes.errorbar(mean.index, mean, [(mean - low).clip(0), (high - mean).clip(0)], label=name, capsize=3, **style)
    if published:
        axes.plot(list(ACCURACY), [100 * value for value in ACCURACY.values()], label="Nielsen 2015", **_PUBLISHED)
    axes.set_xticks(sorted(table["depth"].unique()))
    axes.set_xlabel("hidden layers of 30 units")
    axes.set_ylabel("validation accuracy (%), mean and range over seeds")
    axes.legend(frameon=False)
    figure.suptitle(f"Accuracy by depth on {dataset}")
    return figure


def plot_initial_norms(table: pd.DataFrame, dataset: str, *, published: bool) -> Figure:
    """Plots the norms before any update against the layer, one panel per depth."""
    depths = [depth for depth in sorted(table["depth"].unique()) if depth > 1]
    figure, panels = make_panels(len(depths), width=4.2, sharey=True)
    for axes, depth in zip(panels, depths, strict=True):
        for style, (name, rows) in zip(_STYLES, _variants(table[table["depth"] == depth]), strict=False):
            norm = rows.groupby("layer")["norm"]
            middle = norm.median()
            axes.plot(middle.index, middle, label=name, markersize=4, **style)
            axes.fill_between(
                middle.index, norm.quantile(0.05), norm.quantile(0.95), color=style["color"], alpha=0.15, linewidth=0
            )
        if published and depth in LEARNING_SPEED:
            axes.plot(range(1, depth + 1), LEARNING_SPEED[depth][0], label="Nielsen 2015", **_PUBLISHED)
        axes.set_yscale("log")
        axes.set_title(f"{depth} hidden layers")
        axes.set_xlabel("hidden layer (1 is next to the input)")
        axes.set_xticks(range(1, depth + 1))
    panels[0].set_ylabel("norm of the mean bias gradient\n(median and 5-95 % over seeds)")
    panels[0].legend(frameon=False, fontsize=8)
    figure.suptitle(f"Initial speed of learning of each layer, on {dataset}")
    return figure


def plot_speeds(table: pd.DataFrame, dataset: str, *, published: bool) -> Figure:
    """Plots the speed of learning of sigmoid layers over the updates, one panel per depth up to 4."""
    rows = table[(table["activation"] == "sigmoid") & (table["initializer"] == "nielsen") & (table["depth"] <= 4)]
    depths = sorted(rows["depth"].unique())
    figure, panels = make_panels(len(depths), width=4.2, sharey=True)
    for axes, depth in zip(panels, depths, strict=True):
        _layers(axes, rows[rows["depth"] == depth], band=True)
        if published:
            for update, norms in LEARNING_SPEED[depth].items():
                if update < rows["update"].max() + 1:
                    label = "Nielsen 2015" if update == 0 else None
                    axes.plot([update] * depth, norms, label=label, **{**_PUBLISHED, "markersize": 5})
        axes.set_title(f"{depth} hidden layers")
    panels[0].set_ylabel("norm of the mean bias gradient\n(median and range over seeds)")
    for axes in panels:
        axes.legend(frameon=False, fontsize=8)
    figure.suptitle(f"Speed of learning of sigmoid layers, on {dataset}")
    return figure


def plot_variants(table: pd.DataFrame, dataset: str) -> Figure:
    """Plots the speed of learning in the deepest networks, one panel per activation and initializer."""
    depth = table["depth"].max()
    variants = list(_variants(table[table["depth"] == depth]))
    figure, panels = make_panels(len(variants), width=4.2, sharey=True)
    for axes, (name, rows) in zip(panels, variants, strict=True):
        _layers(axes, rows, band=False)
        axes.set_title(name)
    panels[0].set_ylabel("norm of the mean bias gradient\n(median over seeds)")
    panels[-1].legend(frameon=False, fontsize=7)
    figure.suptitle(f"Speed of learning with {depth} hidden layers, on {dataset}")
    return figure


def _layers(axes: Axes, rows: pd.DataFrame, *, band: bool) -> None:
    layers = sorted(rows["layer"].unique())
    for number, layer in reversed(list(enumerate(layers))):
        line = rows[rows["layer"] == layer]
        shade = colormaps["viridis"](0.88 * number / max(1, len(layers) - 1))
        positive = line["median"].where(line["median"] > 0)
        axes.plot(line["update"], positive, color=shade, linewidth=1.3, label=f"layer {layer}")
        if band:
            axes.fill_between(line["update"], line["min"], line["max"], color=shade, alpha=0.2, linewidth=0)
    axes.set_yscale("log")
    axes.set_xlabel("full-batch updates")


def _variants(table: pd.DataFrame) -> Any:
    for (activation, initializer), rows in table.groupby(["activation", "initializer"], sort=False):
        yield f"{activation}, {initializer}", rows
