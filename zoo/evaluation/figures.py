"""Figures of an evaluation: reliability, confusion, the worst examples."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from zoo.evaluation.evaluator import Evaluation
from zoo.evaluation.measures import wilson
from zoo.utils.plotting import make_figure

ROWS, COLUMNS = 5, 8
_BLUE = "#0072B2"


def plot_reliability(evaluation: Evaluation) -> Figure:
    """Plots the accuracy of a classifier by confidence, above the number of predictions."""
    table = evaluation.calibration
    filled = table[table["examples"] > 0]
    accuracy = filled["accuracy"].to_numpy()
    ends = [wilson(round(rate * count), count)[1:3] for rate, count in zip(accuracy, filled["examples"], strict=True)]
    bars = {"yerr": np.abs(np.transpose(ends) - accuracy), "capsize": 2, "label": "model, with 95 % interval"}
    figure = make_figure(5, 6)
    axes, counts = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    axes.plot((0, 1), (0, 1), color="grey", linestyle="--", linewidth=1, label="perfect calibration")
    axes.errorbar(filled["confidence"], accuracy, color=_BLUE, fmt="o", markersize=5, **bars)
    axes.set(ylabel="accuracy", xlim=(-0.01, 1.01), ylim=(-0.02, 1.02))
    axes.set_title(f"{_title(evaluation)}\nexpected calibration error {evaluation.calibration_error:.4f}", fontsize=10)
    figure.legend(frameon=False, loc="outside lower center", ncols=2)
    width = table["high"] - table["low"]
    counts.bar(table["low"], table["examples"], width, align="edge", color=_BLUE, edgecolor="white")
    counts.set(xlabel="confidence (probability of the predicted class)", ylabel="examples", yscale="log")
    counts.set_ylim(bottom=0.7)  # so that a single example is visible
    for panel in (axes, counts):
        panel.grid(alpha=0.3)
    return figure


def plot_confusion(evaluation: Evaluation) -> Figure:
    """Draws the confusion matrix: correct predictions in gray, errors in color."""
    counts, names = evaluation.confusion.to_numpy(), list(evaluation.confusion.columns)
    errors = counts * (1 - np.eye(len(counts), dtype=int))
    side = 1.5 + 0.45 * len(counts)
    figure = make_figure(max(4, side), side + 0.1)
    axes = figure.subplots()
    axes.imshow(errors, cmap="Oranges", vmin=0, vmax=max(1, errors.max()))
    for row, column in np.argwhere(counts > 0):
        is_dark = errors[row, column] > 0.6 * errors.max()
        color = "grey" if row == column else "white" if is_dark else "black"
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=8, color=color)
    axes.set(xlabel="predicted class", ylabel="class")
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    axes.set_title(_title(evaluation), fontsize=10)
    return figure


def plot_worst(evaluation: Evaluation) -> Figure | None:
    """Draws the errors with the highest confidence, or the reconstructions with the largest squared error.

    Returns:
        The figure; None if the inputs are not images, or if there is no error.
    """
    x, y, names = evaluation.data.test.x, evaluation.data.test.y, evaluation.data.source.class_names
    if x.ndim != 4 or not len(evaluation.order):
        return None
    reconstructs = evaluation.outputs.shape == x.shape
    aspect = x.shape[2] / x.shape[1]
    columns = 2 * max(1, round(COLUMNS / 2 / np.sqrt(aspect)))  # even: an image and its reconstruction are a pair
    shown = evaluation.order[: ROWS * columns // (2 if reconstructs else 1)]
    is_certain = bool((evaluation.confidence[shown] >= 0.9995).all())
    panels = []
    for row in shown:
        label, confidence = _format_label(y[row], names), evaluation.confidence[row]
        if reconstructs:
            panels += [(x[row], label), (evaluation.outputs[row], f"squared error {confidence:.1f}")]
        else:
            predicted = _format_label(evaluation.outputs[row].argmax(axis=-1), names)
            panels.append((x[row], f"{label}, read as {predicted}" + ("" if is_certain else f" ({confidence:.3f})")))
    rows, width = -(-len(panels) // columns), 10 / columns
    figure = make_figure(10, 0.5 + rows * (width / aspect + 0.25))
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.axis("off")
    for axes, (image, caption) in zip(grid, panels, strict=False):
        axes.imshow(image.squeeze(), cmap="gray_r", vmin=0, vmax=1)
        axes.set_title(caption, fontsize=7.5)
    kind = "reconstructions with the largest squared error"
    if not reconstructs:
        kind = "errors with the highest confidence, " + ("above 0.999 in each" if is_certain else "in brackets")
    figure.suptitle(f"{_title(evaluation)}: {kind}", fontsize=10)
    return figure


def _format_label(label: np.ndarray, names: tuple[str, ...]) -> str:
    """Returns the name of a label; for a sequence, its digits up to its length, which is the first number."""
    if label.ndim == 0:
        return names[label]
    return "".join((*names[:-1], "_")[digit] for digit in label[1 : label[0] + 2])  # the last class is "none"


def _title(evaluation: Evaluation) -> str:
    return f"{evaluation.model} on {evaluation.dataset}"
