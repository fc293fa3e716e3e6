"""One training of a trial: in compiled calls from its last checkpoint, or by a hypermodel's own `fit`."""

from __future__ import annotations

import contextlib
import shutil
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import pandas as pd

from zoo.errors import RunFailed
from zoo.loop.checkpoint import Checkpoint, Position
from zoo.loop.fallback import CannotCheckpoint
from zoo.runs.folder import RunFolder
from zoo.telemetry import Alarm, GradientRecorder, GradientWarning
from zoo.training import fit
from zoo.training.interrupt import Interrupt
from zoo.training.stage import explain_failure
from zoo.training.table_writer import sort_metrics
from zoo.tuning.builders import HyperModel
from zoo.tuning.callbacks import BestWeights, copy_callbacks
from zoo.tuning.hypermodels import ZooHyperModel
from zoo.tuning.memory import check_batch, choose_evaluated_batch
from zoo.tuning.models import load_weights
from zoo.tuning.plan import Plan
from zoo.tuning.pruning import EarlyStop, read_objective
from zoo.tuning.summary import average, read_result, summarize, tabulate_history
from zoo.utils.files import replacing

CHECKPOINT_EVERY = 2.0  # seconds: an epoch of these models can take less than to write it down


@dataclass(frozen=True, kw_only=True)
class Training:
    """A training of a trial.

    Args:
        plan: The search.
        hp: Hyperparameters of the trial.
        trial_id: Id of the trial.
        number: Number of the training among those of the trial, from 0; it is added to the seed.
        folder: Folder of its files.
        parent: Folder of the training that it continues under Hyperband, or None.
        parent_trial: Folder of the trial of that training, with its best model, or None.
        others: Objective of earlier trials by epoch, to compare with.
        report: Function that is called after each epoch with the epoch and their number.
    """

    plan: Plan
    hp: keras_tuner.HyperParameters
    trial_id: str
    number: int
    folder: RunFolder
    parent: RunFolder | None
    parent_trial: RunFolder | None
    others: Sequence[Sequence[float]]
    report: Callable[[int, int], None]

    @property
    def epochs(self) -> int:
        """Epoch to train to."""
        return self.hp.values.get("tuner/epochs", self.plan.epochs)

    @property
    def initial_epoch(self) -> int:
        """Number of epochs that the training which this one continues has finished."""
        return self.hp.values.get("tuner/initial_epoch", 0)

    @property
    def seed(self) -> int:
        """Random seed of the weights and of the order of the examples."""
        return self.plan.seed + self.number


def make_hypermodel(plan: Plan, seed: int) -> ZooHyperModel | HyperModel:
    """Creates the hypermodel of a search.

    Args:
        plan: The search.
        seed: Random seed of the training.
    """
    if isinstance(plan.model, HyperModel):
        return plan.model.with_data(plan.dataset, seed=seed)
    return ZooHyperModel(plan.model, plan.dataset, epochs=plan.epochs, seed=seed)


def train(training: Training) -> tuple[dict[str, Any], keras.Model]:
    """Trains a model.

    Args:
        training: The training.

    Returns:
        The result, and the model with the weights of its best epoch.

    Raises:
        InvalidSearch: The training does not report the objective.
        RunFailed: The training broke, or the objective was never finite.
    """
    plan, hp = training.plan, training.hp
    keras.utils.clear_session()
    hypermodel = make_hypermodel(plan, training.seed)
    has_fit = isinstance(hypermodel, HyperModel) and hypermodel.has_fit
    alarms = [Alarm("vanishing", plan.vanishing, action="stop")] if plan.vanishing else []
    recorder = GradientRecorder(alarms=alarms, samples=1)  # trials are short and many
    name, direction = plan.objective
    best = BestWeights(lambda logs: read_objective(name, recorder, logs or {}), maximize=direction == "max")
    stop = EarlyStop(
        recorder,
        plan.objective,
        training.epochs,
        training.others,
        training.report,
        required=not has_fit and not plan.callbacks,
    )
    callbacks = copy_callbacks(plan.callbacks, hp.values, training.trial_id, training.number)
    with warnings.catch_warnings(), Interrupt() as interrupt:
        warnings.simplefilter("ignore", GradientWarning)  # `vanished` has the message
        run = _fit_by_hypermodel if has_fit else _fit_from_checkpoint
        model, tables = run(training, hypermodel, recorder, stop, [*callbacks, stop, best, interrupt])
    results = [summarize(table, recorder, plan.objective) for table in tables]
    vanished = "".join(alarm.raised_by(recorder.frame()) for alarm in alarms)
    status = "pruned" if stop.reason else "vanished" if vanished else "finished"
    if best.weights and best.model is model:
        model.set_weights(best.weights)
    result = {**average(results), "status": status, "note": stop.reason or vanished}
    return {**result, **({"parameters": model.count_params()} if model.built else {})}, model


