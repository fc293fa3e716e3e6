"""Searches for the hyperparameters of a model: `search("deep_mlp", "digits")`."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from zoo import datasets
from zoo.errors import InvalidValue, RunFailed
from zoo.recipes import Recipe
from zoo.runs.folder import RunFolder, versions
from zoo.tuning.live_table import LiveTable
from zoo.tuning.project import Algorithm, Plan, make_plan
from zoo.tuning.results import (
    SearchResult,
    Status,
    best_of,
    plot_objective,
    plot_parameters,
    read_results,
    read_search,
    table,
)
from zoo.tuning.spaces import Range, Space
from zoo.utils.constraints import at_least, check

if TYPE_CHECKING:
    from zoo.datasets import Dataset
    from zoo.tuning.hypermodel import HyperModel


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
    workers: int = 1,
    project_dir: str | Path | None = None,
    progress: bool = True,
) -> SearchResult:
    """Searches for the best hyperparameters of a model, and writes a row for each trial.

    Each trial is trained as `zoo.train` does it, with the same seed, data and records of its gradients. The
    folder holds `search.json` (what was asked for), `trials.csv`, `objective.png`, `hyperparameters.png`
    and a folder for each trial. The same call with the same folder goes on with a search that was
    broken off, also within a trial, and gives what it would have given; `max_trials` may be another.

    Args:
        model: A model's name; a `Space`, narrowed or widened; a `HyperModel`, or a function that takes
            KerasTuner's `hp` and returns a compiled model.
        dataset: A data set's name, or one that is loaded. A part of it must be kept for validation, unless
            the objective is one of training.
        algorithm: `"hyperband"` (Li et al. 2018) trains many for a few epochs and goes on with the best;
            `"bayesian"` models the objective by a Gaussian process; `"random"`; `"grid"`.
        max_trials: How many trials; None for 30, and for all combinations of a grid.
        objective: A metric, as in `"val_accuracy"`, with `"min"` or `"max"` where its name does not tell, as in
            `("my_score", "max")`. `"gradient_ratio"` is the first layer's gradient over the last one's (RMS).
            None takes the accuracy or the loss of validation.
        epochs: Of a whole training; None takes the recipe's, and 20 for a builder of one's own.
        recipe: The recipe, or its name, where `model` is a name.
        seed: Decides every draw of the search and of each training.
        vanishing: A training ends early when the first layer's gradient falls below this share of the
            last one's; None for never.
        prune: Whether a training ends early when it is worse than the median of those before it. Hyperband
            has a rule of its own.
        workers: How many trials are trained at a time, each in a process of its own.
        project_dir: The folder; None makes `runs/search-NAME-DATASET-DATE-TIME`.
        progress: Whether to show the trials, on standard error.

    Returns:
        The trials, the best one's number, the folder.

    Raises:
        UnknownName: No such model, data set or recipe; the message has the nearest name.
        InvalidValue: A value out of range, or a folder with another search in it.
        RunFailed: Every trial failed; the message has the first one's cause.

    >>> import tempfile, tuning
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     narrow = tuning.space("shallow_mlp").with_(hidden=tuning.Range(2, 20), batch_size=64)
    ...     few = {"algorithm": "random", "max_trials": 2, "epochs": 2}
    ...     found = search(narrow, "moons", **few, project_dir=f"{folder}/search", progress=False)
    >>> found.frame["status"].tolist()
    ['finished', 'finished']
    """
    plan = make_plan(model, dataset, algorithm, max_trials, objective, epochs, recipe, seed, vanishing, prune)
    workers = check("workers", workers, Annotated[int, at_least(1)])
    if project_dir is None and "KERASTUNER_TUNER_ID" in os.environ:
        raise InvalidValue("A search on several machines needs a folder that all of them see: give project_dir.")
    name = f"search-{plan.name}-{plan.data.name}"
    folder = RunFolder(project_dir, name=name) if project_dir is None else RunFolder.at(project_dir)
    return _run(plan, folder, workers=workers, progress=progress)


def resume(
    project_dir: str | Path, *, max_trials: int | None = None, workers: int = 1, progress: bool = True
) -> SearchResult:
    """Goes on with a search of a model of the zoo, as it was asked for.

    Args:
        project_dir: Its folder.
        max_trials: Another number of trials; None for the same.
        workers: As in `search`.
        progress: Likewise.

    Raises:
        InvalidValue: There is no search in the folder, or it was for a builder or data that have no name.
    """
    content = read_search(project_dir)
    if "space" not in content or content["dataset"]["name"] not in datasets.names():
        raise InvalidValue(f"The search in {project_dir} is of a builder or of data of your own: call search() again.")
    return search(
        Space.from_dict(content["space"]),
        content["dataset"]["name"],
        objective=tuple(content["objective"]),
        max_trials=max_trials or content["max_trials"],
        workers=workers,
        project_dir=project_dir,
        progress=progress,
        **{name: content[name] for name in ("algorithm", "epochs", "seed", "vanishing", "prune")},
    )


def _run(plan: Plan, folder: RunFolder, *, workers: int, progress: bool) -> SearchResult:
    project = folder.path
    role = os.environ.get("KERASTUNER_TUNER_ID", "")
    if role and "chief" not in role:
        take_part(plan, project)
        return finish(plan, folder, status="finished", writes=False)
    claim(plan, folder)
    with locked(project):
        live = LiveTable(project, plan.objective, plan.max_trials, workers=workers, shown=progress)
        status: Status = "finished"
        with live:
            try:
                if workers > 1 and not role:
                    from zoo.tuning.workers import launch

                    launch(plan, project, workers, look=live.update)
                else:
                    take_part(plan, project, live=live)
            except KeyboardInterrupt:
                status = "interrupted"
        return finish(plan, folder, status=status)


def take_part(plan: Plan, project: Path, *, live: LiveTable | None = None) -> None:
    """Searches, as far as that is this process's part: all of it, the chief's, or a worker's.

    Args:
        plan: The search.
        project: Its folder.
        live: The table to keep up to date.
    """
    from zoo.utils.tensorflow_import import import_tensorflow

    import_tensorflow()
    from zoo.tuning.tuner import make_tuner
    from zoo.tuning.workers import watch_chief

    role = os.environ.get("KERASTUNER_TUNER_ID", "")
    if role and "chief" not in role:
        watch_chief(os.environ["KERASTUNER_ORACLE_IP"], int(os.environ["KERASTUNER_ORACLE_PORT"]))
        make_tuner(plan, project).search()
        return
    tuner = make_tuner(plan, project)
    tuner.live = live
    if plan.own:
        claim_parameters(project, tuner.parameters())
    tuner.begin(plan.max_trials)
    tuner.search()


def claim(plan: Plan, folder: RunFolder) -> None:
    """Writes what is searched for, or compares it with what the folder was made for.

    Raises:
        InvalidValue: It is another search; or the folder holds something else.
    """
    path = folder.path
    content = json.loads(json.dumps(plan.to_dict()))
    if (path / "search.json").is_file():
        known = read_search(path)
        _refuse_differences(path, {key: known.get(key) for key in content}, content)
        content = {**known, **content}
    else:
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunFailed(f"The folder {path} cannot be made: {error.strerror}.") from error
        if any(not each.name.startswith(".") for each in path.iterdir()):
            raise InvalidValue(f"{path} holds files of something else; name another folder.")
    folder.write_json("search.json", {**content, "versions": versions()})


def claim_parameters(project: Path, parameters: dict[str, Any]) -> None:
    """Does so for what a builder of the user's own varies, which is known when it has built."""
    known, parameters = read_search(project), json.loads(json.dumps(parameters))
    if "parameters" in known:
        _refuse_differences(project, known["parameters"], parameters)
    RunFolder.at(project).write_json("search.json", {**known, "parameters": parameters})


