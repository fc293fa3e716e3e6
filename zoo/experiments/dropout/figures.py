"""The figures of dropout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_KINDS: dict[bool, tuple[str, dict[str, Any]]] = {
    False: ("without dropout", {"color": "#D55E00", "marker": "s"}),
    True: ("with dropout", {"color": "#0072B2", "marker": "o"}),
}


def plot_curves(curves: pd.DataFrame, dataset: str, labels: int) -> Figure:
    """Draws loss and error over the training: mean and range over the seeds.

    Args:
        curves: Columns `dropout`, `seed`, `update`, `split`, `loss`, `accuracy`.
        dataset: The data set's name.
        labels: Number of training examples.
    """
    figure, panels = _figure(2)
    table = curves.assign(error=100 * (1 - curves["accuracy"]))
    for axes, name, label in zip(panels, ("loss", "error"), ("cross-entropy (nats)", "error (%)"), strict=True):
        for (dropout, split), rows in table.groupby(["dropout", "split"]):
            kind, style = _KINDS[bool(dropout)]
            by_update = rows.groupby("update")[name]
            mean, test = by_update.mean(), split == "test"
            axes.plot(
                mean.index,
                mean,
                label=f"{kind}, {'test' if test else 'training'}",
                linestyle="-" if test else "--",
                markersize=4,
                markerfacecolor=style["color"] if test else "white",
                **style,
            )
            axes.fill_between(
                mean.index, by_update.min(), by_update.max(), color=style["color"], alpha=0.15, linewidth=0
            )
        # What a net gets wrong before it has learnt anything would hide the rest.
        last = table[(table["update"] == table["update"].max()) & (table["split"] == "test")]
        axes.set_ylim(0, 2 * last[name].max())
        axes.set_xscale("log")
        axes.set_xlabel("updates")
        axes.set_ylabel(f"{label}, mean and range over seeds")
    panels[0].legend(frameon=False, loc="upper right")
    figure.suptitle(f"Training on {labels:,} examples of {dataset}, measured with all units in use")
    return figure


def plot_averages(averages: pd.DataFrame, curves: pd.DataFrame, dataset: str) -> Figure:
    """Draws the test error of averages of thinned nets against their number, beside that of the scaled weights.

    Args:
        averages: Columns `seed`, `split`, `nets`, `accuracy`; a row an average.
        curves: Columns `dropout`, `seed`, `update`, `split`, `accuracy`.
        dataset: The data set's name.
    """
    figure, (axes,) = _figure(1, width=8)
    test = averages[averages["split"] == "test"]
    error = 100 * (1 - test["accuracy"])
    by_count = error.groupby(test["nets"])
    mean = by_count.mean()
    # Between averages of one net: nets differ from each other by more.
    spread = error.groupby([test["nets"], test["seed"]]).std().pow(2).groupby("nets").mean().pow(0.5)
    axes.errorbar(
        mean.index,
        mean,
        spread.fillna(0),
        color="#0072B2",
        marker="o",
        capsize=4,
        label="mean of the outputs of so many thinned nets",
    )
    last = curves[(curves["update"] == curves["update"].max()) & (curves["split"] == "test")]
    for dropout, label, color, style in (
        (True, "all units, weights scaled", "black", "--"),
        (False, "net trained without dropout", "#D55E00", ":"),
    ):
        level = 100 * (1 - last.loc[last["dropout"] == dropout, "accuracy"].mean())
        axes.axhline(level, linewidth=2, label=f"{label}: {level:.2f} %", color=color, linestyle=style)
    axes.set_xscale("log")
    axes.set_xticks(mean.index, [str(count) for count in mean.index])
    axes.minorticks_off()
    axes.set_xlabel("thinned nets in an average")
    axes.set_ylabel("test error (%), mean over nets and draws,\nstandard deviation over draws")
    axes.legend(frameon=False)
    figure.suptitle(f"Thinned nets averaged, and weights scaled, on {dataset}")
    return figure


def _figure(panels: int, *, width: float = 6.5) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * panels, 5), layout="constrained")
    axes = list(figure.subplots(1, panels, squeeze=False)[0])
    for each in axes:
        each.grid(alpha=0.3)
    return figure, axes
