"""The results of a search, a row for each trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zoo.tuning.project import read_results

if TYPE_CHECKING:
    import pandas as pd

Status = Literal["finished", "interrupted"]
COLUMNS = (
    "trial", "status", "objective", "best_epoch", "epochs", "seconds", "parameters", "goes_on_from", "note", "error",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class SearchResult:
    """The result of a search.

    Args:
        status: `"finished"`, or `"interrupted"` by Ctrl-C.
        folder: Folder of the search.
        frame: Trials in order, with the columns `trial`; `status` (`"finished"`, `"pruned"`, `"vanished"`, `"failed"`
            or `"running"`); `objective`; each hyperparameter, NaN where its condition does not hold, as `hp/NAME` if
            another column has its name; each metric at the best epoch; `best_epoch`, `epochs`, `seconds`,
            `parameters`; `gradient_start/LAYER` and `gradient_end/LAYER`, the RMS of the layer's gradient at the start
            of the first and of the last epoch; `note`, why a trial was stopped; and `error` of a failed trial. With
            several trainings per trial, numbers are their means.
        best: Number of the best trial, or None if none succeeded.
        objective: Metric and `"min"` or `"max"`.
    """

    status: Status
    folder: Path
    frame: pd.DataFrame
    best: int | None
    objective: tuple[str, str]

    def words(self, trial: int) -> str:
        """Returns the hyperparameters of a trial as text.

        Args:
            trial: Number of the trial.
        """
        results = {int(trial_id): result for trial_id, result in read_results(self.folder).items()}
        return ", ".join(format_values(results[trial]["values"]))


def format_values(values: Mapping[str, Any]) -> list[str]:
    """Returns the hyperparameters of a trial as `name=value`, without KerasTuner's own."""
    return [f"{name}={format_value(value)}" for name, value in values.items() if not name.startswith("tuner/")]


def format_value(value: Any) -> str:
    """Returns a hyperparameter's value, a float to three digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def tabulate(results: Mapping[str, Any]) -> pd.DataFrame:
    """Returns the trials as a table with the columns of `SearchResult.frame`.

    Args:
        results: Results that `read_results` returned.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    columns = name_columns(results)
    for trial_id, result in results.items():
        row: dict[str, Any] = {"trial": int(trial_id), "status": result.get("status", "running")}
        row["objective"] = result.get("objective", float("nan"))
        row |= {columns[name]: value for name, value in result["values"].items() if name in columns}
        row |= result.get("metrics", {})
        row |= {name: result[name] for name in ("best_epoch", "epochs", "seconds", "parameters") if name in result}
        row["goes_on_from"] = result["values"].get("tuner/trial_id")
        for kind in ("gradient_start", "gradient_end"):
            row |= {f"{kind}/{layer}": size for layer, size in result.get(kind, {}).items()}
        row |= {name: result.get(name, "") for name in ("note", "error")}
        rows.append(row)
    frame = pd.DataFrame(rows)
    if frame.empty:
        return pd.DataFrame(columns=["trial", "status", "objective", "note", "error"])
    for name in ("best_epoch", "epochs", "parameters"):
        if name in frame:
            frame[name] = frame[name].astype("Int64")
    if frame["goes_on_from"].isna().all():
        frame = frame.drop(columns="goes_on_from")
    gradients = [name for kind in ("gradient_start", "gradient_end") for name in _order_layers(results, kind)]
    last = [*gradients, "note", "error"]
    return frame[[name for name in frame if name not in last] + last]


def name_columns(results: Mapping[str, Any]) -> dict[str, str]:
    """Returns the column of each hyperparameter: its name, after `hp/` where a metric or another column has that name.

    Args:
        results: Results that `read_results` returned.

    >>> name_columns({"0": {"values": {"width": 3, "loss": "mse", "tuner/epochs": 2}, "metrics": {"loss": 0.5}}})
    {'width': 'width', 'loss': 'hp/loss'}
    """
    others = {*COLUMNS, *(metric for result in results.values() for metric in result.get("metrics", {}))}
    names = dict.fromkeys(name for result in results.values() for name in result["values"])
    return {name: f"hp/{name}" if name in others else name for name in names if not name.startswith("tuner/")}


def _order_layers(results: Mapping[str, Any], kind: str) -> list[str]:
    """Returns the columns of the layers in the order of the deepest models, other layers last."""
    models = sorted((list(result.get(kind, {})) for result in results.values()), key=len, reverse=True)
    return [f"{kind}/{layer}" for layer in dict.fromkeys(layer for model in models for layer in model)]


def find_best(results: Mapping[str, Any], objective: tuple[str, str]) -> str | None:
    """Returns the id of the best trial, the first of equals, or None if none succeeded."""
    values = {trial_id: result["objective"] for trial_id, result in results.items() if "objective" in result}
    if not values:
        return None
    return (max if objective[1] == "max" else min)(values, key=values.__getitem__)
