"""A figure of what a model is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from zoo.utils.plotting import make_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS, LARGEST = 10, 100


def plot_inputs(x: np.ndarray, captions: Sequence[str]) -> Figure:
    """Draws images with captions, the first 100 of them.

    Args:
        x: Images in [0, 1], `(examples, height, width, channels)`.
        captions: Caption of each.
    """
    count = min(len(x), LARGEST)
    columns = min(count, COLUMNS)
    rows = -(-count // columns)
    figure = make_figure(max(2.5, 1.3 * columns), 0.4 + 1.5 * rows)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.axis("off")
    for axes, image, caption in zip(grid, x, captions, strict=False):
        axes.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=1)
        axes.set_title(caption, fontsize=7)
    shown = "" if count == len(x) else f", the first {count} of {len(x)}"
    figure.suptitle(f"What the model is shown{shown}", fontsize=9)
    return figure
