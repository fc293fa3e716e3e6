"""What a search found: a row a trial, as a table and as figures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zoo.errors import InvalidValue, RunFailed

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Status = Literal["finished", "interrupted"]
COLOURS = {"finished": "#0072B2", "pruned": "#E69F00", "vanished": "#CC79A7"}
TICKS = 6  # values of a parameter that are written one by one
MARKERS = {"finished": "o", "pruned": "v", "vanished": "s"}


@dataclass(frozen=True, eq=False)
class SearchResult:
    """A search that ended.

    Args:
        status: `"finished"`, or `"interrupted"` by Ctrl-C.
        folder: Where its files are.
        frame: One row a trial, in order: `trial`, `status` (`"finished"`, `"pruned"`, `"vanished"`, `"failed"`
            or `"running"`), the objective; each hyperparameter, NaN where it does not belong; every
            metric, at the best epoch; `best_epoch`, `epochs`, `seconds`, `parameters`;
            `gradient_start/LAYER` and `gradient_end/LAYER`, the RMS of the layer's gradient as the first
            and the last epoch began; `error`, of a failed trial, and `note`, why one was stopped.
        best: The number of the best trial.
        objective: The metric that was searched by, and `"min"` or `"max"`.
    """

    status: Status
    folder: Path
    frame: pd.DataFrame
    best: int | None
    objective: tuple[str, str]

    def words(self, trial: int) -> str:
        """Returns a trial's hyperparameters in words.

        Args:
            trial: Its number.
        """
        results = {int(trial_id): result for trial_id, result in read_results(self.folder).items()}
        values = {name: each for name, each in results[trial]["values"].items() if not name.startswith("tuner/")}
        return ", ".join(
            f"{name}={each:.3g}" if isinstance(each, float) else f"{name}={each}" for name, each in values.items()
        )


def folder_of(project: Path, trial_id: str) -> Path:
    """Returns the folder of a trial."""
    return project / f"trial_{trial_id}"


def read_results(project: Path, known: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Reads what there is of each trial, by its id: its result, or how it began.

    Args:
        project: The search's folder.
        known: What an earlier call returned; results in it are not read again.
    """
    found: dict[str, Any] = {}
    for path in sorted(project.glob("trial_*"), key=lambda each: int(each.name.removeprefix("trial_"))):
        trial_id = path.name.removeprefix("trial_")
        if known and "status" in known.get(trial_id, {}):
            found[trial_id] = known[trial_id]
            continue
        for name in ("result.json", "begun.json"):
            try:
                found[trial_id] = json.loads((path / name).read_text())
                break
            except FileNotFoundError:
                continue
            except ValueError as error:
                raise RunFailed(f"{path / name} is damaged: {error}.") from error
    return found


def table(results: Mapping[str, Any]) -> pd.DataFrame:
    """Returns the trials as a table; `SearchResult` tells the columns.

    Args:
        results: What `read_results` returned.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for trial_id, result in results.items():
        row: dict[str, Any] = {"trial": int(trial_id), "status": result.get("status", "running")}
        row["objective"] = result.get("objective", float("nan"))
        row |= {name: value for name, value in result["values"].items() if not name.startswith("tuner/")}
        row |= result.get("metrics", {})
        row |= {name: result[name] for name in ("best_epoch", "epochs", "seconds", "parameters") if name in result}
        row["goes_on_from"] = result["values"].get("tuner/trial_id")
        for when in ("gradient_start", "gradient_end"):
            row |= {f"{when}/{layer}": size for layer, size in result.get(when, {}).items()}
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
    sizes = [name for when in ("gradient_start", "gradient_end") for name in _in_order(results, when)]
    last = [*sizes, "note", "error"]
    return frame[[name for name in frame if name not in last] + last]


def _in_order(results: Mapping[str, Any], when: str) -> list[str]:
    """Returns the layers' columns as the deepest nets have the layers, those that only others have at the end."""
    nets = sorted((list(result.get(when, {})) for result in results.values()), key=len, reverse=True)
    return [f"{when}/{layer}" for layer in dict.fromkeys(layer for net in nets for layer in net)]