def _refuse_differences(path: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    differences = [each for key in dict.fromkeys([*before, *now]) for each in _differences(key, before, now)]
    if differences:
        raise InvalidValue(
            f"{path} holds another search: {'; '.join(differences)}. Ask for the same, or name another folder."
        )


def _differences(key: str, before: dict[str, Any], now: dict[str, Any], path: str = "") -> list[str]:
    if key not in before:
        return [f"{path}{key} is new"]
    if key not in now:
        return [f"{path}{key} is gone"]
    old, new = before[key], now[key]
    if isinstance(old, dict) and isinstance(new, dict):
        keys = dict.fromkeys([*old, *new])
        return [each for inner in keys for each in _differences(inner, old, new, f"{path}{key}.")]
    return [] if old == new or key == "max_trials" else [f"{path}{key} was {old}, is now {new}"]


@contextlib.contextmanager
def locked(project: Path) -> Iterator[None]:
    """Holds a search's folder for this process; the lock goes with the process, however it ends.

    Raises:
        InvalidValue: Another process has it.
    """
    try:
        import fcntl
    except ImportError:  # pragma: no cover  (Windows)
        yield
        return
    with (project / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InvalidValue(f"Another process is searching in {project}; wait for it, or end it.") from None
        yield


def finish(plan: Plan, folder: RunFolder, *, status: Status, writes: bool = True) -> SearchResult:
    """Writes the table and the figures of a search that ended, and returns it.

    Raises:
        RunFailed: Every trial failed.
    """
    results = read_results(folder.path)
    frame = table(results)
    best = best_of(results, plan.objective)
    if writes:
        folder.write_table("trials.csv", frame)
        valued = [each for each in results.values() if "objective" in each]
        if valued:
            title = f"{plan.name} on {plan.data.name}, {plan.algorithm}"
            folder.write_figure("objective.png", plot_objective(frame, plan.objective, title=title))
            names = dict.fromkeys(name for each in results.values() for name in each["values"] if "tuner/" not in name)
            scales = {name: _is_log(plan, name) for name in names if frame[name].astype(str).nunique() > 1}
            if scales:
                figure = plot_parameters(frame, plan.objective, scales, title=title)
                folder.write_figure("hyperparameters.png", figure)
    failed = [each for each in results.values() if each.get("status") == "failed"]
    if status == "finished" and failed and best is None:
        raise RunFailed(
            f"All {len(failed)} trials failed. The first: {failed[0]['error']} The traces are in {folder.path}."
        )
    return SearchResult(status, folder.path, frame, None if best is None else int(best), plan.objective)


def _is_log(plan: Plan, name: str) -> bool:
    parameter = plan.space.get(name) if plan.space else None
    return isinstance(parameter, Range) and parameter.log
