"""The trials of a search in the terminal, while it runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from zoo.tuning.results import best_of, read_results

ROWS = 12
REFRESH = 0.5  # seconds from one look to the next
COLOURS = {"finished": "", "pruned": "yellow", "vanished": "yellow", "failed": "red", "running": "cyan"}


class LiveTable:
    """Shows the best trials and the last ones as a table, or a line a trial elsewhere than in a terminal.

    A context manager, so that the terminal is always left tidy.

    Args:
        project: The search's folder.
        objective: The metric, and its direction.
        max_trials: How many trials there will be, or None.
        workers: How many run at a time.
        shown: Whether to show anything.
        console: Where to show it; None takes standard error.
    """

    def __init__(
        self,
        project: Path,
        objective: tuple[str, str],
        max_trials: int | None,
        *,
        workers: int,
        shown: bool = True,
        console: Console | None = None,
    ) -> None:
        self._project, self._objective, self._max_trials, self._workers = project, objective, max_trials, workers
        self._console = console or Console(stderr=True, highlight=False)
        self._shown = shown
        self._live = Live(console=self._console, auto_refresh=False) if shown and self._console.is_terminal else None
        self._results: dict[str, Any] = {}
        self._told: set[str] = set()
        self._epoch = ""
        self._looked = 0.0
        self._began = time.time()

    def __enter__(self) -> LiveTable:
        if self._shown:
            self._results = read_results(self._project)
            self._told = {trial for trial, each in self._results.items() if "status" in each}
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.update()
        if self._live:
            self._live.stop()

    def tell(self, epoch: int, epochs: int) -> None:
        """Notes how far the running trial is."""
        self._epoch = f"epoch {epoch}/{epochs}"
        if self._live and time.monotonic() - self._looked > REFRESH:
            self._looked = time.monotonic()
            self._live.update(self.render(), refresh=True)

    def update(self) -> None:
        """Looks into the folder and shows what is new there."""
        if not self._shown:
            return
        self._epoch = ""
        self._results = read_results(self._project, self._results)
        if self._live:
            self._live.update(self.render(), refresh=True)
            return
        for trial, result in self._results.items():
            if "status" in result and trial not in self._told:
                self._told.add(trial)
                self._console.print(self._line(trial, result), soft_wrap=True, markup=False)

    def render(self) -> Table:
        """Returns the table."""
        results = self._results
        ended = {trial: each for trial, each in results.items() if "status" in each}
        best = best_of(ended, self._objective)
        names = list(
            dict.fromkeys(name for each in results.values() for name in each["values"] if "tuner/" not in name)
        )
        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0), caption_justify="left")
        for name in ("trial", "", self._objective[0], "epochs", "time", *names):
            table.add_column(name, no_wrap=True)
        sign = -1 if self._objective[1] == "max" else 1
        by_value = sorted(
            (each for each in ended if "objective" in ended[each]), key=lambda each: sign * ended[each]["objective"]
        )
        kept = set(by_value[: ROWS // 3]) | set(list(results)[-(ROWS - ROWS // 3) :])
        for trial in sorted(kept, key=int):
            result = results[trial]
            status = result.get("status", "running")
            now = time.time() - result["began"] if status == "running" else result["seconds"]
            table.add_row(
                trial + (" *" if trial == best else ""),
                status,
                f"{result['objective']:.4f}" if "objective" in result else result.get("error", "")[:40],
                str(result.get("epochs", self._epoch if status == "running" else "")),
                f"{now:.1f} s",
                *(_short(result["values"].get(name, "")) for name in names),
                style="bold green" if trial == best else COLOURS[status],
            )
        table.caption = Text(self._summary(ended, best), style="default")
        return table

    def _summary(self, ended: dict[str, Any], best: str | None) -> str:
        total = f" of {self._max_trials}" if self._max_trials else ""
        words = [f"{len(ended)}{total} trials"]
        if best is not None:
            words.append(f"best {self._objective[0]} {ended[best]['objective']:.4f} (trial {int(best)})")
        new = [each for each in ended.values() if each["began"] >= self._began]
        if new and self._max_trials:
            left = (self._max_trials - len(ended)) * (time.time() - self._began) / len(new)
            words.append(f"about {int(left) // 60}:{int(left) % 60:02d} left")
        return ", ".join(words)

    def _line(self, trial: str, result: dict[str, Any]) -> str:
        values = "  ".join(f"{name}={_short(each)}" for name, each in result["values"].items() if "tuner/" not in name)
        what = f"{self._objective[0]} {result['objective']:.4f}" if "objective" in result else result["error"]
        ended = {each: self._results[each] for each in self._told}
        return (
            f"trial {int(trial)}: {result['status']}, {what}, {result['seconds']:.1f} s  {values}  "
            f"[{self._summary(ended, best_of(ended, self._objective))}]"
        )


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
