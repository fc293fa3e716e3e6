"""Figures of gradient records."""

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


def plot_gradients(
    frame: pd.DataFrame, *, statistic: Statistic = "rms", variable: str | None = None, title: str = ""
) -> Figure:
    """Draws the size of the gradient over time, one line a layer, on a log scale.

    The lines differ in lightness, dash and marker, so that they can be told apart in print and by
    the colour-blind: dark is near the input, light near the output.

    Args:
        frame: Records of `GradientRecorder.frame()`, or of a `gradients.csv`.
        statistic: What is drawn. `"rms"` and `"mean_abs"` compare layers of different size.
        variable: The weights that are drawn, as in `"kernel"`; None leaves it to `one_a_layer`.
        title: A title for the figure.

    Returns:
        The figure; `figure.savefig(path)` writes it. It says where the gradient is NaN or infinite.

    Raises:
        InvalidValue: There are no records, or no such statistic.
        UnknownName: No layer has such a variable.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    frame, variable, time = _chosen(frame, statistic, variable)
    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    axes = figure.subplots()
    layers = list(dict.fromkeys(frame["layer"]))
    shades = colormaps["viridis"].resampled(256)
    for number, layer in enumerate(layers):
        line = frame[frame["layer"] == layer]
        axes.plot(
            line[time],
            _drawable(line[statistic]),
            color=shades(0.88 * number / max(1, len(layers) - 1)),
            linestyle=_DASHES[number % len(_DASHES)],
            marker=_MARKERS[number % len(_MARKERS)],
            markersize=5,
            markevery=sorted({*range(0, len(line), max(1, len(line) // 12)), len(line) - 1}),
            label=layer,
        )
    _sizes_axis(axes, frame, statistic, variable, time)
    axes.set_xlabel("epoch" if time == "epoch" else "update")
    epoch_axis(axes, frame[time])
    axes.grid(alpha=0.3, which="major")
    axes.set_title(title or "Gradient magnitude")
    handles, labels = axes.get_legend_handles_labels()
    # The output layer's line is mostly on top: the legend lists the layers in that order.
    figure.legend(handles[::-1], labels[::-1], loc="outside right center", frameon=False, handlelength=3.5)
    return figure


def plot_profile(
    frame: pd.DataFrame, *, statistic: Statistic = "rms", variable: str | None = None, title: str = ""
) -> Figure:
    """Draws the size of the gradient against the layer, at the first, a middle and the last record.

    Args:
        frame: Records, as `plot_gradients` takes them.
        statistic: What is drawn.
        variable: The weights that are drawn; None leaves it to `one_a_layer`.
        title: A title for the figure.

    Returns:
        The figure; `figure.savefig(path)` writes it.

    Raises:
        InvalidValue: There are no records, or no such statistic.
        UnknownName: No layer has such a variable.
    """
    from matplotlib.figure import Figure

    frame, variable, time = _chosen(frame, statistic, variable)
    table = _layers_by_time(frame, statistic, time)
    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    axes = figure.subplots()
    moments = sorted({table.columns[0], table.columns[len(table.columns) // 2], table.columns[-1]})
    for moment, colour, dash, marker in zip(
        moments, ("#0072B2", "#009E73", "#D55E00"), _DASHES, _MARKERS, strict=False
    ):
        axes.plot(
            range(len(table)), table[moment], color=colour, linestyle=dash, marker=marker, label=f"{time} {moment}"
        )
    _sizes_axis(axes, frame, statistic, variable, time)
    axes.set_xticks(range(len(table)), table.index, rotation=30 if len(table) > 6 else 0)
    axes.set_xlabel("layer, from the input to the output")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    axes.set_title(title or "Gradient by depth")
    return figure


def plot_heatmap(
    frame: pd.DataFrame, *, statistic: Statistic = "rms", variable: str | None = None, title: str = ""
) -> Figure:
    """Draws the size of the gradient as a map, layers against time, on a log scale.

    Args:
        frame: Records, as `plot_gradients` takes them.
        statistic: What is drawn.
        variable: The weights that are drawn; None leaves it to `one_a_layer`.
        title: A title for the figure.

    Returns:
        The figure; `figure.savefig(path)` writes it. A gradient that is zero, NaN or infinite is left white.

    Raises:
        InvalidValue: There are no records, or no such statistic.
        UnknownName: No layer has such a variable.
    """
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    frame, variable, time = _chosen(frame, statistic, variable)
    table = _layers_by_time(frame, statistic, time)
    figure = Figure(figsize=(7.5, 1.5 + 0.45 * len(table)), layout="constrained")
    axes = figure.subplots()
    low, high = table.min().min(), table.max().max()
    norm = LogNorm(low, high if high > low else low * 10) if low > 0 else None
    image = axes.pcolormesh(range(len(table.columns) + 1), range(len(table) + 1), table, cmap="viridis", norm=norm)
    places = sorted({round(i * (len(table.columns) - 1) / 8) for i in range(9)})
    axes.set_xticks([place + 0.5 for place in places], [str(table.columns[place]) for place in places])
    axes.set_yticks([row + 0.5 for row in range(len(table))], table.index)
    axes.set_xlabel("epoch" if time == "epoch" else "update")
    figure.colorbar(image, label=f"gradient of the {variable}\n({_MEANING[statistic]})")
    axes.set_title(title or "Gradient by layer and time")
    return figure


def one_a_layer(frame: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Picks the records of one weight a layer, the ones to compare layers by.

    These are the biases where every layer has them: a bias's gradient is the layer's error, averaged
    over the examples, which Nielsen (2015, chapter 5) calls its speed of learning. A kernel's can be
    mostly that of a penalty on large weights, and then does not vanish with the error.

    Args:
        frame: Records of `GradientRecorder.frame()`.

    Returns:
        The picked rows, and what they are: `"bias"`, or `"weights"` for each layer's first ones.
    """
    biases = frame[frame["variable"] == "bias"]
    if set(biases["layer"]) == set(frame["layer"]):
        return biases, "bias"
    return frame[frame["variable"] == frame.groupby("layer")["variable"].transform("first")], "weights"


def _drawable(sizes: Any) -> Any:
    """Returns sizes, NaN for those that a log scale cannot hold."""
    return sizes.where((sizes > 0) & (sizes < np.inf))


def _layers_by_time(frame: pd.DataFrame, statistic: str, time: str) -> pd.DataFrame:
    table = frame.pivot_table(index="layer", columns=time, values=statistic, sort=False)
    # A pivot table leaves out what is NaN everywhere.
    return _drawable(table.reindex(index=frame["layer"].unique(), columns=frame[time].unique()))


def _sizes_axis(axes: Axes, frame: pd.DataFrame, statistic: str, variable: str, time: str) -> None:
    """Makes the vertical axis one of sizes, and says in the panel what it cannot show."""
    sizes = _drawable(frame[statistic])
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
    # Where a training broke there are no lines: at the right.
    box = {"facecolor": "white", "edgecolor": "#D55E00"}
    axes.text(
        0.98, 0.96, note, transform=axes.transAxes, ha="right", va="top", color="#D55E00", bbox=box if note else None
    )


def _chosen(frame: pd.DataFrame, statistic: str, variable: str | None) -> tuple[pd.DataFrame, str, str]:
    """Returns the records to draw, what they are of, and the column that time is read from."""
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
