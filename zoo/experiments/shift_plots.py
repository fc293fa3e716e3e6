"""The figure of moved digits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from zoo.datasets import Dataset

_STYLES = (
    {"color": "#D55E00", "marker": "s", "linestyle": "--"},
    {"color": "#A0004B", "marker": "D", "linestyle": "--"},
    {"color": "#0072B2", "marker": "o"},
    {"color": "#007A5A", "marker": "^"},
    {"color": "black", "marker": "v", "linestyle": ":"},
)


def plot_shifts(accuracies: pd.DataFrame, data: Dataset, moved: Sequence[np.ndarray]) -> Figure:
    """Draws accuracy against how far the test digits are moved, above one of them.

    Args:
        accuracies: Columns `net`, `pixels`, `accuracy`; a row a net and direction.
        data: The data set.
        moved: An image, moved by 0, 1, 2 ... pixels.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6.8), layout="constrained")
    axes, strip = figure.subplots(2, 1, height_ratios=(5, 1))
    for style, (kind, rows) in zip(_STYLES, accuracies.groupby("net", sort=False), strict=False):
        by_pixels = 100 * rows.groupby("pixels")["accuracy"].mean()
        axes.plot(by_pixels.index, by_pixels, label=kind, **style)
    axes.axhline(100 / data.classes, color="#888888", linewidth=1)
    axes.text(0, 100 / data.classes + 1, "guessing", color="#666666")
    axes.set_ylim(0, 102)
    axes.set_xticks(range(len(moved)))
    axes.set_xlim(-0.5, len(moved) - 0.5)
    axes.set_xlabel("pixels that the test digits are moved by")
    axes.set_ylabel("test accuracy (%), mean over eight directions")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 0.13))
    gap = np.ones((data.input_shape[0], max(1, data.input_shape[1] // 8)))
    strip.imshow(np.hstack([np.hstack([1 - image[:, :, 0], gap]) for image in moved])[:, : -gap.shape[1]], cmap="gray")
    strip.set_axis_off()
    figure.suptitle(
        f"{data.name}, images of {data.input_shape[0]}x{data.input_shape[1]}: test digits moved after the training.\n"
        "Below, one of them, as far down and to the right"
    )
    return figure
