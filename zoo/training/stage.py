"""One training of a run, with its tables, checkpoint, progress and figures in a folder."""

from __future__ import annotations

import contextlib
import math
import time
from typing import Any

import keras
import pandas as pd

from zoo.errors import InvalidValue
from zoo.loop.checkpoint import Checkpoint
from zoo.loop.fit import fit
from zoo.recipes import Recipe
from zoo.recipes.compiling import callbacks_of
from zoo.runs.folder import RunFolder
from zoo.runs.options import RunOptions
from zoo.runs.plots import plot_learning_curve
from zoo.runs.run import StageRun, Status
from zoo.telemetry import GradientRecorder, plot_gradients
from zoo.training.interrupt import Interrupt
from zoo.training.progress_bar import ProgressBar
from zoo.training.table_writer import TableWriter


def run_stage(
    name: str,
    model: keras.Model,
    recipe: Recipe,
    train: tuple[Any, Any],
    validation: tuple[Any, Any] | None,
    *,
    folder: RunFolder,
    options: RunOptions,
    seed: int,
    title: str,
    label: str = "",
) -> StageRun:
    """Trains a compiled model, from its checkpoint if there is one, and writes the files of the training.

    Args:
        name: Name of what is trained.
        model: Compiled model.
        recipe: Recipe, for its batch size and epochs.
        train: Inputs and targets; None for the targets of a model that needs none.
        validation: Inputs and targets to validate on, or None.
        folder: Folder of the files.
        options: Options of the run.
        seed: Random seed of the order of the examples.
        title: Title of the figures.
        label: Label of the progress bar. Defaults to none.
    """
    recorder = GradientRecorder(
        activations="activations" in options.record,
        histograms="histograms" in options.record,
        log_dir=folder.path / "tensorboard" if "tensorboard" in options.record and folder.writes else None,
    )
    tables = TableWriter(folder, recorder)
    checkpoint = Checkpoint(folder.path / "checkpoint.npz", writes=folder.writes)
    position = checkpoint.position()
    if position:
        tables.restore(position.epoch)
    is_done = position is not None and position.epoch >= recipe.epochs
    callbacks: list[keras.callbacks.Callback] = [recorder, tables, *callbacks_of(recipe, train, seed=seed)]
    status: Status = "finished"
    start = time.perf_counter()
    with contextlib.ExitStack() as stack:
        callbacks.append(stack.enter_context(Interrupt()))
        if (options.progress or options.watch) and folder.writes and not is_done:
            bar = ProgressBar(
                epochs=recipe.epochs,
                steps_per_epoch=math.ceil(len(train[0]) / recipe.batch_size),
                watch=recorder if options.watch else None,
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
                checkpoint_every=options.checkpoint_every,
            )
        except KeyboardInterrupt:
            status = "interrupted"
    position = checkpoint.position()
    error = explain_failure(tables.metrics, recorder)
    if error:
        error += f" A learning rate below {recipe.learning_rate:g} may help."
    tables.write_gradients()
    stage = StageRun(
        name=name,
        status="failed" if error else status,
        folder=folder.path,
        metrics=tables.metrics,
        gradients=recorder.frame(),
        seconds=position.seconds if position else time.perf_counter() - start,
        error=error,
    )
    _write_stage(stage, model, folder, title)
    return stage


def _write_stage(stage: StageRun, model: keras.Model, folder: RunFolder, title: str) -> None:
    folder.write_table("metrics.csv", stage.metrics)
    folder.write_model("model.keras", model)
    if len(stage.metrics):
        folder.write_figure("learning_curve.png", plot_learning_curve(stage.metrics, title=title))
    if len(stage.gradients):
        folder.write_figure("gradients.png", plot_gradients(stage.gradients, title=title))


def open_stage_folder(parent: RunFolder, name: str, content: dict[str, Any]) -> RunFolder:
    """Creates the folder of a stage within a run's, or opens it again.

    Args:
        parent: Folder of the run.
        name: Name of the folder.
        content: Everything that decides the stage, for its `config.json`.

    Raises:
        InvalidValue: The folder exists and belongs to another configuration.
    """
    path = parent.path / name
    if not (path / "config.json").is_file():
        if parent.writes:
            path.mkdir(exist_ok=True)
        folder = RunFolder.at(path, writes=parent.writes)
        folder.write_json("config.json", content)
        return folder
    folder = RunFolder.at(path, writes=parent.writes)
    existing = folder.read_json("config.json")
    for key in content:
        if existing.get(key) != content[key]:
            raise InvalidValue(
                f"{path} belongs to another configuration: its {key} is {existing.get(key)!r}; this run's is "
                f"{content[key]!r}. Remove the folder to train that stage again."
            )
    return folder


def explain_failure(metrics: pd.DataFrame, recorder: GradientRecorder) -> str:
    """Returns why a training failed: the epoch, step and layer where a number broke; empty if none did.

    Args:
        metrics: One row per epoch, with the `loss`.
        recorder: Recorder of the training.
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
        message += f" The gradient first broke at step {step}, in layer {layer} ({variable})."
    return message
