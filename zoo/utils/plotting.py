"""Axes that can be read whatever the numbers are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def epoch_axis(axes: Axes, epochs: Any) -> None:
    """Makes the horizontal axis one of whole numbers, from the first epoch or update to the last.

    Args:
        axes: The axes.
        epochs: The epochs, or updates, that are drawn.
    """
    from matplotlib.ticker import MaxNLocator

    first, last = int(min(epochs)), int(max(epochs))
    margin = 0.03 * (last - first) or 0.5
    axes.set_xlim(first - margin, last + margin)
    ticks = MaxNLocator(8, steps=(1, 2, 5, 10), integer=True, min_n_ticks=1).tick_values(first, last)
    axes.set_xticks([first, *(int(tick) for tick in ticks if first < tick <= last)])


def log_axis(axes: Axes, low: float, high: float) -> None:
    """Makes the vertical axis logarithmic; over less than two decades it has more ticks than the powers of ten.

    Args:
        axes: The axes.
        low: The least of the values that are drawn.
        high: The greatest.
    """
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

    axes.set_yscale("log")
    if high < 100 * low:
        axes.yaxis.set_major_locator(
            MaxNLocator(6, steps=(1, 2, 5, 10)) if high < 10 * low else LogLocator(subs=(1, 2, 5))
        )
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
