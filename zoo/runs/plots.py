"""The learning curve of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.utils.plotting import epoch_axis, make_panels

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def plot_learning_curve(metrics: pd.DataFrame, *, title: str = "") -> Figure:
    """Plots the loss and each metric by epoch, for the training and the validation set.

    Args:
        metrics: Metrics of a run: `epoch`, `loss`, others such as `accuracy`, and `val_` columns if there is a
            validation set. With `free_energy` they are those of a restricted Boltzmann machine, whose reconstruction
            error comes first.
        title: Title of the figure. Defaults to a general one.

    Returns:
        The figure; `figure.savefig(path)` writes it.
    """
    names = [name for name in map(str, metrics) if name != "epoch" and not name.startswith("val_")]
    labels = {name: name.replace("_", " ") for name in names}
    if "free_energy" in names:  # a restricted Boltzmann machine, whose loss does not fall as it learns
        names.sort(key=lambda name: (name != "reconstruction_error", name == "loss"))
        labels["loss"] = "F(data) - F(chains),\nno measure of progress"
    figure, panels = make_panels(len(names), width=4.5, height=4)
    for axes, name in zip(panels, names, strict=True):
        for column, label, color, style in (
            (name, "training", "#0072B2", "o-"),
            (f"val_{name}", "validation", "#D55E00", "s--"),
        ):
            if column in metrics:
                axes.plot(metrics["epoch"], metrics[column], style, color=color, label=label, markersize=4)
        axes.set_xlabel("epoch")
        axes.set_ylabel(labels[name])
        epoch_axis(axes, metrics["epoch"])
        axes.legend(frameon=False)
    figure.suptitle(title or "Learning curve")
    return figure
