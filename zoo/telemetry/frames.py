"""The tables: data frames of gradients, activations and histograms, made from readings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

import numpy as np
import pandas as pd

from zoo.errors import InvalidValue
from zoo.telemetry import histograms
from zoo.telemetry.activations import ACTIVATION_STATISTICS
from zoo.telemetry.statistics import STATISTICS
from zoo.telemetry.stores import Reading

LABELS = ("epoch", "step", "layer", "variable")
COLUMNS = (*LABELS, "l2", "mean_abs", "rms")
ACTIVATION_COLUMNS = (*LABELS[:3], *ACTIVATION_STATISTICS, "dead")
HISTOGRAM_COLUMNS = (*LABELS, "low", "high", "count")
KINDS = {"gradients": (*LABELS, *STATISTICS), "activations": ACTIVATION_COLUMNS, "histograms": HISTOGRAM_COLUMNS}


class Records:
    """All records of a training. Tables are made of readings only when they are asked for."""

    def __init__(self) -> None:
        self._tables: dict[str, list[pd.DataFrame]] = {kind: [] for kind in KINDS}
        self._readings: dict[str, list[tuple[int, Reading]]] = {kind: [] for kind in KINDS}

    def add(self, epoch: int, readings: Mapping[str, Reading]) -> None:
        """Adds what was read from a tap in an epoch."""
        for kind, reading in readings.items():
            self._readings[kind].append((epoch, reading))

    def restore(self, **tables: pd.DataFrame | None) -> None:
        """Puts the tables of an earlier part of the training, by kind, before the others."""
        required = {**KINDS, "gradients": COLUMNS}
        for kind, table in tables.items():
            if table is not None and (missing := [name for name in required[kind] if name not in table]):
                raise InvalidValue(f"restore needs a table of {kind}; the columns {', '.join(missing)} are missing.")
        for kind, table in tables.items():
            if table is not None:
                self._tables[kind].insert(0, table.copy())

    def build(self, kind: str, epoch: int, unread: Iterable[Mapping[str, Reading]]) -> pd.DataFrame:
        """Returns the table of all records of one kind.

        Args:
            kind: One of `KINDS`.
            epoch: The current epoch.
            unread: What the taps hold that was not added yet.
        """
        added = build_table(kind, self._readings[kind])
        self._readings[kind] = []
        self._tables[kind] = [concatenate(kind, [*self._tables[kind], added])]
        latest = build_table(kind, [(epoch, readings[kind]) for readings in unread if kind in readings])
        return concatenate(kind, [*self._tables[kind], latest])


def build_tables(epoch: int, readings: Mapping[str, Reading]) -> dict[str, pd.DataFrame]:
    """Returns the tables of what was read from one tap in an epoch, by kind."""
    return {kind: build_table(kind, [(epoch, readings[kind])] if kind in readings else []) for kind in KINDS}


def build_table(kind: str, readings: Sequence[tuple[int, Reading]]) -> pd.DataFrame:
    """Returns one table of readings.

    Args:
        kind: One of `KINDS`.
        readings: Epochs and what was read in them.
    """
    finish = {"gradients": _finish_gradients, "activations": _finish_activations, "histograms": _finish_histograms}
    readings = [(epoch, reading) for epoch, reading in readings if len(reading.updates)]
    groups = groupby(readings, lambda pair: (pair[1].rows, pair[1].columns))
    return concatenate(kind, [finish[kind](_label(list(group))) for _, group in groups])


def _label(readings: Sequence[tuple[int, Reading]]) -> pd.DataFrame:
    """Returns a table of readings that have the same rows and columns."""
    rows, columns = readings[0][1].rows, list(readings[0][1].columns)
    labels = [(epoch, update, *row) for epoch, reading in readings for update in reading.updates for row in rows]
    values = np.concatenate([reading.values.reshape(-1, len(columns)) for _, reading in readings])
    return pd.concat([pd.DataFrame(labels, columns=list(LABELS)), pd.DataFrame(values, columns=columns)], axis=1)


def _finish_gradients(table: pd.DataFrame) -> pd.DataFrame:
    bounds = [name for name in table if str(name).endswith(("_min", "_max"))]
    table = table[[name for name in table if name not in bounds] + bounds]
    return table[table["zeros"].notna()].reset_index(drop=True)


def _finish_activations(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns="variable")


def _finish_histograms(table: pd.DataFrame) -> pd.DataFrame:
    counts = table.melt(id_vars=list(LABELS), var_name="low", value_name="count", ignore_index=False)
    numbers = counts["low"].map(histograms.BINS.index)
    counts = counts.assign(low=histograms.LOWS[numbers], high=histograms.HIGHS[numbers])
    counts = counts[counts["count"] > 0].sort_index(kind="stable")
    return counts.astype({"count": "int64"})[list(HISTOGRAM_COLUMNS)]


def concatenate(kind: str, tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Returns one table of several tables of a kind, with its columns also if there are none."""
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=list(KINDS[kind]))
