"""A run that can be read again: `open_run("runs/mine").metrics`."""

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


@dataclass(frozen=True, eq=False)
class StageRun:
    """One training of a run.

    Args:
        name: Name of what was trained.
        status: `"finished"`, `"interrupted"` by Ctrl-C, `"failed"`, or `"unfinished"` where the process was killed.
        folder: Directory of its files.
        metrics: One row per epoch: `epoch`, `loss` and the model's metrics; those of validation begin with `val_`.
        gradients: Records of `GradientRecorder.frame()`, one per epoch.
        seconds: Training time; NaN where the training has not ended.
        error: Why it failed; empty if it did not.
    """

    name: str
    status: Status
    folder: Path
    metrics: pd.DataFrame = field(repr=False)
    gradients: pd.DataFrame = field(repr=False)
    seconds: float
    error: str = ""


@dataclass(frozen=True, eq=False)
class Run:
    """A training of a model of the zoo, as `zoo.train` leaves it and `zoo.open_run` reads it.

    Args:
        status: `"finished"`, `"interrupted"` by Ctrl-C, `"failed"`, or `"unfinished"` where the process was killed.
        folder: Directory of its files.
        metrics: One row per epoch: `epoch`, `loss` and the model's metrics; those of validation begin with `val_`.
        gradients: Records of `GradientRecorder.frame()`, one per epoch.
        stages: Stages of the training, the last one included.
        test: Metrics on the test set; empty if the run did not finish.
        seconds: Training time, without the test; NaN where the run has not ended.
        division: How each batch was divided among devices.
        error: Why it failed; empty if it did not.
    """

    status: Status
    folder: Path
    metrics: pd.DataFrame = field(repr=False)
    gradients: pd.DataFrame = field(repr=False)
    stages: tuple[StageRun, ...] = field(repr=False)
    test: Mapping[str, float]
    seconds: float
    division: str
    error: str = ""
    trained: keras.Model | None = field(default=None, repr=False)

    @cached_property
    def model(self) -> keras.Model:
        """The model at the end of the run; read from its file, safely, when first asked for."""
        return _load_model(self) if self.trained is None else self.trained

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """The content of `config.json`: everything that was resolved, seed and versions included."""
        return RunFolder.reopen(self.folder).read_json("config.json")

    @cached_property
    def configuration(self) -> Configuration:
        """What was trained; loads the data set.

        Raises:
            InvalidValue: The data set cannot be loaded by its name, or is not what it was.
        """
        return Configuration.from_dict(self.config)

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables of the run by name, as in `"gradient_details"`."""
        folder, paths = RunFolder.at(self.folder), sorted(self.folder.glob("*.csv"))
        return {path.stem: table for path in paths if (table := folder.read_table(path.name)) is not None}

    @property
    def figures(self) -> dict[str, Path]:
        """The paths of the figures by name, as in `"learning_curve"`."""
        return {path.stem: path for path in sorted(self.folder.glob("*.png"))}


def open_run(path: str | Path) -> Run:
    """Opens the folder of a run: finished, failed, interrupted, killed or still running.

    Args:
        path: Run folder of `zoo.train`.

    Returns:
        The run. Its model and its configuration are read when they are first asked for.

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
        raise InvalidValue(f"There is no run of zoo.train in {path}: its config.json is of something else.")
    seconds = {stage["name"]: stage["seconds"] for stage in result.get("stages", ())}
    subfolders = [RunFolder.at(directory) for directory in sorted(folder.path.glob("[0-9]*-*")) if directory.is_dir()]
    stages = [_read_stage(part, part.read_json("config.json"), seconds) for part in subfolders]
    last = StageRun(
        name=config["model"],
        status=result.get("status", "unfinished"),
        folder=folder.path,
        metrics=_read_metrics(folder),
        gradients=_read_gradients(folder),
        seconds=seconds.get(config["model"], result.get("seconds", math.nan)),
        error=result.get("error", ""),
    )
    return Run(
        status=last.status,
        folder=folder.path,
        metrics=last.metrics,
        gradients=last.gradients,
        stages=(*stages, last),
        test=result.get("test", {}),
        seconds=result.get("seconds", math.nan),
        division=result.get("batch", ""),
        error=last.error,
    )


def _read_stage(folder: RunFolder, config: Mapping[str, Any], seconds: Mapping[str, float]) -> StageRun:
    metrics = _read_metrics(folder)
    is_finished = len(metrics) >= config.get("recipe", {}).get("epochs", math.inf)
    return StageRun(
        name=config.get("stage", folder.path.name),
        status="finished" if is_finished else "unfinished",
        folder=folder.path,
        metrics=metrics,
        gradients=_read_gradients(folder),
        seconds=seconds.get(config.get("stage", ""), math.nan),
    )


def _read_metrics(folder: RunFolder) -> pd.DataFrame:
    import pandas as pd

    table = folder.read_table("metrics.csv")
    return pd.DataFrame(columns=["epoch", "loss"]) if table is None else table


def _read_gradients(folder: RunFolder) -> pd.DataFrame:
    import pandas as pd

    table = folder.read_table("gradients.csv")
    return pd.DataFrame(columns=["epoch", "step", "layer", "variable"]) if table is None else table


def _load_model(run: Run) -> keras.Model:
    """Returns the model of a run, with the run's test metrics in its origin.

    Raises:
        InvalidValue: The run has no model yet.
        UnsafeFile: The file is not a model of this zoo.
    """
    path = run.folder / "model.keras"
    if not path.is_file():
        raise InvalidValue(
            f"The run {run.folder} has no model.keras yet; zoo train --resume {run.folder} continues it."
        )
    model = load(path)
    if (origin := origin_of(model)) is not None and run.test:
        remember(model, replace(origin, test=run.test))
    return model
