"""How far a training is: a bar with the time left in a terminal, a line an epoch elsewhere."""

from __future__ import annotations

from typing import Any

import keras
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from zoo.training.watching import in_order


class ProgressBar(keras.callbacks.Callback):
    """Shows the whole training as one bar; a context manager, so that the terminal is always left tidy.

    Args:
        epochs: Epochs in all.
        steps_per_epoch: Steps in an epoch.
        console: Where to show it; None takes standard error.
    """

    def __init__(self, *, epochs: int, steps_per_epoch: int, console: Console | None = None) -> None:
        super().__init__()
        self._epochs, self._steps = epochs, steps_per_epoch
        self._console = console or Console(stderr=True)
        self._progress = Progress(
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[metrics]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._progress.add_task("", total=epochs * steps_per_epoch, epoch=1, epochs=epochs, metrics="")
        self._epoch = 0

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

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs = in_order(logs or {})
        self._progress.update(
            self._task,
            completed=(epoch + 1) * self._steps,
            metrics="  ".join(f"{name} {logs[name]:.4f}" for name in ("loss", "val_accuracy") if name in logs),
        )
        if not self._console.is_terminal:
            numbers = "  ".join(f"{name} {value:.4f}" for name, value in logs.items())
            self._console.print(
                f"epoch {epoch + 1:>{len(str(self._epochs))}}/{self._epochs}  {numbers}", soft_wrap=True
            )
