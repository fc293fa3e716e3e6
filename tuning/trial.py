"""One trial: its training in compiled calls with a gradient recorder, from its last checkpoint to its result."""

from __future__ import annotations

import shutil
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import pandas as pd

from zoo.errors import RunFailed, ZooError
from zoo.loop.checkpoint import Checkpoint, Position
from zoo.runs.folder import RunFolder
from zoo.telemetry import Alarm, GradientRecorder, GradientWarning, one_a_layer
from zoo.training import fit
from zoo.training.interrupt import Interrupt
from zoo.training.stage import explain_failure
from zoo.training.table_writer import sort_metrics
from zoo.tuning.hypermodels import HyperModel, ZooHyperModel
from zoo.tuning.plan import Plan
from zoo.tuning.project import read_results, trial_folder
from zoo.tuning.pruning import RATIO, EarlyStop, gradient_ratios
from zoo.utils.files import replacing

CHECKPOINT_EVERY = 2.0  # seconds: an epoch of these models can take less than to write it down


def make_hypermodel(plan: Plan) -> ZooHyperModel | HyperModel:
    """Creates the hypermodel of a search."""
    if plan.space:
        return ZooHyperModel(plan.space, plan.dataset, epochs=plan.epochs, seed=plan.seed)
    return plan.model.with_data(plan.dataset, seed=plan.seed)  # type: ignore[union-attr]


def run_trial(
    model: ZooHyperModel | HyperModel,
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
        model: Hypermodel of the search.
        hp: Hyperparameters of the trial.
        trial_id: Id of the trial.
        plan: The search.
        project: Folder of the search.
        worker: Name of the process that trains it. Defaults to "".
        report: Function that is called after each epoch with the epoch and their number. Defaults to none.

    Returns:
        Content of `result.json`.
    """
    folder = trial_folder(project, trial_id)
    if result := folder.read_json("result.json"):
        return result
    folder.path.mkdir(exist_ok=True)
    begun = {"trial": trial_id, "values": dict(hp.values), "worker": worker, "began": time.time()}
    folder.write_json("begun.json", begun)
    start, parameters = time.perf_counter(), len(hp.space)
    try:
        outcome = _train(model, hp, folder, plan, project, report)
    except Exception as error:
        message = str(error) if isinstance(error, ZooError) else f"{type(error).__name__}: {error}"
        outcome = {"status": "failed", "error": message.strip(), "traceback": traceback.format_exc()}
    if len(hp.space) > parameters:  # the builder has a parameter that it has not had before
        outcome["hyperparameters"] = hp.get_config()
    result = {**begun, **outcome, "seconds": round(time.perf_counter() - start, 3)}
    folder.write_json("result.json", result)
    return result


def fail_trial(project: Path, trial_id: str, error: str) -> None:
    """Writes the result of a trial that has begun and cannot be trained."""
    folder = trial_folder(project, trial_id)
    begun = folder.read_json("begun.json")
    result = {**begun, "status": "failed", "error": error, "seconds": round(time.time() - begun["began"], 3)}
    folder.write_json("result.json", result)


def _train(
    model: ZooHyperModel | HyperModel,
    hp: keras_tuner.HyperParameters,
    folder: RunFolder,
    plan: Plan,
    project: Path,
    report: Callable[[int, int], None],
) -> dict[str, Any]:
    epochs = hp.values.get("tuner/epochs", plan.epochs)
    if "tuner/trial_id" in hp.values:
        _copy_training(trial_folder(project, hp.values["tuner/trial_id"]).path, folder.path)
    keras.utils.clear_session()
    alarms = [Alarm("vanishing", plan.vanishing, action="stop")] if plan.vanishing else []
    recorder = GradientRecorder(alarms=alarms, samples=1)  # trials are short and many
    checkpoint = TimedCheckpoint(folder, recorder, epochs=epochs)
    position = checkpoint.read_position()
    if position and (records := folder.read_table("gradients.csv")) is not None:
        recorder.restore(records[records["epoch"] <= position.epoch])
    checkpoint.model, arguments = model.prepare(hp, folder, is_resumed=bool(position))
    others = [result["history"] for result in read_results(project).values() if "history" in result]
    stop = EarlyStop(recorder, plan.objective, epochs, others if plan.prune else [], report)
    if position:
        stop.restore(position.history)
    with warnings.catch_warnings(), Interrupt() as interrupt:
        warnings.simplefilter("ignore", GradientWarning)  # `vanished` has the message
        arguments["callbacks"] = [recorder, *arguments["callbacks"], stop, interrupt]
        options: dict[str, Any] = {"validation_batch_size": 1000, "verbose": 0, "checkpoint": checkpoint}
        history = fit(checkpoint.model, **arguments, epochs=epochs, seed=plan.seed, **options).history
    result = _summarize(pd.DataFrame(sort_metrics(history)), recorder, plan.objective)
    vanished = "".join(alarm.raised_by(recorder.frame()) for alarm in alarms)
    status = "pruned" if stop.reason else "vanished" if vanished else "finished"
    parameters = checkpoint.model.count_params()
    return {"status": status, "note": stop.reason or vanished, "parameters": parameters, **result}


def _summarize(rows: pd.DataFrame, recorder: GradientRecorder, objective: tuple[str, str]) -> dict[str, Any]:
    """Returns the metrics and gradients of a training for `result.json`.

    Args:
        rows: Metrics by epoch.
        recorder: Its gradient recorder.
        objective: Metric and its direction.
    """
    if error := explain_failure(rows, recorder):
        raise RunFailed(error)
    rows[RATIO] = gradient_ratios(recorder).reindex(range(1, len(rows) + 1)).to_numpy()
    name, direction = objective
    if name not in rows:
        raise RunFailed(f"The training has no metric {name}; it has {', '.join(rows.columns)}.")
    best = int(getattr(rows[name], f"arg{direction}")())
    frame, _ = one_a_layer(recorder.frame())
    first, last = (
        frame[frame["epoch"] == epoch].groupby("layer", sort=False)["rms"].last() for epoch in (1, len(rows))
    )
    return {
        "objective": float(rows[name][best]),
        "best_epoch": best + 1,
        "epochs": len(rows),
        "metrics": {metric: float(rows[metric][best]) for metric in rows},
        "history": rows[name].tolist(),
        "gradient_start": first.to_dict(),
        "gradient_end": last.to_dict(),
    }


class TimedCheckpoint(Checkpoint):
    """A checkpoint that is written every few seconds and at the end, after the gradient records."""

    def __init__(self, folder: RunFolder, recorder: GradientRecorder, *, epochs: int) -> None:
        super().__init__(folder.path / "checkpoint.npz")
        self.model: keras.Model | None = None
        self._folder, self._recorder, self._epochs = folder, recorder, epochs
        self._due = time.monotonic() + CHECKPOINT_EVERY

    def save(self, variables: Sequence[Any], position: Position) -> None:
        is_end = position.epoch >= self._epochs or (self.model is not None and self.model.stop_training)
        if is_end or time.monotonic() >= self._due:
            self._folder.write_table("gradients.csv", self._recorder.frame())
            super().save(variables, position)
            self._due = time.monotonic() + CHECKPOINT_EVERY


def _copy_training(parent: Path, folder: Path) -> None:
    """Copies the end of another trial's training, which Hyperband continues."""
    if (folder / "checkpoint.npz").is_file():
        return
    for name in ("gradients.csv", "checkpoint.npz"):
        if (parent / name).is_file():
            with replacing(folder / name) as temporary:
                shutil.copyfile(parent / name, temporary)
