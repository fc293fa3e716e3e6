"""The size of the gradient in every layer, in the terminal, while a training runs."""

from __future__ import annotations

import math

import pandas as pd
from rich.table import Table
from rich.text import Text

from zoo.telemetry import one_a_layer

BAR = 24
HISTORY = 32
_STEPS = {False: " ▁▂▃▄▅▆▇█", True: " _.-:=+*#"}
_BLOCK = {False: "█", True: "#"}


def layer_table(frame: pd.DataFrame, *, ascii_only: bool = False) -> Table:
    """Shows the last record as a bar a layer, on a log scale, and how it came to be.

    A bar is yellow where the gradient is less than a hundredth of the one in the layer next to the
    loss, red where it is less than a ten-thousandth.

    Args:
        frame: Records of `GradientRecorder.frame()`.
        ascii_only: Whether the terminal has no block characters.
    """
    frame, weights = one_a_layer(frame)
    sizes = frame.pivot(index=["epoch", "step"], columns="layer", values="rms")
    sizes = sizes[list(dict.fromkeys(frame["layer"]))].iloc[-HISTORY:]
    drawn = sizes.where((sizes > 0) & (sizes < math.inf))
    low, high = drawn.min().min(), drawn.max().max()
    bottom, top = (math.floor(math.log10(low)), math.ceil(math.log10(high))) if low < math.inf else (-1, 0)

    def level(size: float) -> float:
        return (math.log10(size) - bottom) / max(1, top - bottom) if 0 < size < math.inf else 0.0

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("layer", no_wrap=True)
    table.add_column("RMS", no_wrap=True)
    table.add_column(f"gradient of its {weights}, 1e{bottom} to 1e{top}", no_wrap=True, min_width=BAR)
    table.add_column("last records", no_wrap=True)
    last = sizes.iloc[-1]
    for layer in sizes.columns:
        ratio = last[layer] / last.iloc[-1] if last.iloc[-1] > 0 else 1.0
        colour = "red" if not ratio >= 1e-4 else "yellow" if ratio < 1e-2 else "green"
        history = "".join(_STEPS[ascii_only][1 + min(7, int(8 * level(size)))] for size in sizes[layer])
        bar = _BLOCK[ascii_only] * max(1, round(BAR * level(last[layer])))
        table.add_row(layer, f"{last[layer]:.3g}", Text(bar, style=colour), Text(history, style=colour))
    return table


def layer_line(frame: pd.DataFrame) -> str:
    """Returns the last record in one line, for where there is no terminal."""
    frame, weights = one_a_layer(frame)
    last = frame[frame["step"] == frame["step"].iloc[-1]]
    sizes = "  ".join(f"{layer} {size:.3g}" for layer, size in zip(last["layer"], last["rms"], strict=True))
    return f"gradient of the {weights} (RMS)  {sizes}"
