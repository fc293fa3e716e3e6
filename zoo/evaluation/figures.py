"""An evaluation drawn: reliability, confusion, the worst examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zoo.evaluation.evaluator import Evaluation
from zoo.evaluation.measures import wilson

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

ROWS, COLUMNS = 5, 8
BLUE, RED = "#0072B2", "#D55E00"


def plot_reliability(evaluation: Evaluation) -> Figure:
    """Draws how often a classifier is right by how sure it is, and how many predictions are how sure."""
    from matplotlib.figure import Figure

    table = evaluation.calibration
    filled = table[table["examples"] > 0]
    figure = Figure(figsize=(5, 6), layout="constrained")
    axes, counts = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    axes.plot((0, 1), (0, 1), color="grey", linestyle="--", linewidth=1, label="as often as it is sure")
    share = filled["accuracy"].to_numpy()
    ends = [wilson(round(rate * count), count)[1:3] for rate, count in zip(share, filled["examples"], strict=True)]
    bars = np.abs(np.transpose(ends) - share)
    axes.errorbar(
        filled["confidence"],
        share,
        bars,
        color=BLUE,
        fmt="o",
        markersize=5,
        capsize=2,
        label="the model, 95 % interval",
    )
    axes.set(ylabel="share that is right", xlim=(-0.01, 1.01), ylim=(-0.02, 1.02))
    axes.set_title(f"{_title(evaluation)}\nexpected calibration error {evaluation.calibration_error:.4f}", fontsize=10)
    figure.legend(frameon=False, loc="outside lower center", ncols=2)
    width = table["high"] - table["low"]
    counts.bar(table["low"], table["examples"], width, align="edge", color=BLUE, edgecolor="white")
    counts.set(xlabel="confidence, the probability of what is predicted", ylabel="examples", yscale="log")
    counts.set_ylim(bottom=0.7)  # so that one example shows
    for each in (axes, counts):
        each.grid(alpha=0.3)
    return figure


def plot_confusion(evaluation: Evaluation) -> Figure:
    """Draws the confusion matrix: right predictions in grey, the mistakes in colour."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedFormatter, FixedLocator

    table: pd.DataFrame = evaluation.confusion
    counts = table.to_numpy()
    mistakes = np.where(np.eye(len(counts), dtype=bool), 0, counts)
    side = 0.45 * len(counts)
    figure = Figure(figsize=(max(4, 1.5 + side), 1.6 + side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(mistakes, cmap="Oranges", vmin=0, vmax=max(1, mistakes.max()))
    for row, column in np.argwhere(counts > 0):
        dark = mistakes[row, column] > 0.6 * mistakes.max()
        colour = "white" if dark and row != column else "grey" if row == column else "black"
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=8, color=colour)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator(range(len(counts))))
        axis.set_major_formatter(FixedFormatter(list(table.columns)))
    axes.set(xlabel="taken for", ylabel="class")
    axes.set_title(_title(evaluation), fontsize=10)
    return figure


def plot_worst(evaluation: Evaluation) -> Figure | None:
    """Draws the mistakes that the model was surest of, or the reconstructions that are farthest off.

    Returns:
        The figure; None where the inputs are no images, or there is no mistake.
    """
    from matplotlib.figure import Figure

    split, names = evaluation.data.test, evaluation.data.source.class_names
    if split.x.ndim != 4 or not len(evaluation.order):
        return None
    reconstructing = evaluation.outputs.shape == split.x.shape
    aspect = split.x.shape[2] / split.x.shape[1]
    columns = 2 * max(1, round(COLUMNS / 2 / np.sqrt(aspect)))  # even: an image and what is made of it are a pair
    pictures, captions = [], []
    shown = evaluation.order[: ROWS * columns // (2 if reconstructing else 1)]
    all_sure = bool((evaluation.confidence[shown] >= 0.9995).all())
    for row in shown:
        pictures.append(split.x[row])
        captions.append(_read(split.y[row], names))
        if reconstructing:
            pictures.append(evaluation.outputs[row])
            captions.append(f"squared error {evaluation.confidence[row]:.1f}")
        else:
            taken = _read(evaluation.outputs[row].argmax(axis=-1), names)
            captions[-1] += f", read as {taken}" + ("" if all_sure else f" ({evaluation.confidence[row]:.3f})")
    rows, width = -(-len(pictures) // columns), 10 / columns
    figure = Figure(figsize=(10, 0.5 + rows * (width / aspect + 0.25)), layout="constrained")
    for axes in (grid := figure.subplots(rows, columns, squeeze=False)).flat:
        axes.axis("off")
    for axes, picture, caption in zip(grid.flat, pictures, captions, strict=False):
        axes.imshow(picture.squeeze(), cmap="gray_r", vmin=0, vmax=1)
        axes.set_title(caption, fontsize=7.5)
    what = "the worst reconstructions"
    if not reconstructing:
        sure = "its confidence is above 0.999 in each" if all_sure else "its confidence in brackets"
        what = f"the mistakes that it was surest of; {sure}"
    figure.suptitle(f"{_title(evaluation)}: {what}", fontsize=10)
    return figure


def _read(label: np.ndarray, names: tuple[str, ...]) -> str:
    """Returns a label in words; of a sequence the digits that its length, the first number, says there are."""
    if label.ndim == 0:
        return names[label]
    return "".join((*names[:-1], "_")[each] for each in label[1 : label[0] + 2])  # the last class is «none»


def _title(evaluation: Evaluation) -> str:
    return f"{evaluation.model} on {evaluation.dataset}"
