"""Results of trainings: what a training returned, its best epoch, and the mean of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import pandas as pd

from zoo.errors import RunFailed
from zoo.telemetry import GradientRecorder, one_a_layer
from zoo.tuning.failures import InvalidSearch, make_objective_error
from zoo.tuning.plan import RATIO
from zoo.tuning.pruning import gradient_ratios


def read_result(result: Any, objective: str, name: str, first: int) -> pd.DataFrame:
    """Returns what a hypermodel's `fit` has returned as a table with a row for each epoch, or one row numbered 0.

    Raises:
        InvalidSearch: It is neither a history, nor a dictionary of numbers, nor a number.
    """
    if isinstance(result, keras.callbacks.History):
        return tabulate_history(result.history, first)
    values = result if isinstance(result, Mapping) else {objective: result}
    try:
        return pd.DataFrame({metric: [float(value)] for metric, value in values.items()})
    except (TypeError, ValueError):
        raise InvalidSearch(
            f"{name} must return a History, a dict with a number for each metric, or the objective; got {result!r}."
        ) from None


def tabulate_history(history: Mapping[str, Sequence[float]], first: int) -> pd.DataFrame:
    """Returns the metrics of a training as a table with a row for each epoch.

    Args:
        history: Values of each metric; a callback may have added one to some epochs only.
        first: Number of the first epoch.
    """
    rows = pd.DataFrame({metric: pd.Series(values, dtype=float) for metric, values in history.items()})
    return rows.set_index(pd.RangeIndex(first, first + len(rows)))


def summarize(rows: pd.DataFrame, recorder: GradientRecorder, objective: tuple[str, str]) -> dict[str, Any]:
    """Returns the metrics and gradients of a training for `result.json`.

    Args:
        rows: Metrics by epoch; of a training whose epochs are unknown, one row numbered 0.
        recorder: Its gradient recorder.
        objective: Metric and its direction.

    Raises:
        InvalidSearch: The objective is not a metric of the training.
        RunFailed: The objective was never finite.
    """
    ratios = gradient_ratios(recorder)
    has_epochs = rows.index[-1] > 0
    rows = rows.assign(**{RATIO: ratios.reindex(rows.index) if has_epochs else ratios.iloc[-1:].to_list() or np.nan})
    name, direction = objective
    if name not in rows:
        raise make_objective_error(name, rows)
    values = rows[name].astype(float)
    finite = values[np.isfinite(values)]
    if finite.empty:
        every = f"in any of {len(values)} epochs" if len(values) > 1 else ""
        raise RunFailed(f"The objective {name} was not finite {every}".rstrip() + f"; it is {values.iloc[-1]}.")
    best = getattr(finite, f"idx{direction}")()
    frame, _ = one_a_layer(recorder.frame())
    first, last = (
        frame[frame["epoch"] == epoch].groupby("layer", sort=False)["rms"].last()
        for epoch in (frame["epoch"].min(), frame["epoch"].max())
    )
    epochs = {"best_epoch": int(best), "epochs": int(rows.index[-1]), "history": values.tolist()} if has_epochs else {}
    return {
        "objective": float(finite[best]),
        **epochs,
        "metrics": {metric: float(rows[metric][best]) for metric in rows},
        "gradient_start": first.to_dict(),
        "gradient_end": last.to_dict(),
    }


def average(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the mean of the results of several trainings, as KerasTuner averages them.

    The objective by epoch ends with the shortest of them.

    >>> average([{"objective": 0.5, "history": [0.2, 0.5]}, {"objective": 1.0, "history": [1.0]}])
    {'objective': 0.75, 'history': [0.6]}
    """
    first = results[0]
    if len(results) == 1:
        return dict(first)
    mean: dict[str, Any] = {}
    for name, value in first.items():
        values = [result[name] for result in results if name in result]
        if name == "history":
            mean[name] = [float(np.mean(epoch)) for epoch in zip(*values, strict=False)]
        elif isinstance(value, Mapping):
            mean[name] = average([dict(each) for each in values])
        else:
            mean[name] = int(np.mean(values)) if isinstance(value, int) else float(np.mean(values))
    return mean
