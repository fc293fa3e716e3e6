"""One training within a run: with its tables, its checkpoint and its progress, in a folder."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import keras

from zoo.errors import InvalidValue
from zoo.loop.checkpoint import Checkpoint
from zoo.loop.fit import fit
from zoo.recipes import Recipe
from zoo.recipes.compiling import callbacks_of
from zoo.runs.folder import RunFolder
from zoo.runs.plots import plot_learning_curve
from zoo.telemetry import GradientRecorder, plot_gradients
from zoo.training.interrupt import Interrupt
from zoo.training.progress_bar import ProgressBar
from zoo.training.table_writer import Tables

if TYPE_CHECKING:
    import pandas as pd

Status = Literal["finished", "interrupted", "failed"]


@dataclass(frozen=True, kw_only=True)
class How:
    """What else a run does; none of it changes what it computes, but for the precision."""

    mixed_precision: bool = False
    checkpoint_every: int | None = None
    record: Sequence[str] = ()
    watch: bool = False
    progress: bool = True


@dataclass(frozen=True, eq=False)
class StageRun:
    """One training that ended.

    Args:
        name: What was trained.
        status: `"finished"`, `"interrupted"` by Ctrl-C, or `"failed"`.
        folder: Where its files are.
        metrics: One row an epoch: `epoch`, `loss` and the model's metrics, with `val_` those of validation.
        gradients: The records of `GradientRecorder.frame()`, one an epoch.
        seconds: How long it took.
        error: Why it failed; empty if it did not.
    """

    name: str
    status: Status
    folder: Path
    metrics: pd.DataFrame
    gradients: pd.DataFrame
    seconds: float
    error: str


def run_stage(
    name: str,
    model: keras.Model,
    recipe: Recipe,
    train: tuple[Any, Any],
    validation: tuple[Any, Any] | None,
    *,
    folder: RunFolder,
    how: How,
    seed: int,
    title: str,
    steps_per_epoch: int,
    label: str = "",
) -> StageRun:
    """Trains a compiled model, or goes on where its checkpoint stands, and writes what came of it.

    Args:
        name: What is trained.
        model: The model, compiled.
        recipe: Its batch size and epochs.
        train: Inputs and targets; None for the targets of a model that needs none.
        validation: The same to watch it with, or None.
        folder: Where its files go.
        how: What else it does.
        seed: Decides the order of the examples.
        title: Of its figures.
        steps_per_epoch: Mini-batches in an epoch.
        label: What the progress says before the epoch.
    """
    recorder = GradientRecorder(
        activations="activations" in how.record,
        histograms="histograms" in how.record,
        log_dir=folder.path / "tensorboard" if "tensorboard" in how.record and folder.writes else None,
    )
    tables = Tables(folder, recorder)
    checkpoint = Checkpoint(folder.path / "checkpoint.npz", writes=folder.writes)
    stands = checkpoint.position()
    if stands:
        tables.restore(stands.epoch)
    callbacks: list[keras.callbacks.Callback] = [recorder, tables, *callbacks_of(recipe, train, seed=seed)]
    status: Status = "finished"
    start = time.perf_counter()
    with contextlib.ExitStack() as stack:
        callbacks.append(stack.enter_context(Interrupt()))
        if (how.progress or how.watch) and folder.writes and not (stands and stands.epoch >= recipe.epochs):
            bar = ProgressBar(
                epochs=recipe.epochs,
                steps_per_epoch=steps_per_epoch,
                watch=recorder if how.watch else None,
                label=label,
            )
            callbacks.append(stack.enter_context(bar))
        try:
            fit(
                model,
                *train,
                batch_size=recipe.batch_size,
                epochs=recipe.epochs,
                seed=seed,
                validation_data=validation,
                validation_batch_size=1000,
                callbacks=callbacks,
                verbose=0,
                checkpoint=checkpoint,
                checkpoint_every=how.checkpoint_every,
            )
        except KeyboardInterrupt:
            status = "interrupted"
    reached = checkpoint.position()
    seconds = reached.seconds if reached else time.perf_counter() - start
    error = why_broken(tables.metrics, recorder)
    if error:
        error += f" A learning rate below {recipe.learning_rate:g} may help."
    tables.write_gradients()
    run = StageRun(
        name=name,
        status="failed" if error else status,
        folder=folder.path,
        metrics=tables.metrics,
        gradients=recorder.frame(),
        seconds=seconds,
        error=error,
    )
    folder.write_table("metrics.csv", run.metrics)
    folder.write_model("model.keras", model)
    if len(run.metrics):
        folder.write_figure("learning_curve.png", plot_learning_curve(run.metrics, title=title))
    if len(run.gradients):
        folder.write_figure("gradients.png", plot_gradients(run.gradients, title=title))
    return run


def stage_folder(parent: RunFolder, name: str, content: dict[str, Any]) -> RunFolder:
    """Makes a stage's folder within a run's, or opens it again.

    Args:
        parent: The run's folder.
        name: The stage's.
        content: All that decides the stage, for its `config.json`.

    Raises:
        InvalidValue: The folder is there and belongs to another configuration.
    """
    path = parent.path / name
    if not (path / "config.json").is_file():
        path.mkdir(exist_ok=True) if parent.writes else None
        folder = RunFolder.at(path, writes=parent.writes)
        folder.write_json("config.json", content)
        return folder
    folder = RunFolder.at(path, writes=parent.writes)
    known = folder.read_json("config.json")
    for key in content:
        if known.get(key) != content[key]:
            raise InvalidValue(
                f"{path} belongs to another configuration: its {key} is {known.get(key)!r}, this run's is "
                f"{content[key]!r}. Remove the folder to train that stage again."
            )
    return folder


def why_broken(metrics: pd.DataFrame, recorder: GradientRecorder) -> str:
    """Returns how a training broke: in which epoch, at which step and layer; empty if it did not.

    Args:
        metrics: One row an epoch, with the `loss`.
        recorder: Its recorder.
    """
    first = recorder.first_broken()
    if metrics.empty or math.isfinite(loss := metrics["loss"].iloc[-1]):
        if not first:
            return ""
        message = "The gradient is not finite."
    else:
        message = f"The loss became {loss} in epoch {len(metrics)}."
    if first:
        step, layer, variable = first
        message += f" The gradient broke first at step {step}, in layer {layer} ({variable})."
    return message
