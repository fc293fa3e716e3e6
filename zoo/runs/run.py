"""The result of a run, and its reading from the folder: `open_run("runs/mine").metrics`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zoo.errors import InvalidValue
from zoo.models.origin import origin_of, remember
from zoo.runs.configuration import Configuration
from zoo.runs.folder import RunFolder
from zoo.saving import load

if TYPE_CHECKING:
    import keras
    import pandas as pd

Status = Literal["finished", "interrupted", "failed", "unfinished"]


@dataclass(frozen=True, eq=False, kw_only=True)
class StageRun:
    """One training of a run.

    Args:
        name: Name of what was trained.
        status: `"finished"`, `"interrupted"` by Ctrl-C, `"failed"`, or `"unfinished"` if the process was killed.
        folder: Folder of its files.
        metrics: One row per epoch: `epoch`, `loss` and the model's metrics; those of validation begin with `val_`.
        gradients: Records of `GradientRecorder.frame()`, one per epoch.
        seconds: Training time; NaN if the training has not ended.
        error: Reason of a failure; empty otherwise.
    """

    name: str
    status: Status
    folder: Path
    metrics: pd.DataFrame = field(repr=False)
    gradients: pd.DataFrame = field(repr=False)
    seconds: float
    error: str = ""


@dataclass(frozen=True, eq=False, kw_only=True)
class Run(StageRun):
    """A training of a model of the zoo, returned by `zoo.train` and `zoo.open_run`.

    Args:
        name: Name of the model.
        status: `"finished"`, `"interrupted"` by Ctrl-C, `"failed"`, or `"unfinished"` if the process was killed.
        folder: Folder of its files.
        metrics: One row per epoch: `epoch`, `loss` and the model's metrics; those of validation begin with `val_`.
        gradients: Records of `GradientRecorder.frame()`, one per epoch.
        seconds: Training time of all stages, without the test; NaN if the run has not ended.
        error: Reason of a failure; empty otherwise.
        stages: Stages of the training, including the last one.
        test: Metrics on the test set; empty if the run did not finish.
        division: How each batch was divided among devices.
    """

    stages: tuple[StageRun, ...] = field(repr=False)
    test: Mapping[str, float]
    division: str
    trained: keras.Model | None = field(default=None, repr=False)

    @cached_property
    def model(self) -> keras.Model:
        """The model at the end of the run, with the test metrics in its origin; read safely from its file on first use.

        Raises:
            InvalidValue: The run has no model yet.
            UnsafeFile: The file is not a model of this zoo.
        """
        if self.trained is not None:
            return self.trained
        if not (path := self.folder / "model.keras").is_file():
            raise InvalidValue(
                f"The run {self.folder} has no model.keras yet; zoo train --resume {self.folder} continues it."
            )
        model = load(path)
        if (origin := origin_of(model)) is not None and self.test:
            remember(model, replace(origin, test=self.test))
        return model

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """The content of `config.json`: the resolved configuration with seed and versions."""
        return RunFolder.reopen(self.folder).read_json("config.json")

    @cached_property
    def configuration(self) -> Configuration:
        """What was trained; loads the data set.

        Raises:
            InvalidValue: The data set cannot be loaded by its name, or has changed.
        """
        return Configuration.from_dict(self.config)

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables of the run by name, such as `"gradient_details"`."""
        folder, paths = RunFolder(self.folder), sorted(self.folder.glob("*.csv"))
        return {path.stem: table for path in paths if (table := folder.read_table(path.name)) is not None}

    @property
    def figures(self) -> dict[str, Path]:
        """The paths of the figures by name, such as `"learning_curve"`."""
        return {path.stem: path for path in sorted(self.folder.glob("*.png"))}


def open_run(path: str | Path) -> Run:
    """Opens the folder of a run: finished, failed, interrupted, killed or still running.

    Args:
        path: Run folder of `zoo.train`.

    Returns:
        The run. Its model and its configuration are read on first use.

    Raises:
        InvalidValue: There is no run in the folder.
        RunFailed: A file is damaged.

    >>> import tempfile, zoo
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     trained = zoo.train("shallow_mlp", "moons", epochs=2, run_dir=f"{folder}/run", progress=False)
    ...     run = zoo.open_run(f"{folder}/run")
    ...     run.status, run.metrics["epoch"].tolist(), run.model.count_params() == trained.model.count_params()
    ('finished', [1, 2], True)
    """
    folder = RunFolder.reopen(path)
    config, result = folder.read_json("config.json"), folder.read_json("result.json")
    if "model" not in config or "recipe" not in config:
        raise InvalidValue(f"There is no run of zoo.train in {path}: its config.json has no model and recipe.")
    total = result.get("seconds", math.nan)
    seconds = {stage["name"]: stage["seconds"] for stage in result.get("stages", ())}
    last = StageRun(
        name=config["model"],
        status=result.get("status", "unfinished"),
        folder=folder.path,
        seconds=seconds.get(config["model"], total),
        error=result.get("error", ""),
        **_read_tables(folder),
    )
    stages = [_read_stage(RunFolder(path), seconds) for path in sorted(folder.path.glob("[0-9]*-*")) if path.is_dir()]
    return Run(
        **{**vars(last), "seconds": total},
        stages=(*stages, last),
        test=result.get("test", {}),
        division=result.get("batch", ""),
    )


def write_result(run: Run, folder: RunFolder) -> None:
    """Writes the result of a run, for `open_run`."""
    content: dict[str, Any] = {
        "status": run.status,
        "epochs": len(run.metrics),
        "seconds": round(run.seconds, 3),
        "batch": run.division,
        "test": dict(run.test),
    }
    if len(run.stages) > 1:
        content["stages"] = [
            {"name": stage.name, "epochs": len(stage.metrics), "seconds": round(stage.seconds, 3)}
            for stage in run.stages
        ]
    if run.error:
        content["error"] = run.error
    folder.write_json("result.json", content)


def _read_stage(folder: RunFolder, seconds: Mapping[str, float]) -> StageRun:
    config, tables = folder.read_json("config.json"), _read_tables(folder)
    name = config.get("stage", folder.path.name)
    is_finished = len(tables["metrics"]) >= config.get("recipe", {}).get("epochs", math.inf)
    return StageRun(
        name=name,
        status="finished" if is_finished else "unfinished",
        folder=folder.path,
        seconds=seconds.get(name, math.nan),
        **tables,
    )


def _read_tables(folder: RunFolder) -> dict[str, Any]:
    import pandas as pd

    columns = {"metrics": ["epoch", "loss"], "gradients": ["epoch", "step", "layer", "variable"]}
    tables = {kind: folder.read_table(f"{kind}.csv") for kind in columns}
    return {kind: pd.DataFrame(columns=columns[kind]) if table is None else table for kind, table in tables.items()}
