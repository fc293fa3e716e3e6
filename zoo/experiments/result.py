"""The result of an experiment, and the progress of its cases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rich.console import Console
from rich.progress import track

from zoo.runs.folder import RunFolder, versions

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Case = TypeVar("Case")


@dataclass(frozen=True, eq=False)
class Result:
    """Tables and figures of an experiment.

    Args:
        name: Name of the experiment.
        settings: Settings that it was run with.
        summary: Its findings in a few rows.
        tables: Its tables by name.
        figures: Its figures by name.
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


def track_cases(cases: Sequence[Case], description: str, *, progress: bool) -> Iterable[Case]:
    """Yields the cases, with a progress bar in a terminal."""
    console = Console(stderr=True)
    return track(cases, description, console=console, disable=not (progress and console.is_terminal))
