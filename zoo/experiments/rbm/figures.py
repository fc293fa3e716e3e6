"""Figures of RBMs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zoo.utils.plotting import epoch_axis, make_figure, make_panels, tile_images

Shape = tuple[int, ...]

_STYLES: tuple[dict[str, Any], ...] = (
    {"color": "#0072B2", "linestyle": "-", "marker": "o"},
    {"color": "#D55E00", "linestyle": "--", "marker": "s"},
)
FILTERS = 100  # drawn, of each RBM


def plot_filters(kernels: Mapping[str, np.ndarray], shape: Shape, dataset: str) -> Figure:
    """Draws the weights of the first hidden units as images.

    Args:
        kernels: Weights by method, `(pixels, hidden)`.
        shape: Height and width of an image.
        dataset: Name of the data set.
    """
    shown = {method: kernel.T[:FILTERS] for method, kernel in kernels.items()}
    lines = max(-(-len(filters) // 10) for filters in shown.values())
    figure = make_figure(5.2 * len(kernels) + 0.8, 0.48 * lines + 0.8)
    panels = figure.subplots(1, len(kernels), squeeze=False)[0]
    # A few weights are far larger than all others: the scale ends before them.
    reach = float(np.quantile(np.abs(np.concatenate(list(shown.values()))), 0.995))
    for axes, (method, filters) in zip(panels, shown.items(), strict=True):
        image = tile_images(filters.reshape(-1, *shape), min(10, len(filters)))
        drawn = axes.imshow(image, cmap="RdBu_r", vmin=-reach, vmax=reach, interpolation="nearest")
        axes.set_title(f"{method}: {len(filters)} of {kernels[method].shape[1]} hidden units")
        axes.set_axis_off()
    figure.colorbar(drawn, ax=list(panels), label="weight", extend="both", shrink=0.8)
    figure.suptitle(f"Filters of RBMs trained on {dataset}")
    return figure


def plot_samples(
    samples: Mapping[str, Mapping[str, Sequence[np.ndarray]]], steps: Sequence[int], shape: Shape, dataset: str
) -> Figure:
    """Draws chains of Gibbs sampling: one column per chain, one row per number of steps.

    Args:
        samples: States at the start and after each of `steps`, `(chains, pixels)`, by method and start.
        steps: Numbers of steps.
        shape: Height and width of an image.
        dataset: Name of the data set.
    """
    first = next(iter(samples.values()))
    rows, columns = len(steps) + 1, len(first)
    figure = make_figure(5.4 * columns, (0.46 * rows + 0.45) * len(samples) + 0.3)
    for line, (method, starts) in zip(
        figure.subplots(len(samples), columns, squeeze=False), samples.items(), strict=True
    ):
        for axes, (start, states) in zip(line, starts.items(), strict=True):
            _images(axes, states, shape, ["start", *(f"{step:,}" for step in steps)])
            axes.set_title(f"{method}, from {start}")
        line[0].set_ylabel("steps of Gibbs sampling")
    figure.suptitle(f"Chains of RBMs trained on {dataset}: probability of each pixel")
    return figure


def plot_reconstructions(images: Mapping[str, np.ndarray], shape: Shape, dataset: str) -> Figure:
    """Draws images above their reconstructions by each RBM.

    Args:
        images: Originals, then reconstructions by method, `(examples, pixels)`.
        shape: Height and width of an image.
        dataset: Name of the data set.
    """
    figure = make_figure(7.5, 0.64 * len(images) + 0.4)
    axes = figure.subplots()
    _images(axes, list(images.values()), shape, list(images))
    figure.suptitle(f"Test images of {dataset} and their reconstructions")
    return figure


def plot_monitors(monitors: pd.DataFrame, likelihoods: pd.DataFrame, dataset: str) -> Figure:
    """Plots the monitors of a training beside the likelihoods, which are not known during it.

    Args:
        monitors: Columns `method`, `epoch`, `reconstruction_error`, `pseudo_log_likelihood`, `free_energy` and
            `val_free_energy`.
        likelihoods: Columns `method`, `test_log_likelihood`, `train_log_likelihood`, `standard_error`.
        dataset: Name of the data set.
    """
    figure, panels = make_panels(4, width=4, height=4.2)
    watched = monitors.assign(gap=monitors["val_free_energy"] - monitors["free_energy"])
    for axes, name, label in zip(
        panels,
        ("reconstruction_error", "pseudo_log_likelihood", "gap"),
        (
            "reconstruction error\n(squared, summed over the pixels)",
            "pseudo-log-likelihood (nats)",
            "free energy: validation minus training (nats)",
        ),
        strict=False,
    ):
        for style, (method, rows) in zip(_STYLES, watched.groupby("method", sort=False), strict=True):
            of_line = {"linewidth": 1, "markersize": 3, "markevery": -(-len(rows) // 30), **style}
            axes.plot(rows["epoch"], rows[name], label=str(method), **of_line)
        axes.set_xlabel("epoch")
        axes.set_ylabel(label)
        epoch_axis(axes, watched["epoch"])
    for place, (style, row) in enumerate(zip(_STYLES, likelihoods.to_dict("records"), strict=True)):
        for part, offset, filled in (("test", -0.08, style["color"]), ("train", 0.08, "none")):
            panels[3].errorbar(
                place + offset,
                row[f"{part}_log_likelihood"],
                3 * row["standard_error"],
                color=style["color"],
                marker=style["marker"],
                markerfacecolor=filled,
                capsize=4,
            )
    panels[3].set_xticks(range(len(likelihoods)), likelihoods["method"])
    panels[3].set_xlim(-0.5, len(likelihoods) - 0.5)
    panels[3].set_ylabel("log-likelihood (nats), with 3 standard errors\nfilled: test; hollow: training")
    panels[0].legend(frameon=False)
    figure.suptitle(f"Monitors of RBMs on {dataset}, and their likelihood")
    return figure


def _images(axes: Axes, rows: Sequence[np.ndarray], shape: Shape, names: Sequence[str]) -> None:
    axes.imshow(
        tile_images(np.reshape(rows, (-1, *shape)), len(rows[0])), cmap="gray", vmin=0, vmax=1, interpolation="nearest"
    )
    axes.set_yticks([(shape[0] + 1) * (row + 0.5) for row in range(len(rows))], names)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
