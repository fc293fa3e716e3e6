"""Figures of hidden layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withTickedStroke

from zoo.datasets import Split
from zoo.experiments.hidden_space.nets import Net, Stages
from zoo.utils.plotting import label_ticks, make_figure

_CLASSES: tuple[dict[str, Any], ...] = (
    {"color": "#0072B2", "marker": "o", "label": "class 0"},
    {"color": "#D55E00", "marker": "^", "label": "class 1"},
)
_REGIONS = ("#CFE3F1", "#F9DDC8")
_UNITS = ("#007A5A", "#8A3FA0", "#7A5C00", "#A0004B")
_PARTS = {"train": "training", "test": "test"}
_GRID = 400  # points per side of the grid that regions are drawn from
SHOWN = 1500  # examples; more of them hide each other


def plot_problem(test: Split, net: Net, best_line: float, restarts: int) -> Figure:
    """Draws the lines of the hidden units across the inputs, beside the same points in the hidden space.

    Args:
        test: Points in the plane and their classes.
        net: Network.
        best_line: Largest share of the points that a line can classify correctly (%).
        restarts: Number of networks that it is the best of.
    """
    figure = make_figure(12.4, 7)
    inputs, hidden = figure.subplots(1, 2)
    outside = _inputs(inputs, test, net.stages)
    inputs.set_title(f"inputs: the best line for these points classifies {best_line:.1f} % correctly")
    _hidden(hidden, test, net.stages)
    border = "line" if net.hidden == 2 else "plane"
    hidden.set_title(f"hidden units: the {border} of the output classifies {100 * net.test_accuracy:.1f} % correctly")
    handles = [
        *inputs.get_legend_handles_labels()[0],
        Line2D([], [], color="#444444", linewidth=2, path_effects=_ticks(7), label="hidden unit (ticks: active side)"),
        Line2D([], [], color="black", linewidth=3, label="output unit"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, handlelength=3)
    units = f"{net.hidden} sigmoid hidden units" + (f" ({outside} of their lines outside)" if outside else "")
    figure.suptitle(
        f"{net.dataset}: {len(test)} test points and {units}, the best of {restarts} networks by training loss"
    )
    return figure


def plot_classes(
    codes: pd.DataFrame, net: Net, nets: pd.DataFrame, linear: float, class_names: Sequence[str]
) -> Figure:
    """Draws the examples of a data set in the plane of two hidden units, and accuracy by number of units.

    Args:
        codes: Columns `split`, `label`, `u1`, `u2`.
        net: Network of those two units.
        nets: Columns `hidden`, `train_accuracy`, `test_accuracy`; one row per network.
        linear: Accuracy of a logistic regression on the inputs (%).
        class_names: Names of the classes.
    """
    figure = make_figure(17, 6.4)
    train, test, right = figure.subplots(1, 3, width_ratios=(1, 1, 0.8))
    for axes, part, accuracy in ((train, "train", net.train_accuracy), (test, "test", net.test_accuracy)):
        _classes(axes, codes[codes["split"] == part], net.stages, class_names)
        axes.set_title(f"{_PARTS[part]} examples: {100 * accuracy:.1f} % in the region of their class")
    _accuracies(right, nets, linear)
    restarts = (nets["hidden"] == 2).sum()
    right.set_title(f"2 and more units: each network and the mean of {restarts}")
    figure.suptitle(
        f"{net.dataset}. Left and middle: the plane of two sigmoid hidden units, of the best of {restarts} networks by"
        " training loss. Right: all networks"
    )
    return figure


def _inputs(axes: Axes, test: Split, stages: Stages) -> int:
    """Draws the points and the hidden units' lines; returns the number of lines outside the picture."""
    middle = (test.x.min(axis=0) + test.x.max(axis=0)) / 2
    half = 0.6 * np.ptp(test.x, axis=0).max()
    low, high = middle - half, middle + half
    _regions(axes, low, high, lambda x: stages.scores(stages.hidden(x)), _REGIONS)
    _points(axes, test.x, test.y)
    few = len(stages.b) <= len(_UNITS)
    outside = 0
    for number, (w, b) in enumerate(zip(stages.w.T, stages.b, strict=True)):
        # The ticks are to the left of a stroke, where w points: the side on which the unit is active.
        direction = np.array([w[1], -w[0]]) / np.linalg.norm(w)
        foot = middle - (middle @ w + b) * w / (w @ w)
        line = foot + np.linspace(-3, 3, 1201)[:, None] * half * direction
        line = line[((line > low) & (line < high)).all(axis=1)]
        outside += not len(line)
        if len(line) and few:
            color = _UNITS[number]
            axes.plot(*line.T, color=color, linewidth=2, path_effects=_ticks(9))
            box = {"facecolor": "white", "edgecolor": color, "boxstyle": "round,pad=0.2"}
            x, y = line[-len(line) // 14]
            label = axes.text(x, y, f"$u_{number + 1}$", color=color, ha="center", va="center", bbox=box)
            label.set(size=13, zorder=5)
        elif len(line):
            axes.plot(*line.T, color="#444444", linewidth=0.8, path_effects=_ticks(14))
    axes.set(xlabel="input $x_1$", ylabel="input $x_2$", aspect="equal")
    return outside


def _hidden(axes: Axes, test: Split, stages: Stages) -> None:
    """Draws the points and the border of the classes in the hidden space; in 3 or more dimensions, along the border."""
    u = stages.hidden(test.x)
    if u.shape[1] == 2:
        points, scores, low, high = u, stages.scores, np.full(2, -0.06), np.full(2, 1.06)
        axes.set(xlabel="activation $u_1$", ylabel="activation $u_2$", aspect="equal")
    else:
        points, scores = stages.edge_on(u), lambda u: u[:, :1] * [-1, 1]
        margin = 0.08 * np.ptp(points, axis=0)
        low, high = points.min(axis=0) - margin, points.max(axis=0) + margin
        axes.set_xlabel(f"distance from the plane of the output, in the space of all {u.shape[1]} activations")
        axes.set_ylabel("within that plane: the direction of the largest spread")
        axes.set_box_aspect(1)
    _regions(axes, low, high, scores, _REGIONS)
    _points(axes, points, test.y)


def _ticks(spacing: float) -> list[Any]:
    return [withTickedStroke(angle=90, spacing=spacing, length=0.7)]


def _points(axes: Axes, x: np.ndarray, y: np.ndarray) -> None:
    for label, style in enumerate(_CLASSES):
        across, up = x[y == label].T
        axes.scatter(across, up, s=30, edgecolors="white", linewidths=0.5, zorder=3, **style)


def _classes(axes: Axes, codes: pd.DataFrame, stages: Stages, class_names: Sequence[str]) -> None:
    shades = [np.array(colormaps["tab10"](n % 10)[:3]) for n in range(len(class_names))]
    pale = [0.8 + 0.2 * shade for shade in shades]
    _regions(axes, np.full(2, -0.04), np.full(2, 1.04), stages.scores, pale, border=1, names=class_names)
    for label, rows in codes.iloc[:SHOWN].groupby("label"):
        number = int(str(label))
        marker, color = f"${class_names[number]}$", 0.75 * shades[number]
        axes.scatter(rows["u1"], rows["u2"], 26, [color], marker=marker, linewidths=0.2, alpha=0.6, zorder=3)
    axes.set(xlabel="activation $u_1$", ylabel="activation $u_2$", aspect="equal")


def _accuracies(axes: Axes, nets: pd.DataFrame, linear: float) -> None:
    for part, color, line in (("train", "#D55E00", "--s"), ("test", "#0072B2", "-o")):
        accuracy = 100 * nets.groupby("hidden")[f"{part}_accuracy"].mean()
        axes.plot(accuracy.index, accuracy, line, label=_PARTS[part], color=color)
        axes.plot(nets["hidden"], 100 * nets[f"{part}_accuracy"], "_", color=color)
    axes.axhline(linear, color="black", linestyle=":", label="logistic regression on the inputs, test")
    label_ticks(axes, sorted(nets["hidden"].unique()))
    axes.set_xlabel("hidden units")
    axes.set_ylabel("accuracy (%), mean and each network")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="lower right")


def _regions(
    axes: Axes,
    low: np.ndarray,
    high: np.ndarray,
    scores: Callable[[np.ndarray], np.ndarray],
    colors: Sequence[Any],
    *,
    border: float = 3,
    names: Sequence[str] = (),
) -> None:
    """Fills the region of each class, where its score is the largest, and draws and names its border."""
    first, second = np.meshgrid(*np.linspace(low, high, _GRID).T)
    values = scores(np.stack([first.ravel(), second.ravel()], axis=1))
    for label, color in enumerate(colors):
        lead = (values[:, label] - np.delete(values, label, axis=1).max(axis=1)).reshape(first.shape)
        inside = lead > 0
        if not inside.any():
            continue
        axes.contourf(first, second, lead, levels=[0, lead.max()], colors=[color])
        axes.contour(first, second, lead, levels=[0], colors="black", linewidths=border)
        if names:
            center = first[inside].mean(), second[inside].mean()
            box = {"facecolor": "white", "edgecolor": "black", "boxstyle": "circle,pad=0.25", "alpha": 0.85}
            axes.text(*center, names[label], size=13, ha="center", va="center", bbox=box, zorder=4)
