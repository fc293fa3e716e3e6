"""What an experiment found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.runs.folder import RunFolder, versions

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Result:
    """The tables and figures of an experiment.

    Args:
        name: The experiment's name.
        settings: What it was run with.
        summary: What it found, in a few lines.
        tables: Its tables, by name.
        figures: Its figures, by name.
    """

    name: str
    settings: Mapping[str, Any]
    summary: pd.DataFrame
    tables: Mapping[str, pd.DataFrame]
    figures: Mapping[str, Figure]

    def write(self, folder: RunFolder) -> Path:
        """Writes the summary and each table as CSV, each figure as PNG, the settings as `config.json`."""
        folder.write_json("config.json", {"experiment": self.name, **self.settings, "versions": versions()})
        for name, table in {"summary": self.summary, **self.tables}.items():
            folder.write_table(f"{name}.csv", table)
        for name, figure in self.figures.items():
            folder.write_figure(f"{name}.png", figure)
        return folder.path