def best_of(results: Mapping[str, Any], objective: tuple[str, str]) -> str | None:
    """Returns the id of the best trial, the first of equals, or None if there is none."""
    there = {trial_id: each["objective"] for trial_id, each in results.items() if "objective" in each}
    if not there:
        return None
    return (max if objective[1] == "max" else min)(there, key=there.__getitem__)


def read_search(project: str | Path) -> dict[str, Any]:
    """Reads what a search was asked for.

    Raises:
        InvalidValue: There is no search in the folder.
        RunFailed: The file is damaged.
    """
    path = Path(project, "search.json")
    if not path.is_file():
        raise InvalidValue(f"There is no search in {project}: it has no search.json.")
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise RunFailed(f"{path} is damaged: {error}.") from error


def plot_objective(frame: pd.DataFrame, objective: tuple[str, str], *, title: str = "") -> Figure:
    """Draws the objective of each trial in order, and the best so far.

    Args:
        frame: A `SearchResult`'s.
        objective: The metric, and its direction.
        title: A title for the figure.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    axes = figure.subplots()
    _points(axes, frame, frame["trial"], objective[0])
    valued = frame[frame["objective"].notna()]
    best = valued["objective"].cummax() if objective[1] == "max" else valued["objective"].cummin()
    axes.step(valued["trial"], best, where="post", color="black", linewidth=1, label="best so far")
    failed = frame[frame["status"] == "failed"]
    if len(failed):
        axes.plot(
            failed["trial"], [0.02] * len(failed), "x", color="#D55E00", transform=axes.get_xaxis_transform(),
            label="failed",
        )  # fmt: skip
    axes.set_xlabel("trial")
    axes.set_ylabel(objective[0])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right center", frameon=False)
    axes.set_title(title or "Objective by trial")
    return figure


def plot_parameters(
    frame: pd.DataFrame, objective: tuple[str, str], parameters: Mapping[str, bool], *, title: str = ""
) -> Figure:
    """Draws the objective against each hyperparameter.

    Args:
        frame: A `SearchResult`'s.
        objective: The metric, and its direction.
        parameters: The hyperparameters, and whether each has a log scale.
        title: A title for the figure.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter

    columns = min(3, max(1, len(parameters)))
    rows = -(-max(1, len(parameters)) // columns)
    figure = Figure(figsize=(3.2 * columns + 1.2, 2.8 * rows + 0.6), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for number, axes in enumerate(grid.flat):
        if number >= len(parameters):
            axes.set_visible(False)
            continue
        name = list(parameters)[number]
        there = frame[frame[name].notna()] if name in frame else frame.iloc[:0]
        values = there[name] if name in frame else there["trial"]
        is_number = all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in values)
        if not is_number:
            kinds = sorted(set(map(str, values)))
            values = values.map(lambda each, kinds=kinds: kinds.index(str(each)))
            axes.set_xticks(range(len(kinds)), kinds, rotation=30 if max(map(len, kinds)) > 5 else 0)
            axes.set_xlim(-0.5, len(kinds) - 0.5)
        elif parameters[name] or name == "batch_size":
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(
                LogLocator(subs=(1, 3) if values.max() < 100 * values.min() else (1,), numticks=8)
            )
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter(NullFormatter())
        if is_number and values.nunique() <= TICKS and not parameters[name]:
            axes.set_xticks(sorted(values.unique()))
        _points(axes, there, values, None)
        axes.set_xlabel(name)
        axes.grid(alpha=0.3)
        if number % columns == 0:
            axes.set_ylabel(objective[0])
    handles = {
        label: handle for axes in grid.flat for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if len(handles) > 1:
        figure.legend(handles.values(), handles.keys(), loc="outside right center", frameon=False)
    figure.suptitle(title or "Objective by hyperparameter")
    return figure


def _points(axes: Any, frame: pd.DataFrame, x: pd.Series, label: str | None) -> None:
    for status, colour in COLOURS.items():
        rows = frame["status"] == status
        if rows.any():
            axes.plot(
                x[rows], frame["objective"][rows], MARKERS[status], color=colour, alpha=0.4, markersize=6, label=status
            )
