"""Figures of a search: its objective by trial and by hyperparameter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = {"finished": "#0072B2", "pruned": "#E69F00", "vanished": "#CC79A7"}
MARKERS = {"finished": "o", "pruned": "v", "vanished": "s"}
MAX_TICKS = 6  # different values of a parameter up to which each has a tick


def plot_objective(frame: pd.DataFrame, objective: tuple[str, str], *, title: str = "") -> Figure:
    """Plots the objective of each trial in order, and the best so far.

    Args:
        frame: Table of `SearchResult.frame`.
        objective: Metric and its direction.
        title: Title of the figure. Defaults to "Objective by trial".
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    axes = figure.subplots()
    _plot_points(axes, frame, frame["trial"])
    finished = frame[frame["objective"].notna()]
    best = finished["objective"].cummax() if objective[1] == "max" else finished["objective"].cummin()
    axes.step(finished["trial"], best, where="post", color="black", linewidth=1, label="best so far")
    failed = frame[frame["status"] == "failed"]
    if len(failed):
        axes.plot(
            failed["trial"], [0.02] * len(failed), "x", color="#D55E00", transform=axes.get_xaxis_transform(),
            label="failed",
        )  # fmt: skip
    axes.set_xlabel("trial")
    axes.set_ylabel(objective[0])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right center", frameon=False)
    axes.set_title(title or "Objective by trial")
    return figure


def plot_parameters(
    frame: pd.DataFrame, objective: tuple[str, str], parameters: Mapping[str, bool], *, title: str = ""
) -> Figure:
    """Plots the objective against each hyperparameter.

    Args:
        frame: Table of `SearchResult.frame`.
        objective: Metric and its direction.
        parameters: Whether the scale is logarithmic, by hyperparameter.
        title: Title of the figure. Defaults to "Objective by hyperparameter".
    """
    from matplotlib.figure import Figure

    columns = min(3, max(1, len(parameters)))
    rows = -(-max(1, len(parameters)) // columns)
    figure = Figure(figsize=(3.2 * columns + 1.2, 2.8 * rows + 0.6), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axes in grid.flat[len(parameters) :]:
        axes.set_visible(False)
    for number, (axes, (name, is_log)) in enumerate(zip(grid.flat, parameters.items(), strict=False)):
        trials = frame[frame[name].notna()] if name in frame else frame.iloc[:0]
        values = trials[name] if name in frame else trials["trial"]
        _plot_points(axes, trials, _scale_axis(axes, values, is_log=is_log, is_size=name == "batch_size"))
        axes.set_xlabel(name)
        axes.grid(alpha=0.3)
        if number % columns == 0:
            axes.set_ylabel(objective[0])
    handles = {
        label: handle for axes in grid.flat for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if len(handles) > 1:
        figure.legend(handles.values(), handles.keys(), loc="outside right center", frameon=False)
    figure.suptitle(title or "Objective by hyperparameter")
    return figure


def _scale_axis(axes: Axes, values: pd.Series, *, is_log: bool, is_size: bool) -> pd.Series:
    """Sets the scale and the ticks of the x axis for the values of a hyperparameter; returns their positions."""
    from matplotlib.ticker import LogLocator, NullFormatter

    if not all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
        names = sorted(set(map(str, values)))
        axes.set_xticks(range(len(names)), names, rotation=30 if max(map(len, names)) > 5 else 0)
        axes.set_xlim(-0.5, len(names) - 0.5)
        return values.map(lambda value: names.index(str(value)))
    if is_log or is_size:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 3) if values.max() < 100 * values.min() else (1,), numticks=8))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
    if values.nunique() <= MAX_TICKS and not is_log:
        axes.set_xticks(sorted(values.unique()))
    return values


def _plot_points(axes: Axes, frame: pd.DataFrame, x: pd.Series) -> None:
    for status, color in COLORS.items():
        rows = frame["status"] == status
        if rows.any():
            axes.plot(
                x[rows], frame["objective"][rows], MARKERS[status], color=color, alpha=0.4, markersize=6, label=status
            )
