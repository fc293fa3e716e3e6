"""Trains a model of the zoo by its recipe and leaves a run folder behind."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from zoo.distribution.strategies import division, naming_lost_workers, resolve_strategy, writes_files
from zoo.errors import InvalidValue, RunFailed
from zoo.models.catalogue import create
from zoo.models.origin import remember
from zoo.recipes import Recipe
from zoo.runs.configuration import Configuration, resolve
from zoo.runs.folder import RunFolder, versions
from zoo.utils.constraints import at_least, check
from zoo.utils.tensorflow_import import import_tensorflow

if TYPE_CHECKING:
    import keras
    import numpy as np
    import pandas as pd

    from zoo.datasets import Dataset
    from zoo.datasets.dataset import Split
    from zoo.training.stage import How, StageRun, Status

Extra = Literal["activations", "histograms", "tensorboard"]


@dataclass(frozen=True, eq=False)
class Run:
    """A training that ended.

    Args:
        status: `"finished"`, `"interrupted"` by Ctrl-C, or `"failed"`.
        folder: Where its files are.
        model: The model, as it was at the end.
        metrics: One row an epoch: `epoch`, `loss`, `accuracy`, and with `val_` those of validation.
        gradients: The records of `GradientRecorder.frame()`, one an epoch.
        stages: Each stage of a training that has several, the last one among them.
        test: Loss and accuracy on the test set; empty for a run that failed, or was interrupted.
        seconds: How long the training took, without the test.
        division: How each mini-batch was divided among devices.
    """

    status: Status
    folder: Path
    model: keras.Model
    metrics: pd.DataFrame
    gradients: pd.DataFrame
    stages: tuple[StageRun, ...]
    test: Mapping[str, float]
    seconds: float
    division: str


def train(
    name: str,
    dataset: str | Dataset = "digits",
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
    strategy: Any = "auto",
    mixed_precision: bool = False,
    checkpoint_every: int | None = None,
    record: Sequence[Extra] = (),
    watch: bool = False,
    progress: bool = True,
) -> Run:
    """Trains a model of the zoo and records the size of its gradients.

    The run folder holds `config.json` (all that was resolved, versions and seed included),
    `checkpoint.npz` (what `resume` goes on from), `metrics.csv`, `gradients.csv`,
    `gradient_details.csv` (all that was measured), `model.keras`, `learning_curve.png`,
    `gradients.png` and `result.json`. The tables and the checkpoint are brought up to date after
    every epoch. A model that is pre-trained leaves the same files of each stage in a folder of its
    own in there, as in `1-hidden_1`. The same seed gives the same `metrics.csv` on the same machine. Keras' and NumPy's
    global seeds are set.

    Args:
        name: A name of `zoo.list_models()`.
        dataset: A name of `datasets.names()`, or a loaded data set.
        recipe: A name among the model's recipes, or a recipe; None takes the model's first.
        epochs: Passes over the training set; None leaves it to the recipe, as in the next two.
        batch_size: Examples in a mini-batch.
        learning_rate: The optimiser's learning rate.
        validation: What to keep for validation, as `datasets.load` has it.
        seed: Decides the initial weights, the order of the examples and every other draw.
        run_dir: The run folder, which must not exist; None makes `runs/NAME-DATASET-DATE-TIME`.
        options: Options of the model's builder; they come on top of the recipe's.
        labels: How many training examples have their label, drawn by class; None for all. A model with
            pre-training still learns from the inputs of the others.
        unlabelled: More examples to pre-train on, `(n, *input_shape)`.
        pretraining_epochs: Epochs of each layer's pre-training; None leaves it to the recipe.
        strategy: On what to train: `"none"`, one device; `"mirrored"`, all GPUs of this machine;
            `"multiworker"`, all machines that `TF_CONFIG` names; `"auto"`, which of these there is; or
            a `tf.distribute.Strategy`. The mini-batch is the same, divided among them.
        mixed_precision: Whether to compute in half precision where that is safe, with weights in single.
        checkpoint_every: Steps after which a checkpoint is written within an epoch; one is after each.
        record: What to record besides the size of the gradients: `"activations"` and `"histograms"`, as
            `GradientRecorder` has them, each in a table of its own; `"tensorboard"` for event files
            of all records, in the folder's `tensorboard`.
        watch: Whether to show the size of the gradient in every layer below the progress.
        progress: Whether to show how far it is, on standard error.

    Returns:
        The run. After Ctrl-C its status is `"interrupted"`, and it holds what was done until then.

    Raises:
        UnknownName: No such model, data set, recipe or option; the message has the nearest name.
        InvalidValue: A value of the wrong type or out of range, a data set that the model cannot
            take, or a run folder that exists.
        DataError: The data cannot be had.
        RunFailed: The loss became NaN or infinite. What was recorded is in the folder, and in the
            error's attribute `run`.

    >>> import tempfile, zoo
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = zoo.train("shallow_mlp", "moons", epochs=2, run_dir=f"{folder}/run", progress=False)
    >>> run.metrics.columns.tolist()
    ['epoch', 'loss', 'accuracy', 'val_loss', 'val_accuracy']
    """
    configuration = resolve(
        name,
        dataset,
        recipe=recipe,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        validation=validation,
        seed=seed,
        options=options or {},
        labels=labels,
        unlabelled=unlabelled,
        pretraining_epochs=pretraining_epochs,
    )
    kept = {
        "mixed_precision": check("mixed_precision", mixed_precision, bool),
        "checkpoint_every": check("checkpoint_every", checkpoint_every, Annotated[int, at_least(1)] | None),
        "record": tuple(check("record", each, Extra) for each in record),
    }
    import_tensorflow()
    strategy = resolve_strategy(strategy)
    folder = RunFolder(run_dir, name=f"{name}-{configuration.dataset.name}", writes=writes_files(strategy))
    folder.write_json("config.json", {**configuration.to_dict(), **kept, "versions": versions()})
    try:
        return _run(configuration, folder, kept, strategy=strategy, watch=watch, progress=progress)
    except InvalidValue:  # the builder's, or of the data
        folder.withdraw()
        raise


def resume(
    run_dir: str | Path,
    *,
    dataset: Dataset | None = None,
    epochs: int | None = None,
    unlabelled: np.ndarray | None = None,
    strategy: Any = "auto",
    watch: bool = False,
    progress: bool = True,
) -> Run:
    """Goes on with a training that was broken off, from its last checkpoint.

    It ends with the same weights as if nothing had happened, bit for bit on one CPU device.

    Args:
        run_dir: Its run folder.
        dataset: The data set, where it was not loaded by its name.
        epochs: Another number of epochs to train to; also for a run that had finished.
        unlabelled: The examples without labels, where some were given to `train`.
        strategy: As in `train`; so are the next two.
        watch: Whether to show the size of the gradient in every layer below the progress.
        progress: Whether to show how far it is.

    Returns:
        The run, as `train` returns it, with the records of its earlier parts.

    Raises:
        InvalidValue: There is no run in the folder, or its data are not what they were.
        RunFailed: As `train` raises it; or a file of the run is damaged.

    >>> import tempfile, zoo
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = zoo.train("shallow_mlp", "moons", epochs=2, run_dir=f"{folder}/run", progress=False)
    ...     run = resume(run.folder, epochs=3, progress=False)
    >>> run.metrics["epoch"].tolist()
    [1, 2, 3]
    """
    content = RunFolder.reopen(run_dir).read_json("config.json")
    try:
        configuration = Configuration.from_dict(content, dataset=dataset, epochs=epochs, unlabelled=unlabelled)
        kept = {name: content[name] for name in ("mixed_precision", "checkpoint_every", "record")}
    except KeyError as error:
        raise InvalidValue(f"{Path(run_dir, 'config.json')} is of another version: it has no {error}.") from error
    import_tensorflow()
    strategy = resolve_strategy(strategy)
    folder = RunFolder.reopen(run_dir, writes=writes_files(strategy))
    return _run(configuration, folder, kept, strategy=strategy, watch=watch, progress=progress)


def _run(
    configuration: Configuration,
    folder: RunFolder,
    kept: Mapping[str, Any],
    *,
    strategy: Any,
    watch: bool,
    progress: bool,
) -> Run:
    from zoo.training.stage import How

    with naming_lost_workers(strategy):
        return _all_stages(configuration, folder, How(**kept, watch=watch, progress=progress), strategy)


def _all_stages(configuration: Configuration, folder: RunFolder, how: How, strategy: Any) -> Run:
    import keras

    from zoo.loop.evaluating import evaluate
    from zoo.recipes.compiling import compile_model, prepare
    from zoo.training.pipeline import pretrain
    from zoo.training.stage import run_stage

    data, recipe = configuration.dataset, configuration.recipe
    keras.utils.set_random_seed(configuration.seed)
    with strategy.scope(), _precision(how.mixed_precision):
        model = create(configuration.model, **configuration.options)
    remember(model, configuration.origin)
    with _precision(how.mixed_precision):
        stages = pretrain(model, configuration, folder, how)
    with strategy.scope(), _precision(how.mixed_precision):
        compile_model(model, recipe, steps_per_epoch=configuration.steps_per_epoch)

    def prepared(split: Split) -> tuple[Any, Any]:
        return prepare(recipe, split.x, split.y, classes=data.classes)

    last = stages[-1] if stages and stages[-1].status != "finished" else None
    if last is None:
        last = run_stage(
            configuration.model,
            model,
            recipe,
            prepared(data.train),
            prepared(data.validation) if data.validation else None,
            folder=folder,
            how=how,
            seed=configuration.seed,
            title=f"{configuration.model} on {data.name}, recipe {recipe.name}",
            steps_per_epoch=configuration.steps_per_epoch,
            label=f"{configuration.model}, stage {len(stages) + 1} of {len(stages) + 1}" if stages else "",
        )
        stages = [*stages, last]
    test: Mapping[str, float] = {}
    status = last.status
    try:
        if last.status == "finished":
            test = evaluate(model, *prepared(data.test))
    except KeyboardInterrupt:
        status = "interrupted"
    remember(model, replace(configuration.origin, test=test))
    run = Run(
        status=status,
        folder=folder.path,
        model=model,
        metrics=last.metrics,
        gradients=last.gradients,
        stages=tuple(stages),
        test=test,
        seconds=sum(stage.seconds for stage in stages),
        division=division(strategy, recipe.batch_size),
    )
    content: dict[str, Any] = {
        "status": run.status,
        "epochs": len(run.metrics),
        "seconds": round(run.seconds, 3),
        "batch": run.division,
        "test": dict(run.test),
    }
    if len(stages) > 1:
        content["stages"] = [
            {"name": stage.name, "epochs": len(stage.metrics), "seconds": round(stage.seconds, 3)} for stage in stages
        ]
    folder.write_json("result.json", {**content, **({"error": last.error} if last.error else {})})
    if last.error:
        failure = RunFailed(f"{last.error} The records are in {last.folder}.")
        failure.run = run  # type: ignore[attr-defined]
        raise failure
    return run


@contextlib.contextmanager
def _precision(mixed: bool) -> Iterator[None]:
    import keras

    policy = keras.config.dtype_policy()
    if mixed:
        keras.config.set_dtype_policy("mixed_float16")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)
