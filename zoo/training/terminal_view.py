"""The gradient of every layer in the terminal during a training."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from rich.table import Table
from rich.text import Text

from zoo.telemetry import one_a_layer

BAR = 24  # characters
HISTORY = 32  # records
_LEVELS = {False: " ▁▂▃▄▅▆▇█", True: " _.-:=+*#"}


def layer_table(frame: pd.DataFrame, *, ascii_only: bool = False) -> Table:
    """Returns a table with a bar per layer, on a log scale, for the last record, and the records before it.

    A bar is yellow if the gradient is less than a hundredth of the last layer's, and red below a ten-thousandth.

    Args:
        frame: Records of `GradientRecorder.frame()`.
        ascii_only: Whether the terminal has no block characters. Defaults to False.
    """
    frame, weights = one_a_layer(frame)
    sizes = frame.pivot(index=["epoch", "step"], columns="layer", values="rms")
    sizes = sizes[frame["layer"].unique()].iloc[-HISTORY:]
    powers = sizes.where((sizes > 0) & (sizes < math.inf)).apply(np.log10)
    low, high = powers.min().min(), powers.max().max()
    bottom, top = (math.floor(low), math.ceil(high)) if math.isfinite(low) else (-1, 0)
    levels = ((powers - bottom) / max(1, top - bottom)).fillna(0.0)

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("layer", no_wrap=True)
    table.add_column("RMS", no_wrap=True)
    table.add_column(f"gradient of its {weights}, 1e{bottom} to 1e{top}", no_wrap=True, min_width=BAR)
    table.add_column("last records", no_wrap=True)
    last, characters = sizes.iloc[-1], _LEVELS[ascii_only]
    for layer in sizes.columns:
        ratio = last[layer] / last.iloc[-1] if last.iloc[-1] > 0 else 1.0
        color = "red" if not ratio >= 1e-4 else "yellow" if ratio < 1e-2 else "green"
        history = "".join(characters[1 + min(7, int(8 * level))] for level in levels[layer])
        bar = characters[-1] * max(1, round(BAR * levels[layer].iloc[-1]))
        table.add_row(layer, f"{last[layer]:.3g}", Text(bar, style=color), Text(history, style=color))
    return table


def layer_line(frame: pd.DataFrame) -> str:
    """Returns the last record as one line, for an output that is not a terminal."""
    frame, weights = one_a_layer(frame)
    last = frame[frame["step"] == frame["step"].iloc[-1]]
    sizes = "  ".join(f"{layer} {size:.3g}" for layer, size in zip(last["layer"], last["rms"], strict=True))
    return f"gradient of the {weights} (RMS)  {sizes}"
