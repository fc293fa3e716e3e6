"""Progress of a search in the terminal."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from zoo.tuning.project import read_results
from zoo.tuning.results import find_best, format_value, format_values

ROWS = 12
STYLES = {"finished": "", "pruned": "yellow", "vanished": "yellow", "failed": "red", "running": "cyan"}


class TrialTable:
    """Shows the best and the last trials as a table, or in a log a line for each trial.

    A context manager, which leaves the terminal as it was.

    Args:
        project: Folder of the search.
        objective: Metric and its direction.
        max_trials: Number of trials, or None.
        shown: Whether to show anything. Defaults to True.
        console: Console. Defaults to standard error.
    """

    def __init__(
        self,
        project: Path,
        objective: tuple[str, str],
        max_trials: int | None,
        *,
        shown: bool = True,
        console: Console | None = None,
    ) -> None:
        self._project, self._objective, self._max_trials, self._shown = project, objective, max_trials, shown
        self._console = console or Console(stderr=True, highlight=False)
        self._results: dict[str, Any] = {}
        self._printed: set[str] = set()
        self._epoch = ""
        self._began = time.time()
        self._live = None
        if shown and self._console.is_terminal:
            self._live = Live(get_renderable=self.render, console=self._console, refresh_per_second=2)

    def __enter__(self) -> TrialTable:
        if self._shown:
            self._results = read_results(self._project)
            self._printed = {trial for trial, result in self._results.items() if "status" in result}
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.update()
        if self._live:
            self._live.stop()

    def update_epoch(self, epoch: int, epochs: int) -> None:
        """Shows the epoch of the running trial."""
        self._epoch = f"epoch {epoch}/{epochs}"

    def update(self) -> None:
        """Reads the new results and shows them."""
        if not self._shown:
            return
        self._epoch = ""
        self._results = read_results(self._project, self._results)
        if self._live:
            return  # it renders by itself
        for trial, result in self._results.items():
            if "status" in result and trial not in self._printed:
                self._printed.add(trial)
                self._console.print(self._format_line(trial, result), soft_wrap=True, markup=False)

    def render(self) -> Table:
        """Returns the table."""
        results = self._results
        ended = {trial: result for trial, result in results.items() if "status" in result}
        best = find_best(ended, self._objective)
        names = dict.fromkeys(name for result in results.values() for name in result["values"] if "tuner/" not in name)
        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0), caption_justify="left")
        for name in ("trial", "", self._objective[0], "epochs", "time", *names):
            table.add_column(name, no_wrap=True)
        sign = -1 if self._objective[1] == "max" else 1
        ranked = sorted(
            (trial for trial in ended if "objective" in ended[trial]),
            key=lambda trial: sign * ended[trial]["objective"],
        )
        shown = {*ranked[: ROWS // 3], *list(results)[-(ROWS - ROWS // 3) :]}
        for trial in sorted(shown, key=int):
            result = results[trial]
            status = result.get("status", "running")
            seconds = time.time() - result["began"] if status == "running" else result["seconds"]
            table.add_row(
                trial + (" *" if trial == best else ""),
                status,
                f"{result['objective']:.4f}" if "objective" in result else result.get("error", "")[:40],
                str(result.get("epochs", self._epoch if status == "running" else "")),
                f"{seconds:.1f} s",
                *(format_value(result["values"].get(name, "")) for name in names),
                style="bold green" if trial == best else STYLES[status],
            )
        table.caption = Text(self._summarize(ended, best), style="default")
        return table

    def _summarize(self, ended: dict[str, Any], best: str | None) -> str:
        total = f" of {self._max_trials}" if self._max_trials else ""
        parts = [f"{len(ended)}{total} trials"]
        if best is not None:
            parts.append(f"best {self._objective[0]} {ended[best]['objective']:.4f} (trial {int(best)})")
        new = [result for result in ended.values() if result["began"] >= self._began]
        if new and self._max_trials:
            left = (self._max_trials - len(ended)) * (time.time() - self._began) / len(new)
            parts.append(f"about {int(left) // 60}:{int(left) % 60:02d} left")
        return ", ".join(parts)

    def _format_line(self, trial: str, result: dict[str, Any]) -> str:
        values = "  ".join(format_values(result["values"]))
        outcome = f"{self._objective[0]} {result['objective']:.4f}" if "objective" in result else result["error"]
        ended = {name: self._results[name] for name in self._printed}
        summary = self._summarize(ended, find_best(ended, self._objective))
        return f"trial {int(trial)}: {result['status']}, {outcome}, {result['seconds']:.1f} s  {values}  [{summary}]"
