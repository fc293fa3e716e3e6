"""One trial: its training in compiled calls, with the recorder, from where it stood to its result on disk."""

from __future__ import annotations

import shutil
import statistics
import time
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import keras
import keras_tuner
import pandas as pd

from zoo.errors import RunFailed, ZooError
from zoo.loop.checkpoint import Checkpoint, Position
from zoo.runs.folder import RunFolder
from zoo.telemetry import Alarm, GradientRecorder, GradientWarning, one_a_layer
from zoo.training import fit
from zoo.training.interrupt import Interrupt
from zoo.training.stage import why_broken
from zoo.training.table_writer import in_order
from zoo.tuning.hypermodel import Prepared
from zoo.tuning.results import folder_of, read_results
from zoo.utils.files import replacing

RATIO = "gradient_ratio"
MEASURED = 1  # update of an epoch, its first, whose gradients are recorded: trials are short, and many
CHECKPOINT_EVERY = 2.0  # seconds: an epoch of these nets can take less than to write it down
WARM_UP = 5  # finished trials, and share 1 / 5 of the epochs, before the first is compared with the median


class Trainable(Protocol):
    """What a search trains: `tuning.hypermodel` has two of them."""

    def prepare(self, hp: keras_tuner.HyperParameters, folder: RunFolder, *, is_begun: bool) -> Prepared:
        """Makes a training ready."""


def run_trial(
    model: Trainable,
    hp: keras_tuner.HyperParameters,
    trial_id: str,
    *,
    project: Path,
    objective: tuple[str, str],
    epochs: int,
    seed: int,
    vanishing: float | None,
    prune: bool,
    worker: str,
    tell: Callable[[int, int], None] = lambda epoch, epochs: None,
) -> dict[str, Any]:
    """Trains a trial and returns its result; one that is on disk already is not trained again.

    Args:
        model: What is trained.
        hp: The trial's parameters.
        trial_id: Its number.
        project: The search's folder.
        objective: The metric to be compared, and `"min"` or `"max"`.
        epochs: Of a whole training.
        seed: Decides every draw: the same for all trials, and for `zoo.train` with the same options.
        vanishing: The first layer's gradient over the last one's, below which it is stopped; None for never.
        prune: Whether it is stopped where it is worse than the median of the trials before it.
        worker: Who trains it.
        tell: Called after every epoch with the epoch and their number.

    Returns:
        What `result.json` holds.

    Raises:
        FailedTrialError: It failed; the result says why.
    """
    folder = RunFolder.at(folder_of(project, trial_id))
    values = dict(hp.values)
    result = folder.read_json("result.json")
    if not result:
        folder.path.mkdir(exist_ok=True)
        begun = {"trial": trial_id, "values": values, "worker": worker, "began": time.time()}
        folder.write_json("begun.json", begun)
        start = time.perf_counter()
        try:
            outcome = _train(model, hp, folder, project, objective, epochs, seed, vanishing, prune, tell)
        except Exception as error:
            told = str(error) if isinstance(error, ZooError) else f"{type(error).__name__}: {error}"
            outcome = {"status": "failed", "error": told.strip(), "traceback": traceback.format_exc()}
        result = {**begun, **outcome, "seconds": round(time.perf_counter() - start, 3)}
        folder.write_json("result.json", result)
    if result["status"] == "failed":
        raise keras_tuner.errors.FailedTrialError(result["error"])
    return result


def _train(
    model: Trainable,
    hp: keras_tuner.HyperParameters,
    folder: RunFolder,
    project: Path,
    objective: tuple[str, str],
    epochs: int,
    seed: int,
    vanishing: float | None,
    prune: bool,
    tell: Callable[[int, int], None],
) -> dict[str, Any]:
    epochs = hp.values.get("tuner/epochs", epochs)
    if "tuner/trial_id" in hp.values:
        _take_over(folder_of(project, hp.values["tuner/trial_id"]), folder.path)
    keras.utils.clear_session()
    alarms = [Alarm("vanishing", vanishing, action="stop")] if vanishing else []
    recorder = GradientRecorder(alarms=alarms, samples=MEASURED)
    checkpoint = _Sparing(folder, recorder, epochs=epochs)
    stands = checkpoint.position()
    if stands and (records := folder.read_table("gradients.csv")) is not None:
        recorder.restore(records[records["epoch"] <= stands.epoch])
    training = model.prepare(hp, folder, is_begun=bool(stands))
    checkpoint.model = training.model
    watch = _Watch(recorder, objective, epochs, earlier_trials(project) if prune else [], tell)
    if stands:
        watch.restore(stands.history)
    with warnings.catch_warnings(record=True) as caught, Interrupt() as interrupt:
        warnings.simplefilter("always", GradientWarning)
        history = fit(
            training.model,
            *training.train,
            batch_size=training.batch_size,
            epochs=epochs,
            seed=seed,
            validation_data=training.validation,
            validation_batch_size=1000,
            callbacks=[recorder, *training.callbacks, watch, interrupt],
            verbose=0,
            checkpoint=checkpoint,
        ).history
    for each in caught:
        if not issubclass(each.category, GradientWarning):
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
    rows = pd.DataFrame(in_order(history))
    if error := why_broken(rows, recorder):
        raise RunFailed(error)
    frame, _ = one_a_layer(recorder.frame())
    rows[RATIO] = gradient_ratios(frame).reindex(range(1, len(rows) + 1)).to_numpy()
    if objective[0] not in rows:
        raise RunFailed(f"The training has no metric {objective[0]}; it has {', '.join(rows.columns)}.")
    best = int(getattr(rows[objective[0]], "arg" + objective[1])())
    vanished = [str(each.message) for each in caught if issubclass(each.category, GradientWarning)]
    first, last = (
        frame[frame["epoch"] == epoch].groupby("layer", sort=False)["rms"].last() for epoch in (1, len(rows))
    )
    return {
        "status": "pruned" if watch.is_pruned else "vanished" if vanished else "finished",
        "note": watch.is_pruned or (vanished or [""])[0],
        "objective": float(rows[objective[0]][best]),
        "best_epoch": best + 1,
        "epochs": len(rows),
        "metrics": {name: float(rows[name][best]) for name in rows},
        "history": rows[objective[0]].tolist(),
        "parameters": training.model.count_params(),
        "gradient_start": first.to_dict(),
        "gradient_end": last.to_dict(),
    }


