"""Plots of gradient records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from zoo.errors import InvalidValue, unknown
from zoo.utils.constraints import check
from zoo.utils.plotting import epoch_axis, log_axis

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Statistic = Literal["l2", "mean_abs", "rms"]
_MEANING = {"l2": "L2 norm", "mean_abs": "mean absolute value", "rms": "root mean square"}
_DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1.5, 1, 1.5)))
_MARKERS = "osD^vPX*"
_COLORS = ("#0072B2", "#009E73", "#D55E00")


def plot_gradients(
    frame: pd.DataFrame, *, statistic: Statistic = "rms", variable: str | None = None, title: str = ""
) -> Figure:
    """Plots the size of the gradient over time, one line per layer, on a log scale.

    Lines differ in lightness, dash and marker, for print and for color-blind readers: dark is near the input.

    Args:
        frame: Result of `GradientRecorder.frame()`, or a `gradients.csv`.
        statistic: Statistic to plot; `"rms"` and `"mean_abs"` compare layers of different size. Defaults to `"rms"`.
        variable: Name of the weights to plot, such as `"kernel"`; None for those of `one_a_layer`. Defaults to None.
        title: Title of the figure. Defaults to a short one.

    Returns:
        Figure; `figure.savefig(path)` writes it. A note says where the gradient is NaN or infinite.

    Raises:
        InvalidValue: The frame is empty, or the statistic is unknown.
        UnknownName: No layer has the variable.
    """
    from matplotlib import colormaps

    frame, variable, time = _select(frame, statistic, variable)
    figure, axes = _create_axes(4.5, title or "Gradient magnitude")
    layers = list(dict.fromkeys(frame["layer"]))
    shades = colormaps["viridis"].resampled(256)
    for number, layer in enumerate(layers):
        line = frame[frame["layer"] == layer]
        axes.plot(
            line[time],
            _mask_invisible(line[statistic]),
            color=shades(0.88 * number / max(1, len(layers) - 1)),
            linestyle=_DASHES[number % len(_DASHES)],
            marker=_MARKERS[number % len(_MARKERS)],
            markersize=5,
            markevery=sorted({*range(0, len(line), max(1, len(line) // 12)), len(line) - 1}),
            label=layer,
        )
    _set_size_axis(axes, frame, statistic, variable, time)
    axes.set_xlabel("epoch" if time == "epoch" else "update")
    epoch_axis(axes, frame[time])
    axes.grid(alpha=0.3, which="major")
    handles, labels = axes.get_legend_handles_labels()
    # The output layer's line is mostly on top: the legend lists the layers in that order.
    figure.legend(handles[::-1], labels[::-1], loc="outside right center", frameon=False, handlelength=3.5)
    return figure


def plot_profile(
    frame: pd.DataFrame, *, statistic: Statistic = "rms", variable: str | None = None, title: str = ""
) -> Figure:
    """Plots the size of the gradient against the layer, at the first, a middle and the last record.

    Args:
        frame: Records, as for `plot_gradients`.
        statistic: Statistic to plot. Defaults to `"rms"`.
        variable: Name of the weights to plot, such as `"kernel"`; None for those of `one_a_layer`. Defaults to None.
        title: Title of the figure. Defaults to a short one.

    Returns:
        Figure; `figure.savefig(path)` writes it.

    Raises:
        InvalidValue: The frame is empty, or the statistic is unknown.
        UnknownName: No layer has the variable.
    """

    frame, variable, time = _select(frame, statistic, variable)
    table = _pivot(frame, statistic, time)
    figure, axes = _create_axes(4.5, title or "Gradient by depth")
    moments = sorted({table.columns[0], table.columns[len(table.columns) // 2], table.columns[-1]})
    for moment, color, dash, marker in zip(moments, _COLORS, _DASHES, _MARKERS, strict=False):
        label = f"{time} {moment}"
        axes.plot(range(len(table)), table[moment], color=color, linestyle=dash, marker=marker, label=label)
    _set_size_axis(axes, frame, statistic, variable, time)
    axes.set_xticks(range(len(table)), table.index, rotation=30 if len(table) > 6 else 0)
    axes.set_xlabel("layer, from the input to the output")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return figure


def plot_heatmap(
    frame: pd.DataFrame, *, statistic: Statistic = "rms", variable: str | None = None, title: str = ""
) -> Figure:
    """Plots the size of the gradient as a heat map of layers against time, on a log scale.

    Args:
        frame: Records, as for `plot_gradients`.
        statistic: Statistic to plot. Defaults to `"rms"`.
        variable: Name of the weights to plot, such as `"kernel"`; None for those of `one_a_layer`. Defaults to None.
        title: Title of the figure. Defaults to a short one.

    Returns:
        Figure; `figure.savefig(path)` writes it. Gradients that are zero, NaN or infinite are blank.

    Raises:
        InvalidValue: The frame is empty, or the statistic is unknown.
        UnknownName: No layer has the variable.
    """
    from matplotlib.colors import LogNorm

    frame, variable, time = _select(frame, statistic, variable)
    table = _pivot(frame, statistic, time)
    figure, axes = _create_axes(1.5 + 0.45 * len(table), title or "Gradient by layer and time")
    low, high = table.min().min(), table.max().max()
    norm = LogNorm(low, high if high > low else low * 10) if low > 0 else None
    image = axes.pcolormesh(range(len(table.columns) + 1), range(len(table) + 1), table, cmap="viridis", norm=norm)
    columns = sorted({round(i * (len(table.columns) - 1) / 8) for i in range(9)})
    axes.set_xticks([column + 0.5 for column in columns], [str(table.columns[column]) for column in columns])
    axes.set_yticks([row + 0.5 for row in range(len(table))], table.index)
    axes.set_xlabel("epoch" if time == "epoch" else "update")
    figure.colorbar(image, label=f"gradient of the {variable}\n({_MEANING[statistic]})")
    return figure


def one_a_layer(frame: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Selects the records of one weight per layer, by which layers can be compared.

    These are the biases if every layer has one: the gradient of a bias is the layer's error averaged over the
    examples, which Nielsen (2015, chapter 5) calls its speed of learning. A kernel's gradient may be mostly that of a
    weight penalty, which does not vanish with the error.

    Args:
        frame: Result of `GradientRecorder.frame()`.

    Returns:
        Selected rows, and their name: `"bias"`, or `"weights"` for the first weight of each layer.
    """
    biases = frame[frame["variable"] == "bias"]
    if set(biases["layer"]) == set(frame["layer"]):
        return biases, "bias"
    return frame[frame["variable"] == frame.groupby("layer")["variable"].transform("first")], "weights"


