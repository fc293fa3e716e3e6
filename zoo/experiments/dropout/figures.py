"""Figures of the dropout experiment."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from zoo.utils.plotting import label_ticks, make_panels

_KINDS: dict[bool, tuple[str, dict[str, Any]]] = {
    False: ("without dropout", {"color": "#D55E00", "marker": "s"}),
    True: ("with dropout", {"color": "#0072B2", "marker": "o"}),
}


def plot_curves(curves: pd.DataFrame, dataset: str, labels: int) -> Figure:
    """Plots loss and error during the training: mean and range over the seeds.

    Args:
        curves: Columns `dropout`, `seed`, `update`, `split`, `loss`, `accuracy`.
        dataset: Name of the data set.
        labels: Number of training examples.
    """
    figure, panels = make_panels(2, width=6.5, height=5)
    table = curves.assign(error=100 * (1 - curves["accuracy"]))
    for axes, name, label in zip(panels, ("loss", "error"), ("cross-entropy (nats)", "error (%)"), strict=True):
        for (dropout, split), rows in table.groupby(["dropout", "split"]):
            kind, style = _KINDS[bool(dropout)]
            by_update = rows.groupby("update")[name]
            mean, test = by_update.mean(), split == "test"
            axes.plot(
                mean.index,
                mean,
                label=f"{kind}, {'test' if test else 'training'}",
                linestyle="-" if test else "--",
                markersize=4,
                markerfacecolor=style["color"] if test else "white",
                **style,
            )
            axes.fill_between(
                mean.index, by_update.min(), by_update.max(), color=style["color"], alpha=0.15, linewidth=0
            )
        # The errors before it has learned anything would hide the rest.
        last = table[(table["update"] == table["update"].max()) & (table["split"] == "test")]
        axes.set_ylim(0, 2 * last[name].max())
        axes.set_xscale("log")
        axes.set_xlabel("updates")
        axes.set_ylabel(f"{label}, mean and range over seeds")
    panels[0].legend(frameon=False, loc="upper right")
    figure.suptitle(f"Training on {labels:,} examples of {dataset}, measured with all units in use")
    return figure


def plot_averages(averages: pd.DataFrame, curves: pd.DataFrame, dataset: str) -> Figure:
    """Plots the test error of averages of thinned networks against their number, beside that of the scaled weights.

    Args:
        averages: Columns `seed`, `split`, `nets`, `accuracy`; one row per average.
        curves: Columns `dropout`, `seed`, `update`, `split`, `accuracy`.
        dataset: Name of the data set.
    """
    figure, (axes,) = make_panels(1, width=8, height=5)
    test = averages[averages["split"] == "test"]
    error = 100 * (1 - test["accuracy"])
    by_count = error.groupby(test["nets"])
    mean = by_count.mean()
    # Between averages of one network: networks differ from each other by more.
    spread = error.groupby([test["nets"], test["seed"]]).std().pow(2).groupby("nets").mean().pow(0.5)
    axes.errorbar(
        mean.index,
        mean,
        spread.fillna(0),
        color="#0072B2",
        marker="o",
        capsize=4,
        label="mean of the outputs of thinned networks",
    )
    last = curves[(curves["update"] == curves["update"].max()) & (curves["split"] == "test")]
    for dropout, label, color, style in (
        (True, "all units, weights scaled", "black", "--"),
        (False, "network trained without dropout", "#D55E00", ":"),
    ):
        level = 100 * (1 - last.loc[last["dropout"] == dropout, "accuracy"].mean())
        axes.axhline(level, linewidth=2, label=f"{label}: {level:.2f} %", color=color, linestyle=style)
    label_ticks(axes, mean.index)
    axes.set_xlabel("thinned networks in an average")
    axes.set_ylabel("test error (%), mean over networks and draws,\nstandard deviation over draws")
    axes.legend(frameon=False)
    figure.suptitle(f"Averages of thinned networks and scaled weights, on {dataset}")
    return figure