def _fit_from_checkpoint(
    training: Training, hypermodel: Any, recorder: GradientRecorder, stop: EarlyStop, callbacks: list[Any]
) -> tuple[keras.Model, list[pd.DataFrame]]:
    """Trains in compiled calls; where that is not possible, from the beginning by Keras' own `fit`."""
    folder = training.folder
    if training.parent:
        _copy_training(training.parent.path, folder.path)
    checkpoint = TimedCheckpoint(folder, recorder, epochs=training.epochs)
    position = checkpoint.read_position()
    if position and (records := folder.read_table("gradients.csv")) is not None:
        recorder.restore(records[records["epoch"] <= position.epoch])
    model, arguments = hypermodel.prepare(training.hp, folder, is_resumed=bool(position))
    checkpoint.model = model
    if position:
        stop.restore(position.history)
    arguments["callbacks"] = [recorder, *arguments["callbacks"], *callbacks]
    arguments["batch_size"] = min(arguments["batch_size"], len(training.plan.dataset.train))
    check_batch(model, arguments["batch_size"])
    options: dict[str, Any] = {"epochs": training.epochs, "seed": training.seed, "verbose": 0}
    options["validation_batch_size"] = choose_evaluated_batch(model, arguments["batch_size"])
    try:
        history, first = fit(model, **arguments, **options, checkpoint=checkpoint), 1
    except CannotCheckpoint:
        _load_parent(training, model)
        first = training.initial_epoch + 1
        history = fit(model, **arguments, **options, initial_epoch=training.initial_epoch)
    rows = tabulate_history(history.history, first)
    rows = rows[list(sort_metrics(dict.fromkeys(rows.columns, 0.0)))]
    if error := explain_failure(rows, recorder):
        raise RunFailed(error)
    return model, [rows]


def _fit_by_hypermodel(
    training: Training, hypermodel: Any, recorder: GradientRecorder, stop: EarlyStop, callbacks: list[Any]
) -> tuple[keras.Model, list[pd.DataFrame]]:
    """Trains by the `fit` of a `keras_tuner.HyperModel`, from the weights that KerasTuner's Hyperband would load."""
    hp, plan = training.hp, training.plan
    model = hypermodel.build(hp)
    _load_parent(training, model)
    if model.compiled:
        callbacks = [recorder, *callbacks]
    epochs = {"epochs": training.epochs} if plan.passes_epochs else {}
    if "tuner/epochs" in hp.values:
        epochs["initial_epoch"] = training.initial_epoch
    with _silent_progress():
        results = hypermodel.fit_trial(hp, model, callbacks, **epochs)
    results = results if isinstance(results, list) and results else [results]
    name, first = f"{hypermodel.name}.fit", epochs.get("initial_epoch", 0) + 1
    return model, [read_result(result, plan.objective[0], name, first) for result in results]


def _load_parent(training: Training, model: keras.Model) -> None:
    if training.parent_trial:
        load_weights(model, training.parent_trial)


@contextlib.contextmanager
def _silent_progress() -> Iterator[None]:
    """Keeps Keras' progress bars from the terminal, where the table of the trials is."""
    is_enabled = keras.config.is_interactive_logging_enabled()
    keras.config.disable_interactive_logging()
    try:
        yield
    finally:
        if is_enabled:
            keras.config.enable_interactive_logging()


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
