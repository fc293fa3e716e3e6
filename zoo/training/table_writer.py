"""The tables of a run in its folder, updated during the training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
import pandas as pd

from zoo.runs.folder import RunFolder
from zoo.telemetry import GradientRecorder
from zoo.telemetry.frames import COLUMNS


class TableWriter(keras.callbacks.Callback):
    """Writes the metrics and records after every epoch, and stops the training if the loss is NaN or infinite.

    Args:
        folder: Folder of the run.
        recorder: Recorder of the training; it must come before this callback in the list.
    """

    restores_itself = True

    def __init__(self, folder: RunFolder, recorder: GradientRecorder) -> None:
        super().__init__()
        self._folder, self._recorder = folder, recorder
        self._rows: list[Any] = []

    def restore(self, epochs: int) -> None:
        """Reads the tables of an earlier part of the same training.

        Args:
            epochs: Number of epochs to keep; later rows are dropped.
        """
        names = ("metrics", "gradient_details", "activations", "histograms")
        tables = {name: self._folder.read_table(f"{name}.csv") for name in names}
        tables = {name: None if table is None else table[table["epoch"] <= epochs] for name, table in tables.items()}
        metrics, gradients, activations, histograms = tables.values()
        if metrics is not None:
            self._rows = metrics.to_dict("records")
        if gradients is not None:
            self._recorder.restore(gradients, activations=activations, histograms=histograms)

    @property
    def metrics(self) -> pd.DataFrame:
        """One row per epoch; empty before the first has ended."""
        return pd.DataFrame(self._rows) if self._rows else pd.DataFrame(columns=["epoch", "loss"])

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._rows.append({"epoch": epoch + 1, **sort_metrics(logs or {})})
        self._folder.write_table("metrics.csv", self.metrics)
        self.write_gradients()
        if not math.isfinite(self._rows[-1]["loss"]):
            self.model.stop_training = True

    def write_gradients(self) -> None:
        """Writes the sizes of the gradients, everything measured of them, and the other records."""
        details = self._recorder.frame(full=True)
        tables = {
            "gradients": details[list(COLUMNS)],
            "gradient_details": details,
            "activations": self._recorder.activation_frame(full=True),
            "histograms": self._recorder.histogram_frame(),
        }
        for name, table in tables.items():
            if len(table) or name.startswith("gradient"):
                self._folder.write_table(f"{name}.csv", table)


def sort_metrics(logs: Mapping[str, float]) -> dict[str, float]:
    """Sorts metrics for display: training before validation, losses before the others.

    >>> list(sort_metrics({"accuracy": 0.9, "loss": 0.1, "val_accuracy": 0.8, "val_loss": 0.2}))
    ['loss', 'accuracy', 'val_loss', 'val_accuracy']
    """
    return {name: logs[name] for name in sorted(logs, key=lambda n: (n.startswith("val_"), not n.endswith("loss")))}
