"""Training by name: a model of the zoo by its recipe, in a run folder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zoo.distribution.strategies import describe_division, explain_lost_workers, resolve_strategy, writes_files
from zoo.errors import InvalidValue, RunFailed
from zoo.models.catalogue import create
from zoo.models.origin import remember
from zoo.recipes import Recipe
from zoo.runs.configuration import Configuration, resolve
from zoo.runs.folder import RunFolder, versions
from zoo.runs.options import Extra, RunOptions
from zoo.runs.run import Run, StageRun, write_result

if TYPE_CHECKING:
    import keras
    import numpy as np

    from zoo.datasets import Dataset


def train(
    name: str,
    dataset: str | Path | Dataset = "digits",
    *,
    recipe: str | Recipe | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    validation: float | int | None = None,
    seed: int = 0,
    run_dir: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    labels: int | None = None,
    unlabelled: np.ndarray | None = None,
    pretraining_epochs: int | None = None,
    weights: str | None = None,
    freeze: bool = False,
    class_weight: Literal["balanced"] | Mapping[str, float] | None = None,
    patience: int | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    strategy: Any = "auto",
    mixed_precision: bool = False,
    checkpoint_every: int | None = None,
    record: Sequence[Extra] = (),
    watch: bool = False,
    progress: bool = True,
) -> Run:
    """Trains a model of the zoo and records the size of its gradients.

    The run folder holds `config.json` (everything that was resolved, with seed and versions, and how the steps are
    compiled), `checkpoint.npz` (what `resume` continues from), `metrics.csv`, `gradients.csv`, `gradient_details.csv`
    (everything that was measured), `model.keras`, `learning_curve.png`, `gradients.png` and `result.json`. The tables
    and the checkpoint are updated after every epoch. Each stage of a model that is pre-trained has a folder with the
    same files in it, such as `1-hidden_1`. The same seed gives the same `metrics.csv` on the same machine. Sets the
    global seeds of Keras and NumPy.

    Args:
        name: Name of the model, one of `zoo.list_models()`.
        dataset: Name or path of the data set, as in `datasets.load`, or a loaded data set. Defaults to `"digits"`.
        recipe: Name of a recipe of the model, or a recipe. Defaults to the model's first.
        epochs: Number of epochs. Defaults to the recipe's.
        batch_size: Number of examples in a batch. Defaults to the recipe's.
        learning_rate: Learning rate. Defaults to the recipe's.
        validation: Size of the validation set, as in `datasets.load`. Defaults to that of the data set.
        seed: Random seed. Defaults to 0.
        run_dir: Run folder, which must not exist. Defaults to `runs/NAME-DATASET-DATE-TIME`.
        options: Options of the model's builder, added to the recipe's. Defaults to none.
        labels: Number of labelled training examples, drawn by class. Defaults to all. A model with pre-training still
            learns from the inputs of the others.
        unlabelled: Additional examples to pre-train on, `(n, *input_shape)`. Defaults to none.
        pretraining_epochs: Number of epochs of each layer's pre-training. Defaults to the recipe's.
        weights: Name of pre-trained weights to begin with, as in `"mnist"`; the output layer is new if the data set has
            another number of classes. Defaults to None.
        freeze: Whether to train the output layer alone. Defaults to False.
        class_weight: Weight of each class by its name, 1 for other classes; or `"balanced"`, for equal sums of weights.
            Defaults to None.
        patience: Number of epochs without a lower validation loss after which the training ends, with the weights of
            the best epoch. Defaults to None, never.
        callbacks: Keras callbacks, called by epoch. One with methods by batch, such as those of loggers, must set
            `content_with_calls = True`, and is then called once per compiled call. Pass them to `resume`, too. Defaults
            to none.
        strategy: Devices to train on: `"none"`, one device; `"mirrored"`, all GPUs of this machine; `"multiworker"`,
            all machines in `TF_CONFIG`; `"auto"`, whichever of these is available; or a `tf.distribute.Strategy`. The
            batch stays the same and is divided among them. Defaults to `"auto"`.
        mixed_precision: Whether to compute in half precision where that is safe, with weights in single precision.
            Defaults to False.
        checkpoint_every: Number of steps between checkpoints within an epoch. Defaults to one checkpoint per epoch.
        record: Records besides the size of the gradients: `"activations"` and `"histograms"`, as `GradientRecorder`
            has them, each in its own table; `"tensorboard"`, event files of all records in the folder
            `tensorboard` of the run. Defaults to none.
        watch: Whether to show the gradient of every layer below the progress bar. Defaults to False.
        progress: Whether to show the progress on standard error. Defaults to True.

    Returns:
        The run. After Ctrl-C its status is `"interrupted"`, and it holds the records up to then.

    Raises:
        UnknownName: Unknown model, data set, recipe or option; the message has the closest name.
        InvalidValue: A value has the wrong type or is out of range, the model cannot take the data set, or the run
            folder exists.
        DataError: The data cannot be loaded.
        RunFailed: The loss became NaN or infinite. The records are in the run folder and in the error's attribute
            `run`.

    >>> import tempfile, zoo
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = zoo.train("shallow_mlp", "moons", epochs=2, run_dir=f"{folder}/run", progress=False)
    >>> run.metrics.columns.tolist()
    ['epoch', 'loss', 'accuracy', 'val_loss', 'val_accuracy']
    """
    configuration = resolve(
        name, dataset, recipe=recipe, validation=validation, seed=seed, options=options, labels=labels,
        unlabelled=unlabelled, epochs=epochs, batch_size=batch_size, learning_rate=learning_rate,
        pretraining_epochs=pretraining_epochs, weights=weights, freeze=freeze, class_weight=class_weight,
        patience=patience,
    )  # fmt: skip
    run_options = RunOptions(
        mixed_precision=mixed_precision, checkpoint_every=checkpoint_every, record=record, watch=watch,
        progress=progress,
    )  # fmt: skip
    if "TF_CONFIG" not in os.environ:  # else another worker may have created it
        RunFolder.check_new(run_dir)
    callbacks = _check_callbacks(callbacks)
    strategy = resolve_strategy(strategy)
    folder = RunFolder.create(run_dir, name=f"{name}-{configuration.dataset.name}", writes=writes_files(strategy))
    folder.write_json("config.json", {**configuration.to_dict(), **run_options.to_dict(), "versions": versions()})
    try:
        return _run(configuration, folder, run_options, strategy, callbacks)
    except InvalidValue:  # raised by the builder, or for the data
        folder.withdraw()
        raise


def resume(
    run_dir: str | Path,
    *,
    dataset: Dataset | None = None,
    epochs: int | None = None,
    unlabelled: np.ndarray | None = None,
    strategy: Any = "auto",
    callbacks: Sequence[keras.callbacks.Callback] = (),
    watch: bool = False,
    progress: bool = True,
) -> Run:
    """Continues a training from its last checkpoint.

    It ends with the same weights as a training without the interruption, bit for bit on one CPU device.

    Args:
        run_dir: Run folder.
        dataset: Data set. Defaults to the one of the run, loaded by its name.
        epochs: Number of epochs to train to; also extends a finished run. Defaults to the run's.
        unlabelled: The additional unlabelled examples that were passed to `train`. Defaults to none.
        strategy: Devices to train on, as in `train`.
        callbacks: Keras callbacks, as in `train`. Defaults to none.
        watch: Whether to show the gradient of every layer below the progress bar. Defaults to False.
        progress: Whether to show the progress on standard error. Defaults to True.

    Returns:
        The run, as `train` returns it, with the records of its earlier parts.

    Raises:
        InvalidValue: There is no run in the folder, or its data have changed.
        RunFailed: The training failed, as in `train`, or a file of the run is damaged.

    >>> import tempfile, zoo
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = zoo.train("shallow_mlp", "moons", epochs=2, run_dir=f"{folder}/run", progress=False)
    ...     run = resume(run.folder, epochs=3, progress=False)
    >>> run.metrics["epoch"].tolist()
    [1, 2, 3]
    """
    content = RunFolder.reopen(run_dir).read_json("config.json")
    configuration = Configuration.from_dict(content, dataset=dataset, epochs=epochs, unlabelled=unlabelled)
    run_options = RunOptions.from_dict(content, watch=watch, progress=progress)
    callbacks = _check_callbacks(callbacks)
    strategy = resolve_strategy(strategy)
    folder = RunFolder(run_dir, writes=writes_files(strategy))
    return _run(configuration, folder, run_options, strategy, callbacks)


def _check_callbacks(callbacks: Any) -> list[keras.callbacks.Callback]:
    """Returns a list of one or several callbacks."""
    listed = list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]
    if listed:
        import keras

        for callback in listed:
            if not isinstance(callback, keras.callbacks.Callback):
                raise InvalidValue(f"callbacks must be Keras callbacks; got {callback!r}.")
    return listed


def _run(
    configuration: Configuration,
    folder: RunFolder,
    options: RunOptions,
    strategy: Any,
    callbacks: Sequence[keras.callbacks.Callback],
) -> Run:
    from zoo.training.pipeline import pretrain
    from zoo.training.stage import run_stage

    name = configuration.model
    with explain_lost_workers(strategy), _precision(options.mixed_precision):
        model = _create(configuration, strategy)
        stages = pretrain(model, configuration, folder, options)
        if all(stage.status == "finished" for stage in stages):
            title = f"{name} on {configuration.dataset.name}, recipe {configuration.recipe.name}"
            label = f"{name}, stage {len(stages) + 1} of {len(stages) + 1}" if stages else ""
            stages.append(
                run_stage(model, configuration, folder, options, title=title, label=label, callbacks=callbacks)
            )
        run = _finish(model, stages, configuration, folder)
    write_result(run, folder)
    if run.error:
        failure = RunFailed(f"{run.error} The records are in {run.stages[-1].folder}.")
        failure.run = run  # type: ignore[attr-defined]
        raise failure
    return run


def _create(configuration: Configuration, strategy: Any) -> keras.Model:
    import keras

    from zoo.models.heads import copy_weights, freeze_body
    from zoo.recipes.compiling import compile_model

    keras.utils.set_random_seed(configuration.seed)
    with strategy.scope():
        model = create(configuration.model, **configuration.options)
        if configuration.weights:
            copy_weights(create(configuration.model, weights=configuration.weights), model)
        if configuration.freeze:
            freeze_body(model)
        compile_model(model, configuration.recipe, steps_per_epoch=configuration.steps_per_epoch)
    remember(model, configuration.origin)
    return model


def _finish(model: keras.Model, stages: Sequence[StageRun], configuration: Configuration, folder: RunFolder) -> Run:
    """Evaluates a finished model on the test set and returns the run."""
    from zoo.loop.evaluating import evaluate
    from zoo.recipes.compiling import prepare

    last, recipe, data = stages[-1], configuration.recipe, configuration.dataset
    status, test = last.status, dict[str, float]()
    if status == "finished":
        try:
            test = evaluate(model, *prepare(recipe, data.test.x, data.test.y, classes=data.classes))
        except KeyboardInterrupt:
            status = "interrupted"
    remember(model, replace(configuration.origin, test=test))
    seconds = sum(stage.seconds for stage in stages)
    return Run(
        **{**vars(last), "name": configuration.model, "status": status, "folder": folder.path, "seconds": seconds},
        stages=tuple(stages),
        test=test,
        division=describe_division(model.distribute_strategy, recipe.batch_size),
        trained=model,
    )


@contextlib.contextmanager
def _precision(mixed: bool) -> Iterator[None]:
    """Computes in half precision inside the block, where that is safe, if `mixed` is set."""
    import keras

    policy = keras.config.dtype_policy()
    if mixed:
        keras.config.set_dtype_policy("mixed_float16")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)
