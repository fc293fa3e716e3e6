"""What a training looks after while it runs: its tables on disk, and a loss that breaks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
import pandas as pd

from zoo.runs.folder import RunFolder
from zoo.telemetry import GradientRecorder
from zoo.telemetry.gradient_recorder import COLUMNS


class Tables(keras.callbacks.Callback):
    """Keeps `metrics.csv` and `gradients.csv` up to date, and stops when the loss is NaN or infinite.

    Args:
        folder: The run's folder.
        recorder: The recorder, which must come before this callback in the list.
    """

    def __init__(self, folder: RunFolder, recorder: GradientRecorder) -> None:
        super().__init__()
        self._folder, self._recorder = folder, recorder
        self._rows: list[dict[str, float]] = []

    def restore(self, epochs: int) -> None:
        """Takes up the tables on disk, of an earlier part of the same training.

        Args:
            epochs: How many epochs of it count; later rows are dropped.
        """

        def until_then(name: str) -> pd.DataFrame | None:
            table = self._folder.read_table(name)
            return None if table is None else table[table["epoch"] <= epochs]

        metrics, gradients = until_then("metrics.csv"), until_then("gradient_details.csv")
        if metrics is not None:
            self._rows = [{**row, "epoch": int(row["epoch"])} for _, row in metrics.iterrows()]
        if gradients is not None:
            activations, histograms = until_then("activations.csv"), until_then("histograms.csv")
            self._recorder.restore(gradients, activations=activations, histograms=histograms)

    @property
    def metrics(self) -> pd.DataFrame:
        """One row an epoch; without rows before the first has ended."""
        return pd.DataFrame(self._rows) if self._rows else pd.DataFrame(columns=["epoch", "loss"])

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._rows.append({"epoch": epoch + 1, **in_order(logs or {})})
        self._folder.write_table("metrics.csv", self.metrics)
        self.write_gradients()
        if not math.isfinite(self._rows[-1]["loss"]):
            self.model.stop_training = True

    def write_gradients(self) -> None:
        """Writes the magnitudes, all that was measured, and what else was asked for, as tables."""
        details = self._recorder.frame(full=True)
        self._folder.write_table("gradients.csv", details[list(COLUMNS)])
        self._folder.write_table("gradient_details.csv", details)
        others = {
            "activations.csv": self._recorder.activation_frame(full=True),
            "histograms.csv": self._recorder.histogram_frame(),
        }
        for name, table in others.items():
            if len(table):
                self._folder.write_table(name, table)


def in_order(logs: Mapping[str, float]) -> dict[str, float]:
    """Puts metrics as a reader looks for them: those of training first, the loss before the rest.

    >>> list(in_order({"accuracy": 0.9, "loss": 0.1, "val_accuracy": 0.8, "val_loss": 0.2}))
    ['loss', 'accuracy', 'val_loss', 'val_accuracy']
    """
    return {name: logs[name] for name in sorted(logs, key=lambda n: (n.startswith("val_"), not n.endswith("loss")))}
