"""Where records go: writers with one interface, and one that writes event files for TensorBoard."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import tensorflow as tf

from zoo.telemetry.frames import LABELS
from zoo.telemetry.histograms import EDGES, PER_DECADE


class Writer(Protocol):
    """Destination of records."""

    def write(self, tables: Mapping[str, pd.DataFrame]) -> None:
        """Writes new records, and flushes them.

        Args:
            tables: Tables by kind, such as `"gradients"`, `"activations"` and `"histograms"`, with the columns of
                `zoo.telemetry.frames`. A writer ignores kinds that it does not know.
        """

    def close(self) -> None:
        """Closes the destination; a later `write` opens it again."""


class EventFileWriter:
    """Writes scalars and histograms for TensorBoard, which shows them during the training.

    The tag of a scalar is the statistic, then its place, as in `gradient_l2/hidden_1/kernel` and
    `activation_saturated/hidden_1`, so that TensorBoard groups the layers. Histograms, such as
    `gradient_log10/hidden_1/kernel`, are over the power of ten: -3 is an entry of 0.001.

    Args:
        log_dir: Folder of the files; it is created with the first record.
    """

    def __init__(self, log_dir: str | Path) -> None:
        self._log_dir = Path(log_dir)
        self._numbers = itertools.count(1)
        self._file: Any = None

    def next_folder(self) -> Path:
        """Returns a numbered folder inside this one, a new one at each call."""
        return self._log_dir / str(next(self._numbers))

    def write(self, tables: Mapping[str, pd.DataFrame]) -> None:
        """Writes tables of `zoo.telemetry.frames`, and flushes them."""
        if tables["gradients"].empty:
            return
        self._file = self._file or tf.summary.create_file_writer(str(self._log_dir))
        with self._file.as_default():
            self._write_scalars("gradient", tables["gradients"], ["layer", "variable"])
            self._write_scalars("activation", tables["activations"], ["layer"])
            for _, table in tables["histograms"].groupby(["step", "layer", "variable"], sort=False):
                self._write_histogram(table)
        self._file.flush()

    def close(self) -> None:
        """Closes the file; a later `write` creates another one."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write_scalars(self, group: str, table: pd.DataFrame, place: list[str]) -> None:
        names = [name for name in map(str, table) if name not in LABELS and not name.endswith(("_min", "_max"))]
        for _, row in table.iterrows():
            for name in names:
                if not np.isnan(row[name]):
                    tf.summary.scalar(f"{group}_{name}/{'/'.join(row[place])}", row[name], step=int(row["step"]))

    def _write_histogram(self, table: pd.DataFrame) -> None:
        from tensorboard.plugins.histogram.metadata import create_summary_metadata

        # The two open bins are drawn as wide as the others.
        low, high, width = np.log10(EDGES[0]), np.log10(EDGES[-1]), 1 / PER_DECADE
        with np.errstate(divide="ignore"):
            left = np.maximum(np.log10(table["low"].to_numpy()), low - width)
            right = np.minimum(np.log10(table["high"].to_numpy()), high + width)
        buckets = np.stack([left, right, table["count"].to_numpy()], axis=1)
        metadata = create_summary_metadata(display_name=None, description="log10 of the absolute value")
        first = table.iloc[0]
        tag = f"gradient_log10/{first['layer']}/{first['variable']}"
        tf.summary.write(tag, tf.constant(buckets, tf.float64), step=int(first["step"]), metadata=metadata)
