"""Figures, and axes whose ticks suit the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def make_figure(width: float, height: float) -> Figure:
    """Returns an empty figure.

    Args:
        width: Width in inches.
        height: Height in inches.
    """
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def make_panels(count: int, *, width: float, height: float = 4.4, sharey: bool = False) -> tuple[Figure, list[Axes]]:
    """Returns a figure with panels side by side, each with a grid.

    Args:
        count: Number of panels.
        width: Width of a panel in inches.
        height: Height in inches. Defaults to 4.4.
        sharey: Whether the panels share their vertical axis. Defaults to False.
    """
    figure = make_figure(width * count, height)
    panels = list(figure.subplots(1, count, squeeze=False, sharey=sharey)[0])
    for axes in panels:
        axes.grid(alpha=0.3)
    return figure, panels


def tile_images(images: np.ndarray, columns: int, *, gap: int = 1, fill: float = np.nan) -> np.ndarray:
    """Returns images side by side as a single image.

    Args:
        images: Images, `(examples, rows, columns)`.
        columns: Number of images in a row.
        gap: Number of pixels between images. Defaults to 1.
        fill: Value of the pixels between images. Defaults to NaN, which is blank.

    >>> tile_images(np.ones((3, 1, 2)), 2, fill=0).tolist()
    [[1.0, 1.0, 0.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0, 0.0]]
    """
    count, height, width = images.shape
    rows = -(-count // columns)
    tiles = np.full((rows * columns, height + gap, width + gap), fill, float)
    tiles[:count, :height, :width] = images
    tiles = tiles.reshape(rows, columns, height + gap, width + gap).swapaxes(1, 2)
    return tiles.reshape(rows * (height + gap), -1)[:-gap, :-gap]


def label_ticks(axes: Axes, values: Any) -> None:
    """Makes the horizontal axis logarithmic, with a labelled tick at each value and no other.

    Args:
        axes: Axes.
        values: Positive integers.
    """
    axes.set_xscale("log")
    axes.set_xticks(values, [f"{value:,}" for value in values])
    axes.minorticks_off()


def epoch_axis(axes: Axes, epochs: Any) -> None:
    """Puts integer ticks on the horizontal axis, from the first epoch or update to the last.

    Args:
        axes: Axes.
        epochs: Epochs or updates of the plotted values.
    """
    from matplotlib.ticker import MaxNLocator

    first, last = int(min(epochs)), int(max(epochs))
    margin = 0.03 * (last - first) or 0.5
    axes.set_xlim(first - margin, last + margin)
    ticks = MaxNLocator(8, steps=(1, 2, 5, 10), integer=True, min_n_ticks=1).tick_values(first, last)
    axes.set_xticks([first, *(int(tick) for tick in ticks if first < tick <= last)])


def log_axis(axes: Axes, low: float, high: float) -> None:
    """Makes the vertical axis logarithmic, with more ticks than the powers of ten for less than two decades.

    Args:
        axes: Axes.
        low: Smallest plotted value.
        high: Largest plotted value.
    """
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

    axes.set_yscale("log")
    if high < 100 * low:
        axes.yaxis.set_major_locator(
            MaxNLocator(6, steps=(1, 2, 5, 10)) if high < 10 * low else LogLocator(subs=(1, 2, 5))
        )
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
