"""Figures of gradient records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zoo.constraints import check
from zoo.errors import InvalidValue, unknown

if TYPE_CHECKING:
    import pandas as pd
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
        The figure; `figure.savefig(path)` writes it.

    Raises:
        InvalidValue: There are no records, or no such statistic.
        UnknownName: No layer has such a variable.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    statistic = check("statistic", statistic, Statistic)
    if frame.empty:
        raise InvalidValue("plot_gradients needs at least one record; got an empty frame.")
    if variable is None:
        frame, variable = one_a_layer(frame)
    elif variable in set(frame["variable"]):
        frame = frame[frame["variable"] == variable]
    else:
        raise unknown("variable", variable, set(frame["variable"]))
    time = "step" if frame.duplicated(["epoch", "layer"]).any() else "epoch"

    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    axes = figure.subplots()
    layers = list(dict.fromkeys(frame["layer"]))
    shades = colormaps["viridis"].resampled(256)
    for number, layer in enumerate(layers):
        line = frame[frame["layer"] == layer]
        axes.plot(
            line[time],
            line[statistic].where(line[statistic] > 0),
            color=shades(0.88 * number / max(1, len(layers) - 1)),
            linestyle=_DASHES[number % len(_DASHES)],
            marker=_MARKERS[number % len(_MARKERS)],
            markersize=5,
            markevery=max(1, len(line) // 12),
            label=layer,
        )
    axes.set_yscale("log")
    axes.set_xlabel("epoch" if time == "epoch" else "update")
    axes.set_ylabel(f"gradient of each layer's {variable}\n({_MEANING[statistic]})")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3, which="major")
    axes.set_title(title or "Gradient magnitude")
    handles, labels = axes.get_legend_handles_labels()
    # The output layer's line is mostly on top: the legend lists the layers in that order.
    figure.legend(handles[::-1], labels[::-1], loc="outside right center", frameon=False, handlelength=3.5)
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
