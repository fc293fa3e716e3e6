"""The result of an experiment, its settings, and the progress of its cases."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track

from zoo.runs.folder import RunFolder, versions
from zoo.utils.constraints import check

Case = TypeVar("Case")
P = ParamSpec("P")


@dataclass(frozen=True, eq=False)
class Result:
    """Tables and figures of an experiment.

    Args:
        summary: Its findings in a few rows.
        tables: Its tables by name.
        figures: Its figures by name.
        settings: Settings that it was run with, and digest of its data.
        name: Name of the experiment.
    """

    summary: pd.DataFrame
    tables: Mapping[str, pd.DataFrame]
    figures: Mapping[str, Figure]
    settings: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""

    def write(self, folder: RunFolder) -> Path:
        """Writes the summary and each table as CSV, each figure as PNG, the settings as `config.json`."""
        folder.write_json("config.json", {"experiment": self.name, **self.settings, "versions": versions()})
        for name, table in {"summary": self.summary, **self.tables}.items():
            folder.write_table(f"{name}.csv", table)
        for name, figure in self.figures.items():
            folder.write_figure(f"{name}.png", figure)
        return folder.path


def experiment(name: str) -> Callable[[Callable[P, Result]], Callable[P, Result]]:
    """Decorates the `run` of an experiment.

    Its arguments are checked by their annotations, and become settings of the result. Those that it replaced, such as
    a default of None, it returns in the settings of its result.

    Args:
        name: Name of the experiment.
    """

    def decorate(run: Callable[P, Result]) -> Callable[P, Result]:
        @functools.wraps(run)
        def checked_run(*args: P.args, **kwargs: P.kwargs) -> Result:
            annotations = typing.get_type_hints(run, include_extras=True)
            bound = inspect.signature(run).bind(*args, **kwargs)
            for setting, value in bound.arguments.items():
                bound.arguments[setting] = check(setting, value, annotations[setting])
            bound.apply_defaults()
            result = run(*bound.args, **bound.kwargs)
            settings = {key: value for key, value in bound.arguments.items() if key != "progress"}
            return replace(result, name=name, settings={**settings, **result.settings})

        return checked_run

    return decorate


def track_cases(cases: Sequence[Case], description: str, *, progress: bool) -> Iterable[Case]:
    """Yields the cases, with a progress bar in a terminal."""
    console = Console(stderr=True)
    return track(cases, description, console=console, disable=not (progress and console.is_terminal))
