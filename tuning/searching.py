"""Searches for the hyperparameters of a model: `search("deep_mlp", "digits")`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import InvalidValue, RunFailed
from zoo.recipes import Recipe
from zoo.runs.folder import RunFolder
from zoo.training import Run
from zoo.training import train as zoo_train
from zoo.tuning.failures import explaining_disk_failures
from zoo.tuning.figures import plot_objective, plot_parameters
from zoo.tuning.plan import SETTINGS, Algorithm, Plan, make_plan
from zoo.tuning.progress import TrialTable
from zoo.tuning.project import load_dataset, lock, making_folder, read_results, read_search, withdrawing, write_search
from zoo.tuning.results import SearchResult, Status, find_best, name_columns, tabulate
from zoo.tuning.spaces import Range, Space
from zoo.utils.constraints import Count, check
from zoo.utils.tensorflow_import import import_tensorflow

if TYPE_CHECKING:
    import keras

    from zoo.datasets import Dataset
    from zoo.tuning.builders import HyperModel


def search(
    model: str | Space | HyperModel | Callable[..., Any],
    dataset: str | Dataset = "digits",
    *,
    algorithm: Algorithm = "hyperband",
    max_trials: int | None = None,
    objective: str | tuple[str, str] | None = None,
    epochs: int | None = None,
    recipe: str | Recipe | None = None,
    seed: int = 0,
    vanishing: float | None = 1e-4,
    prune: bool = True,
    executions_per_trial: int = 1,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    workers: int = 1,
    project_dir: str | Path | None = None,
    progress: bool = True,
) -> SearchResult:
    """Searches for the best hyperparameters of a model.

    Each trial is trained as in `zoo.train`, with the same seed and data and with gradient records. The folder holds
    `search.json` (the configuration), `trials.csv`, `objective.png`, `hyperparameters.png` and a folder for each
    trial, with its model; see `load_model`. The same call with the same folder resumes a search that was interrupted,
    also within a trial, and gives the same result as one that was not; only `max_trials` and `workers` may change.

    The `fit` of a `keras_tuner.HyperModel` is called as KerasTuner's `tuner.search(x, y, epochs=epochs,
    validation_data=..., callbacks=callbacks)` calls it, without `epochs` if they are not given here, and may return a
    history, a dictionary of metrics, the objective, or a list of these. A trial of it that is interrupted starts again.
    A training that compiled calls cannot run, such as one with `run_eagerly`, starts again too.

    Args:
        model: Model name; a `Space`; a `HyperModel`; a `keras_tuner.HyperModel`; or a function that takes KerasTuner's
            `hp` and returns a compiled model.
        dataset: Dataset name or loaded dataset, with a validation set unless the objective is a training metric.
            Defaults to `"digits"`.
        algorithm: `"hyperband"` (Li et al. 2018) trains many models for a few epochs and continues the best;
            `"bayesian"` models the objective by a Gaussian process; `"random"`; `"grid"`. Defaults to `"hyperband"`.
        max_trials: Number of trials. Defaults to 30, and to all combinations of a grid.
        objective: Metric such as `"val_accuracy"`, with its direction if its name does not imply it, as in
            `("my_score", "max")`, or a `keras_tuner.Objective`. `"gradient_ratio"` is the ratio of the first layer's
            RMS gradient to the last layer's. Defaults to the accuracy, or the error of a model without labels, on the
            validation set.
        epochs: Number of epochs of a full training. Defaults to the recipe's, and to 20 for a custom builder.
        recipe: Recipe or its name, where `model` is a name. Defaults to the model's first recipe.
        seed: Random seed of the search and of each training. Defaults to 0.
        vanishing: Gradient ratio below which a training ends early, or None. Defaults to 1e-4.
        prune: Whether a training that is worse than the median of earlier ones ends early. Hyperband has its own rule.
            Defaults to True.
        executions_per_trial: Number of trainings of each trial, with one seed after another; the objective is the mean
            of their best. A training that ends early is the last one of its trial. Defaults to 1.
        callbacks: Keras callbacks, which are copied for each training. Files of `TensorBoard`, `ModelCheckpoint` and
            `CSVLogger` go into a folder of each training, as in `logs/TRIAL/execution0`. Defaults to none.
        workers: Number of trials that are trained at a time, each in its own process. Defaults to 1.
        project_dir: Folder of the search. Defaults to `runs/search-NAME-DATASET-DATE-TIME`.
        progress: Whether to show the trials on standard error. Defaults to True.

    Returns:
        Table of the trials, number of the best trial, and folder.

    Raises:
        UnknownName: Unknown model, dataset or recipe.
        InvalidValue: A value is out of range, the objective is not a metric of the training, or the folder holds
            another search.
        RunFailed: Every trial failed; the message quotes the first error. Or a file cannot be written; the same call
            resumes the search.

    >>> import tempfile, tuning
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     narrow = tuning.space("shallow_mlp").with_(hidden=tuning.Range(2, 20), batch_size=64)
    ...     few = {"algorithm": "random", "max_trials": 2, "epochs": 2}
    ...     result = search(narrow, "moons", **few, project_dir=f"{folder}/search", progress=False)
    >>> result.frame["status"].tolist()
    ['finished', 'finished']
    """
    plan = make_plan(
        model, dataset, recipe=recipe, algorithm=algorithm, max_trials=max_trials, objective=objective, epochs=epochs,
        seed=seed, vanishing=vanishing, prune=prune, executions_per_trial=executions_per_trial, callbacks=callbacks,
    )  # fmt: skip
    workers = check("workers", workers, Count)
    if project_dir is not None:
        folder = RunFolder(project_dir)
    elif "KERASTUNER_TUNER_ID" in os.environ:
        raise InvalidValue("A search on several machines needs a folder that all of them see: give project_dir.")
    else:
        folder = RunFolder.create(None, name=f"search-{plan.name}-{plan.dataset.name}")
    role = os.environ.get("KERASTUNER_TUNER_ID", "")
    is_worker = bool(role) and "chief" not in role
    table = TrialTable(folder.path, plan.objective, plan.max_trials, shown=progress and not is_worker)
    with explaining_disk_failures(folder.path):
        if is_worker:
            _run(plan, folder.path, table, is_worker=True)
            return _make_result(plan, folder, "finished")
        with making_folder(folder.path), lock(folder.path), withdrawing(folder.path):
            write_search(plan, folder)
            status: Status = "finished"
            with table:
                try:
                    _run(plan, folder.path, table, workers=1 if role else workers)
                except KeyboardInterrupt:
                    status = "interrupted"
            _write_files(plan, folder)
        return _make_result(plan, folder, status)


def resume(
    project_dir: str | Path,
    *,
    max_trials: int | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    workers: int = 1,
    progress: bool = True,
) -> SearchResult:
    """Resumes a search of a model of the zoo.

    Args:
        project_dir: Folder of the search.
        max_trials: Number of trials. Defaults to that of the search.
        callbacks: The callbacks that were passed to `search`. Defaults to none.
        workers: Number of worker processes, as in `search`. Defaults to 1.
        progress: Whether to show the trials on standard error. Defaults to True.

    Raises:
        InvalidValue: There is no search in the folder, or it is of a custom builder or dataset.
    """
    content = read_search(project_dir)
    if "space" not in content or not content["dataset"]["loaded"]:
        raise InvalidValue(f"The search in {project_dir} is of a custom builder or dataset; call search() again.")
    return search(
        Space.from_dict(content["space"]),
        load_dataset(content),
        objective=tuple(content["objective"]),
        workers=workers,
        project_dir=project_dir,
        progress=progress,
        callbacks=callbacks,
        **{name: content[name] for name in SETTINGS if name != "max_trials"},
        max_trials=max_trials or content["max_trials"],
    )


def train(project_dir: str | Path, *, trial: int | None = None, **settings: Any) -> Run:
    """Trains a trial of a search in full as in `zoo.train`, with the seed and the data of the search.

    With the number of epochs of the trial, the run has the trial's numbers (those of its first training, if it has
    several). Callbacks of the search are not called.

    Args:
        project_dir: Folder of the search.
        trial: Number of the trial. Defaults to the best.
        **settings: Other arguments of `zoo.train`, as in `epochs=100`.

    Raises:
        InvalidValue: There is no search in the folder, no such trial, or no trial that succeeded.
    """
    project = Path(project_dir)
    content = read_search(project)
    if "space" not in content:
        raise InvalidValue(f"The search in {project} is of a custom builder, which zoo.train cannot create.")
    results = {int(trial_id): result for trial_id, result in read_results(project).items()}
    if trial is None:
        best = find_best(read_results(project), tuple(content["objective"]))
        if best is None:
            raise InvalidValue(f"No trial in {project} has succeeded yet.")
        trial = int(best)
    if trial not in results:
        trials = f"0 to {max(results)}" if results else "none"
        raise InvalidValue(f"{project} has no trial {trial}; there are {trials}.")
    space = Space.from_dict(content["space"])
    recipe, options = space.apply(_draw_values(space, results[trial]["values"]))
    defaults = {"epochs": content["epochs"], "seed": content["seed"]}
    given = {name: value for name, value in settings.items() if value is not None}
    data = load_dataset(content)
    return zoo_train(space.model, data, recipe=recipe, options=options, **{**defaults, **given})


def _draw_values(space: Space, values: dict[str, Any]) -> dict[str, Any]:
    import_tensorflow()
    import keras_tuner

    hp = keras_tuner.HyperParameters()
    hp.values = dict(values)
    return space.draw(hp)


def _run(plan: Plan, project: Path, table: TrialTable, *, workers: int = 1, is_worker: bool = False) -> None:
    import_tensorflow()
    from zoo.tuning.tuner import run_tuner
    from zoo.tuning.workers import search_with_workers

    if workers > 1:
        search_with_workers(plan, project, table, workers)
    else:
        run_tuner(plan, project, table, is_worker=is_worker)


def _write_files(plan: Plan, folder: RunFolder) -> None:
    """Writes the table and the figures of a search."""
    results = read_results(folder.path)
    frame = tabulate(results)
    folder.write_table("trials.csv", frame)
    if find_best(results, plan.objective) is None:
        return
    title = f"{plan.name} on {plan.dataset.name}, {plan.algorithm}"
    folder.write_figure("objective.png", plot_objective(frame, plan.objective, title=title))
    scales = {}
    for name, column in name_columns(results).items():
        parameter = plan.space.get(name) if plan.space else None
        if frame[column].astype(str).nunique() > 1:
            scales[column] = isinstance(parameter, Range) and parameter.log
    if scales:
        folder.write_figure("hyperparameters.png", plot_parameters(frame, plan.objective, scales, title=title))


def _make_result(plan: Plan, folder: RunFolder, status: Status) -> SearchResult:
    """Returns the result of a search.

    Raises:
        RunFailed: Every trial failed.
    """
    results = read_results(folder.path)
    best = find_best(results, plan.objective)
    failed = [result for result in results.values() if result.get("status") == "failed"]
    if status == "finished" and failed and best is None:
        which = f"All {len(failed)} trials failed. The first" if len(failed) > 1 else "The only trial failed"
        raise RunFailed(f"{which}: {failed[0]['error'].rstrip('.')}. The traces are in {folder.path}.")
    return SearchResult(status, folder.path, tabulate(results), None if best is None else int(best), plan.objective)
