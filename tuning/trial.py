"""One trial, from its hyperparameters to its result."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras_tuner

from zoo.runs.folder import RunFolder
from zoo.tuning.execution import Training, train
from zoo.tuning.failures import InvalidSearch, describe_failure, explaining_disk_failures, find_disk_failure
from zoo.tuning.models import write_model
from zoo.tuning.plan import Plan
from zoo.tuning.project import read_results, trial_folder
from zoo.tuning.summary import average


def run_trial(
    hp: keras_tuner.HyperParameters,
    trial_id: str,
    plan: Plan,
    project: Path,
    *,
    worker: str = "",
    report: Callable[[int, int], None] = lambda epoch, epochs: None,
) -> dict[str, Any]:
    """Trains a trial and returns its result; a trial that has a result is not trained again.

    Args:
        hp: Hyperparameters of the trial.
        trial_id: Id of the trial.
        plan: The search.
        project: Folder of the search.
        worker: Name of the process that trains it. Defaults to "".
        report: Function that is called after each epoch with the epoch and their number. Defaults to none.

    Returns:
        Content of `result.json`.

    Raises:
        InvalidSearch: The training does not report the objective.
        DiskFull: A file cannot be written.
    """
    folder = trial_folder(project, trial_id)
    if result := folder.read_json("result.json"):
        return result
    start, parameters = time.perf_counter(), len(hp.space)
    with explaining_disk_failures(project):
        folder.path.mkdir(exist_ok=True)
        begun = {"trial": trial_id, "values": dict(hp.values), "worker": worker, "began": time.time()}
        folder.write_json("begun.json", begun)
        try:
            outcome = _train(hp, folder, plan, project, report)
        except InvalidSearch:
            raise
        except Exception as error:
            if find_disk_failure(error):
                raise
            outcome = {"status": "failed", "error": describe_failure(error), "traceback": traceback.format_exc()}
        if len(hp.space) > parameters:  # the builder has a parameter that it has not had before
            outcome["hyperparameters"] = hp.get_config()
        seconds = round(time.perf_counter() - start, 3)
        result = {**begun, "values": dict(hp.values), **outcome, "seconds": seconds}
        folder.write_json("result.json", result)
    return result


def fail_trial(project: Path, trial_id: str, error: str) -> dict[str, Any]:
    """Writes and returns the result of a trial that has begun and cannot be trained."""
    folder = trial_folder(project, trial_id)
    begun = folder.read_json("begun.json")
    result = {**begun, "status": "failed", "error": error, "seconds": round(time.time() - begun["began"], 3)}
    folder.write_json("result.json", result)
    return result


def _train(
    hp: keras_tuner.HyperParameters,
    folder: RunFolder,
    plan: Plan,
    project: Path,
    report: Callable[[int, int], None],
) -> dict[str, Any]:
    """Trains a trial as often as its executions, keeps the best model, and returns the mean of the results.

    A training that is stopped early is the last one of its trial.
    """
    others = [result["history"] for result in read_results(project).values() if "history" in result]
    parent = trial_folder(project, hp.values["tuner/trial_id"]) if "tuner/trial_id" in hp.values else None
    sign = 1 if plan.objective[1] == "max" else -1
    results: list[dict[str, Any]] = []
    for number in range(plan.executions_per_trial):
        own, before = _execution_folder(folder, number), parent and _execution_folder(parent, number)
        own.path.mkdir(exist_ok=True)
        training = Training(
            plan=plan, hp=hp, trial_id=folder.path.name.removeprefix("trial_"), number=number, folder=own,
            parent=before, parent_trial=parent, others=others if plan.prune else [], report=report,
        )  # fmt: skip
        result, model = train(training)
        if all(sign * result["objective"] > sign * earlier["objective"] for earlier in results):
            write_model(folder, model)
        results.append(result)
        if result["status"] != "finished":
            break
    last: dict[str, Any] = {name: results[-1][name] for name in ("status", "note", "parameters") if name in results[-1]}
    mean = average([{name: value for name, value in result.items() if name not in last} for result in results])
    executions = [result["objective"] for result in results]
    return {**last, **mean, **({"executions": executions} if len(executions) > 1 else {})}


def _execution_folder(folder: RunFolder, number: int) -> RunFolder:
    """Returns the folder of one of the trainings of a trial; that of the first is the trial's."""
    return RunFolder(folder.path / f"execution{number}") if number else folder
