"""The learning curve of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.utils.plotting import epoch_axis

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def plot_learning_curve(metrics: pd.DataFrame, *, title: str = "") -> Figure:
    """Draws the loss and each metric by epoch, of the training and the validation set.

    Args:
        metrics: A run's metrics: `epoch`, `loss`, others such as `accuracy`, and the same with `val_`
            before them where there is a validation set. With `free_energy` they are a restricted Boltzmann
            machine's: its reconstruction error comes first.
        title: A title for the figure.

    Returns:
        The figure; `figure.savefig(path)` writes it.
    """
    from matplotlib.figure import Figure

    names = [name for name in map(str, metrics) if name != "epoch" and not name.startswith("val_")]
    words = {name: name.replace("_", " ") for name in names}
    if "free_energy" in names:  # a restricted Boltzmann machine, whose loss does not fall as it learns
        names.sort(key=lambda name: (name != "reconstruction_error", name == "loss"))
        words["loss"] = "F(data) - F(chains),\nno measure of progress"
    figure = Figure(figsize=(4.5 * len(names), 4), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for column, label, style in (
            (name, "training", {"color": "#0072B2", "linestyle": "-", "marker": "o"}),
            (f"val_{name}", "validation", {"color": "#D55E00", "linestyle": "--", "marker": "s"}),
        ):
            if column in metrics:
                axes.plot(metrics["epoch"], metrics[column], label=label, markersize=4, **style)
        axes.set_xlabel("epoch")
        axes.set_ylabel(words[name])
        epoch_axis(axes, metrics["epoch"])
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    figure.suptitle(title or "Learning curve")
    return figure