def _create_axes(height: float, title: str) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, height), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title)
    return figure, axes


def _mask_invisible(sizes: Any) -> Any:
    """Returns sizes, with NaN for those that a log scale cannot show."""
    return sizes.where((sizes > 0) & (sizes < np.inf))


def _pivot(frame: pd.DataFrame, statistic: str, time: str) -> pd.DataFrame:
    table = frame.pivot_table(index="layer", columns=time, values=statistic, sort=False)
    # A pivot table drops rows and columns that are all NaN.
    return _mask_invisible(table.reindex(index=frame["layer"].unique(), columns=frame[time].unique()))


def _set_size_axis(axes: Axes, frame: pd.DataFrame, statistic: str, variable: str, time: str) -> None:
    """Sets up the vertical axis, with a note of what it cannot show."""
    sizes = _mask_invisible(frame[statistic])
    log_axis(axes, sizes.min(), sizes.max())
    axes.set_ylabel(f"gradient of each layer's {variable}\n({_MEANING[statistic]})")
    broken = frame.loc[~np.isfinite(frame[statistic]), time]
    note = ""
    if len(broken):
        note = f"NaN or infinite, first in {'epoch' if time == 'epoch' else 'update'} {broken.min()}"
    elif sizes.isna().all():
        note = "every gradient is exactly 0"
    if sizes.isna().all():
        axes.tick_params(axis="y", which="both", left=False, labelleft=False)
    # At the right, where a training that broke has no lines.
    box = {"facecolor": "white", "edgecolor": _COLORS[2]} if note else None
    axes.text(0.98, 0.96, note, transform=axes.transAxes, ha="right", va="top", color=_COLORS[2], bbox=box)


def _select(frame: pd.DataFrame, statistic: str, variable: str | None) -> tuple[pd.DataFrame, str, str]:
    """Returns the records to plot, the name of their weights, and the column of the time axis."""
    check("statistic", statistic, Statistic)
    if frame.empty:
        raise InvalidValue("A figure of gradients needs at least one record; got an empty frame.")
    if variable is None:
        frame, variable = one_a_layer(frame)
    elif variable in set(frame["variable"]):
        frame = frame[frame["variable"] == variable]
    else:
        raise unknown("variable", variable, set(frame["variable"]))
    return frame, variable, "step" if frame.duplicated(["epoch", "layer"]).any() else "epoch"