def gradient_ratios(frame: pd.DataFrame) -> pd.Series:
    """Returns the first layer's RMS gradient over the last one's, by epoch.

    Args:
        frame: Records of `one_a_layer`.
    """
    by_layer = frame.drop_duplicates(["epoch", "layer"]).groupby("epoch")["rms"]
    return by_layer.first() / by_layer.last()


def earlier_trials(project: Path) -> list[list[float]]:
    """Returns the objective by epoch of the trials that ended, but for those that failed."""
    return [result["history"] for result in read_results(project).values() if "history" in result]


def is_worse_than_median(values: Sequence[float], others: Sequence[Sequence[float]], *, maximise: bool) -> bool:
    """Says whether a trial's best value so far is worse than the median of the others' means so far.

    That is the median stopping rule of Vizier (Golovin et al., KDD 2017, section 3.2.2).

    Args:
        values: The trial's objective by epoch, to now.
        others: That of the trials before it, as far as each went.
        maximise: Whether more is better.

    >>> is_worse_than_median([0.2, 0.3], [[0.4, 0.6], [0.1, 0.2], [0.5, 0.7]], maximise=True)
    True
    """
    now = len(values)
    means = [statistics.fmean(each[:now]) for each in others if len(each) >= now]
    if len(means) < 2:
        return False
    median = statistics.median(means)
    return max(values) < median if maximise else min(values) > median


class _Watch(keras.callbacks.Callback):
    """Ends a training that is broken, or worse than the median."""

    def __init__(
        self,
        recorder: GradientRecorder,
        objective: tuple[str, str],
        epochs: int,
        others: Sequence[Sequence[float]],
        tell: Callable[[int, int], None],
    ) -> None:
        super().__init__()
        self._recorder, self._objective, self._epochs, self._tell = recorder, objective, epochs, tell
        self._others = others if len(others) >= WARM_UP else []
        self._values: list[float] = []
        self.is_pruned = ""

    def restore(self, history: Sequence[Mapping[str, float]]) -> None:
        """Takes up the metrics of the epochs that are done, and the recorder's records."""
        if self._objective[0] == RATIO:
            self._values = gradient_ratios(one_a_layer(self._recorder.frame())[0]).tolist()
        else:
            self._values = [each.get(self._objective[0], float("nan")) for each in history]

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._tell(epoch + 1, self._epochs)
        if not abs(logs["loss"]) < float("inf"):
            self.model.stop_training = True
        if not self._others:
            return
        self._values.append(self._value(logs))
        if epoch + 1 < max(2, self._epochs // WARM_UP) or epoch + 1 == self._epochs:
            return
        if is_worse_than_median(self._values, self._others, maximise=self._objective[1] == "max"):
            self.is_pruned = f"worse than the median of {len(self._others)} trials at epoch {epoch + 1}"
            self.model.stop_training = True

    def _value(self, logs: Mapping[str, float]) -> float:
        if self._objective[0] == RATIO:
            return float(gradient_ratios(one_a_layer(self._recorder.frame())[0]).iloc[-1])
        return logs.get(self._objective[0], float("nan"))


class _Sparing(Checkpoint):
    """A checkpoint that is written every few seconds and at the end, the gradient records before it."""

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


def _take_over(parent: Path, own: Path) -> None:
    """Lets a training go on where that of another trial ended, for Hyperband."""
    if (own / "checkpoint.npz").is_file():
        return
    for name in ("gradients.csv", "checkpoint.npz"):
        if (parent / name).is_file():
            with replacing(own / name) as temporary:
                shutil.copyfile(parent / name, temporary)
