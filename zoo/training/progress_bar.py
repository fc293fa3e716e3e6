"""The progress of a training: a bar with the remaining time in a terminal, one line per epoch elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import keras
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from zoo.telemetry import GradientRecorder
from zoo.training.table_writer import sort_metrics
from zoo.training.terminal_view import layer_line, layer_table

REFRESH = 0.5  # seconds between two updates of the gradients


class ProgressBar(keras.callbacks.Callback):
    """Shows the whole training as one bar. A context manager, so that the terminal is always restored.

    Args:
        epochs: Number of epochs.
        steps_per_epoch: Number of steps in an epoch.
        watch: Recorder whose layers are shown below the bar; it must come before this callback in the list. Defaults
            to None.
        console: Console to write to. Defaults to None, for standard error.
        label: Label in front of the epoch, as in `"hidden_1, stage 1 of 5"`. Defaults to none.
    """

    content_with_calls = True
    restores_itself = True

    def __init__(
        self,
        *,
        epochs: int,
        steps_per_epoch: int,
        watch: GradientRecorder | None = None,
        console: Console | None = None,
        label: str = "",
    ) -> None:
        super().__init__()
        self._epochs, self._steps, self._watch = epochs, steps_per_epoch, watch
        self._label = f"{label}, " if label else ""
        self._console = console or Console(stderr=True)
        self._progress = _ProgressWithTable(
            TextColumn(f"{self._label}epoch {{task.fields[epoch]}}/{epochs}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[metrics]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._progress.add_task("", total=epochs * steps_per_epoch, epoch=1, metrics="")
        self._epoch = 0
        self._last_update = 0.0

    def __enter__(self) -> ProgressBar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch
        self._progress.update(self._task, epoch=epoch + 1)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._progress.update(self._task, completed=self._epoch * self._steps + batch)
        if batch and time.monotonic() - self._last_update > REFRESH:
            self._update_table()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs = sort_metrics(logs or {})
        self._progress.update(
            self._task,
            completed=(epoch + 1) * self._steps,
            metrics="  ".join(f"{name} {logs[name]:.4f}" for name in ("loss", "val_accuracy") if name in logs),
        )
        if self._console.is_terminal:
            self._update_table()
            return
        metrics = "  ".join(f"{name} {value:.4f}" for name, value in logs.items())
        number = f"{epoch + 1:>{len(str(self._epochs))}}/{self._epochs}"
        self._console.print(f"{self._label}epoch {number}  {metrics}", soft_wrap=True)
        if self._watch and len(frame := self._watch.frame()):
            self._console.print(f"  {layer_line(frame)}", soft_wrap=True)

    def _update_table(self) -> None:
        self._last_update = time.monotonic()
        if self._watch and self._console.is_terminal and len(frame := self._watch.frame()):
            self._progress.table = layer_table(frame, ascii_only=self._console.options.ascii_only)


class _ProgressWithTable(Progress):
    """A progress bar with a table below it."""

    table: RenderableType = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        yield self.table
