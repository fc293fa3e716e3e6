"""Records as event files, which TensorBoard shows while the training goes on."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from zoo.telemetry.histograms import EDGES, PER_DECADE


class EventFiles:
    """Writes records as scalars and histograms.

    Scalars are called by what is measured and where, as in `gradient_l2/hidden_1/kernel` and
    `activation_saturated/hidden_1`, so that the layers stand side by side. Histograms,
    `gradient_log10/hidden_1/kernel`, are over the power of ten: -3 is an entry of 0.001.

    Args:
        log_dir: The folder; it is made with the first record.
    """

    def __init__(self, log_dir: str | Path) -> None:
        self._log_dir = Path(log_dir)
        self._copies = itertools.count(1)
        self._writer: Any = None

    def next_inside(self) -> Path:
        """Returns a numbered folder inside this one, another one each time."""
        return self._log_dir / str(next(self._copies))

    def write(self, *, gradients: pd.DataFrame, activations: pd.DataFrame, histograms: pd.DataFrame) -> None:
        """Writes tables of `GradientRecorder`, and hands them to the file system."""
        import tensorflow as tf

        if gradients.empty:
            return
        self._writer = self._writer or tf.summary.create_file_writer(str(self._log_dir))
        with self._writer.as_default():
            for group, table, place in (
                ("gradient", gradients, ["layer", "variable"]),
                ("activation", activations, ["layer"]),
            ):
                labels = ("epoch", "step", "layer", "variable")
                names = [name for name in map(str, table) if name not in labels and not name.endswith(("_min", "_max"))]
                for _, row in table.iterrows():
                    where = "/".join(row[each] for each in place)
                    for name in names:
                        if not np.isnan(row[name]):
                            tf.summary.scalar(f"{group}_{name}/{where}", row[name], step=int(row["step"]))
            for _, table in histograms.groupby(["step", "layer", "variable"], sort=False):
                self._write_histogram(table)
        self._writer.flush()

    def close(self) -> None:
        """Ends the file; a later record begins another one."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _write_histogram(self, table: pd.DataFrame) -> None:
        import tensorflow as tf
        from tensorboard.plugins.histogram.metadata import create_summary_metadata

        # The two open bins are drawn as wide as the others.
        least, most, width = np.log10(EDGES[0]), np.log10(EDGES[-1]), 1 / PER_DECADE
        with np.errstate(divide="ignore"):
            left = np.maximum(np.log10(table["low"].to_numpy()), least - width)
            right = np.minimum(np.log10(table["high"].to_numpy()), most + width)
        buckets = np.stack([left, right, table["count"].to_numpy()], axis=1)
        metadata = create_summary_metadata(display_name=None, description="log10 of the absolute value")
        first = table.iloc[0]
        tag = f"gradient_log10/{first['layer']}/{first['variable']}"
        tf.summary.write(tag, tf.constant(buckets, tf.float64), step=int(first["step"]), metadata=metadata)
