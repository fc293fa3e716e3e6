"""The figure of codes in the plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

SHOWN = 1500  # examples; more of them hide each other


def plot_codes(codes: pd.DataFrame, summary: pd.DataFrame, class_names: Sequence[str], dataset: str) -> Figure:
    """Draws each test example as its label at its code, a panel for each method.

    Args:
        codes: Columns `method`, `digit`, `x`, `y`.
        summary: Columns `codes` (the method), `test_error`, `nearest_neighbours`.
        class_names: Names of the classes.
        dataset: The data set's name.
    """
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(codes["method"]))
    figure = Figure(figsize=(6.5 * len(names), 6.6), layout="constrained")
    measures = summary.set_index("codes")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        of_method = codes[codes["method"] == name]
        for digit, rows in of_method.iloc[:SHOWN].groupby("digit"):
            # The label itself is the marker: the colours need not be told apart.
            axes.scatter(
                rows["x"],
                rows["y"],
                marker=f"${class_names[int(str(digit))]}$",
                s=42,
                linewidths=0.2,
                color=_colour(digit),
            )
        error, right = measures.loc[name, ["test_error", "nearest_neighbours"]]
        axes.set_title(f"{name}\nsquared error {error:.1f} an image; {right:.0f} % right by nearest neighbours")
        axes.set_xlabel("first number")
        axes.set_ylabel("second number")
    shown = min(SHOWN, len(codes) // len(names))
    figure.suptitle(f"{shown:,} test images of {dataset} as two numbers")
    return figure


def _colour(digit: object) -> str:
    return _COLOURS[int(str(digit)) % len(_COLOURS)]


# Okabe and Ito's eight, and two more of other lightness.
_COLOURS = (
    "#000000",
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#8C6D00",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
    "#7F7F7F",
    "#5D2A91",
)
