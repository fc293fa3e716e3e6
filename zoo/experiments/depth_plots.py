"""The figure of depth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_STYLES: dict[tuple[str, bool], dict[str, Any]] = {
    ("convolutional", True): {"color": "#0072B2", "marker": "o"},
    ("convolutional", False): {"color": "#007A5A", "marker": "^"},
    ("fully_connected", False): {"color": "#D55E00", "marker": "s", "linestyle": "--"},
}


def plot_depths(nets: pd.DataFrame, dataset: str, parameters: int) -> Figure:
    """Draws accuracy against depth, at equal numbers of weights, and against their number.

    Args:
        nets: Columns `kind`, `depth`, `parameters`, `exact_parameters`, `test_accuracy`; a row a net.
        dataset: The data set's name.
        parameters: The number of weights in the first panel.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5), layout="constrained")
    by_depth, by_size = figure.subplots(1, 2, sharey=True)
    nets = nets.assign(percent=100 * nets["test_accuracy"])
    convolutional = nets[(nets["kind"] == "convolutional") & (nets["parameters"] == parameters)]
    mean = convolutional.groupby("depth")["percent"].mean()
    by_depth.plot(mean.index, mean, color="#0072B2", marker="o", label="convolutional")
    by_depth.plot(convolutional["depth"], convolutional["percent"], linestyle="none", marker="_", color="#0072B2")
    dense = nets[(nets["kind"] == "fully_connected") & (nets["parameters"] == parameters)]
    by_depth.plot(
        dense["depth"], dense["percent"], linestyle="none", marker="s", color="#D55E00", label="fully connected"
    )
    by_depth.set_xticks(sorted(convolutional["depth"].unique()))
    by_depth.set_xlabel("hidden layers")
    by_depth.set_ylabel("test sequences read without a mistake (%)")
    by_depth.set_title(f"nets of about {parameters:,} weights")
    deepest = nets["depth"].max()
    ends = nets[nets["depth"].isin((nets["depth"].min(), deepest))]
    for (kind, depth), rows in ends.groupby(["kind", "depth"]):
        of_size = rows.groupby("exact_parameters")["percent"].mean()
        label = f"{depth} layers, {str(kind).replace('_', ' ')}"
        by_size.plot(of_size.index, of_size, label=label, **_STYLES[str(kind), depth == deepest])
    by_size.set_xscale("log")
    sizes = sorted(nets["parameters"].unique())
    by_size.set_xticks(sizes, [f"{size:,}" for size in sizes])
    by_size.minorticks_off()
    by_size.set_xlabel("weights and biases")
    for axes in (by_depth, by_size):
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    figure.suptitle(f"Numbers of one to five digits, {dataset}")
    return figure
