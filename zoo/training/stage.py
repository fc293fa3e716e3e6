"""One training of a run, with its tables, checkpoint, progress bar and figures in a folder."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Sequence
from typing import Any, Literal

import keras
import pandas as pd

from zoo.errors import InvalidValue
from zoo.loop.acceleration import MODES, CompileMode
from zoo.loop.checkpoint import Checkpoint
from zoo.runs.configuration import Configuration
from zoo.runs.folder import RunFolder
from zoo.runs.options import RunOptions
from zoo.runs.plots import plot_learning_curve
from zoo.runs.run import StageRun, Status
from zoo.telemetry import GradientRecorder, plot_gradients
from zoo.training.in_memory import fit_by_recipe
from zoo.training.interrupt import Interrupt
from zoo.training.progress_bar import ProgressBar
from zoo.training.table_writer import TableWriter
from zoo.utils.constraints import check


def run_stage(
    model: keras.Model,
    configuration: Configuration,
    folder: RunFolder,
    options: RunOptions,
    *,
    title: str,
    label: str = "",
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> StageRun:
    """Trains a model, from its checkpoint if there is one, and writes the files of the training.

    Args:
        model: Compiled model.
        configuration: Configuration of the stage: name, recipe, data and seed.
        folder: Folder of the files.
        options: Options of the run.
        title: Title of the figures.
        label: Label of the progress bar. Defaults to none.
        callbacks: Callbacks of the user's own. Defaults to none.
    """
    recipe, data = configuration.recipe, configuration.dataset
    recorder = _make_recorder(folder, options)
    tables = TableWriter(folder, recorder)
    checkpoint = Checkpoint(
        folder.path / "checkpoint.npz", writes=folder.writes, compile_mode=read_compile_mode(folder)
    )
    position = checkpoint.read_position()
    if position:
        tables.restore(position.epoch)
    is_finished = position is not None and position.is_finished(recipe.epochs)
    status: Status = "finished"
    start = time.perf_counter()
    with contextlib.ExitStack() as stack:
        own = [recorder, tables, CompileModeWriter(folder, checkpoint), stack.enter_context(Interrupt())]
        callbacks = [*own, *_make_stopper(configuration), *callbacks]
        if (options.progress or options.watch) and folder.writes and not is_finished:
            watch = recorder if options.watch else None
            steps = configuration.steps_per_epoch
            bar = ProgressBar(epochs=recipe.epochs, steps_per_epoch=steps, watch=watch, label=label)
            callbacks.append(stack.enter_context(bar))
        try:
            fit_by_recipe(
                model, recipe, data.train.x, data.train.y, classes=data.classes,
                validation=(data.validation.x, data.validation.y) if data.validation else None,
                seed=configuration.seed, callbacks=callbacks, class_weight=_number_classes(configuration),
                checkpoint=checkpoint, checkpoint_every=options.checkpoint_every,
            )  # fmt: skip
        except KeyboardInterrupt:
            status = "interrupted"
    tables.write_gradients()
    if error := explain_failure(tables.metrics, recorder):
        status, error = "failed", f"{error} A learning rate below {recipe.learning_rate:g} may help."
    position = checkpoint.read_position()
    stage = StageRun(
        name=configuration.model,
        status=status,
        folder=folder.path,
        metrics=tables.metrics,
        gradients=recorder.frame(),
        seconds=position.seconds if position else time.perf_counter() - start,
        error=error,
    )
    _write_stage(stage, model, folder, title)
    return stage


class CompileModeWriter(keras.callbacks.Callback):
    """Writes how the steps are compiled to `config.json` when the training begins, since it decides the last bits.

    Args:
        folder: Folder of the training.
        checkpoint: Its checkpoint.
    """

    restores_itself = True

    def __init__(self, folder: RunFolder, checkpoint: Checkpoint) -> None:
        super().__init__()
        self._folder, self._checkpoint = folder, checkpoint

    def on_train_begin(self, logs: Any = None) -> None:
        """Adds the name of the mode as `compile_mode`."""
        name = next((name for name, mode in MODES.items() if mode == self._checkpoint.compile_mode), None)
        self._folder.write_json("config.json", {**self._folder.read_json("config.json"), "compile_mode": name})


def read_compile_mode(folder: RunFolder) -> CompileMode | None:
    """Returns how the steps of an earlier part of a training were compiled; None if there is none.

    Raises:
        InvalidValue: The value in `config.json` is not a name in `MODES`.
    """
    name = check("compile_mode", folder.read_json("config.json").get("compile_mode"), Literal[tuple(MODES)] | None)
    return MODES.get(name)


def _make_stopper(configuration: Configuration) -> list[keras.callbacks.Callback]:
    if configuration.patience is None:
        return []
    return [keras.callbacks.EarlyStopping("val_loss", patience=configuration.patience, restore_best_weights=True)]


def _number_classes(configuration: Configuration) -> dict[int, float] | None:
    """Returns the weight of each class by its number."""
    weights = configuration.class_weight
    names = configuration.dataset.source.class_names
    return None if weights is None else {number: weights[name] for number, name in enumerate(names)}


def _make_recorder(folder: RunFolder, options: RunOptions) -> GradientRecorder:
    return GradientRecorder(
        activations="activations" in options.record,
        histograms="histograms" in options.record,
        log_dir=folder.path / "tensorboard" if "tensorboard" in options.record and folder.writes else None,
    )


def _write_stage(stage: StageRun, model: keras.Model, folder: RunFolder, title: str) -> None:
    folder.write_table("metrics.csv", stage.metrics)
    folder.write_model("model.keras", model)
    if len(stage.metrics):
        folder.write_figure("learning_curve.png", plot_learning_curve(stage.metrics, title=title))
    if len(stage.gradients):
        folder.write_figure("gradients.png", plot_gradients(stage.gradients, title=title))


def open_stage_folder(parent: RunFolder, name: str, content: dict[str, Any]) -> RunFolder:
    """Creates the folder of a stage within that of a run, or opens it again.

    Args:
        parent: Folder of the run.
        name: Name of the folder.
        content: Everything that determines the stage, for its `config.json`.

    Raises:
        InvalidValue: The folder exists and belongs to another configuration.
    """
    folder = RunFolder(parent.path / name, writes=parent.writes)
    existing = folder.read_json("config.json")
    if not existing:
        if folder.writes:
            folder.path.mkdir(exist_ok=True)
        folder.write_json("config.json", content)
        return folder
    for key, value in json.loads(json.dumps(content)).items():
        if existing.get(key) != value:
            raise InvalidValue(
                f"{folder.path} belongs to another configuration: its {key} is {existing.get(key)!r}; that of this "
                f"run is {value!r}. Remove the folder to train the stage again."
            )
    return folder


def explain_failure(metrics: pd.DataFrame, recorder: GradientRecorder) -> str:
    """Returns why a training failed: the epoch, step and layer of the first invalid number; empty if there is none.

    Args:
        metrics: One row per epoch, with the `loss`.
        recorder: Recorder of the training.
    """
    messages = []
    first = recorder.first_broken()
    if len(metrics) and not math.isfinite(loss := metrics["loss"].iloc[-1]):
        messages.append(f"The loss became {loss} in epoch {len(metrics)}.")
    elif first:
        messages.append("The gradient is not finite.")
    if first:
        step, layer, variable = first
        messages.append(f"The gradient first broke at step {step}, in layer {layer} ({variable}).")
    return " ".join(messages)
