"""Searches for the hyperparameters of a model: `search("deep_mlp", "digits")`."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from tuning.live import LiveTable
from tuning.oracles import Algorithm, describe_space, make_oracle
from tuning.results import (
    SearchResult,
    Status,
    best_of,
    plot_objective,
    plot_parameters,
    read_results,
    read_search,
    table,
)
from tuning.spaces import Range, Space, space
from zoo.constraints import Seed, at_least, check, positive
from zoo.errors import InvalidValue, RunFailed
from zoo.packages import our_datasets
from zoo.recipes import Recipe
from zoo.training.run_folder import RunFolder, versions

if TYPE_CHECKING:
    from datasets import Dataset
    from tuning.hypermodels import HyperModel

MAXIMISED = ("accuracy", "likelihood", "gradient_ratio", "auc", "precision", "recall")
MINIMISED = ("loss", "error", "reconstruction")


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
    ...     found = search(narrow, "moons", algorithm="random", max_trials=2, epochs=2, project_dir=folder, progress=False)
    >>> found.frame["status"].tolist()
    ['finished', 'finished']
    """
    plan = _plan(model, dataset, algorithm, max_trials, objective, epochs, recipe, seed, vanishing, prune)
    workers = check("workers", workers, Annotated[int, at_least(1)])
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
    if "space" not in content or content["dataset"]["name"] not in our_datasets().names():
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


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """A search, resolved and checked before anything starts."""

    name: str
    data: Any
    space: Space | None
    own: HyperModel | None
    algorithm: Algorithm
    max_trials: int | None
    objective: tuple[str, str]
    epochs: int
    seed: int
    vanishing: float | None
    prune: bool

    def to_dict(self) -> dict[str, Any]:
        """Returns it as plain values, for `search.json`."""
        content: dict[str, Any] = {
            "model": self.name,
            "dataset": {"name": self.data.name, "digest": self.data.digest},
            "objective": list(self.objective),
        }
        for name in ("algorithm", "max_trials", "epochs", "seed", "vanishing", "prune"):
            content[name] = getattr(self, name)
        return {**content, **({"space": self.space.to_dict()} if self.space else {})}


def _plan(
    model: Any, dataset: Any, algorithm: Any, max_trials: Any, objective: Any, epochs: Any, recipe: Any, seed: Any,
    vanishing: Any, prune: Any,
) -> Plan:  # fmt: skip
    algorithm = check("algorithm", algorithm, Algorithm)
    max_trials = check("max_trials", max_trials, Annotated[int, at_least(1)] | None)
    epochs = check("epochs", epochs, Annotated[int, at_least(1)] | None)
    seed = check("seed", seed, Seed)
    space_, own = None, None
    if isinstance(model, (str, Space)):
        space_ = space(model, recipe=recipe) if isinstance(model, str) else model
        if isinstance(model, Space) and recipe is not None:
            raise InvalidValue("A space has its recipe already; leave out recipe=.")
        name, epochs = space_.model, epochs or space_.recipe.epochs
    else:
        from tuning.hypermodels import HyperModel

        own = model if isinstance(model, HyperModel) else HyperModel(model)
        name, epochs = str(own.name), epochs or 20
    package = our_datasets()
    data = dataset if isinstance(dataset, package.Dataset) else package.load(dataset, seed=seed)
    if max_trials is None and algorithm != "grid":
        max_trials = 30
    return Plan(
        name=name,
        data=data,
        space=space_,
        own=own.on(data, seed=seed) if own else None,
        algorithm=algorithm,
        max_trials=max_trials,
        objective=_objective(objective, space_, has_validation=data.validation is not None),
        epochs=epochs,
        seed=seed,
        vanishing=check("vanishing", vanishing, Annotated[float, positive] | None),
        prune=check("prune", prune, bool) and algorithm != "hyperband",
    )


def _objective(given: Any, space_: Space | None, *, has_validation: bool) -> tuple[str, str]:
    if given is None:
        loss = space_.recipe.loss if space_ else "sparse_categorical_crossentropy"
        given = "accuracy"
        if loss == "contrastive_divergence":
            given = "pseudo_log_likelihood"
        elif loss.startswith("reconstruction"):
            given = "squared_error"
        given = f"val_{given}" if has_validation else given
    if isinstance(given, str):
        known = {"max": MAXIMISED, "min": MINIMISED}
        direction = next((way for way, words in known.items() if any(word in given for word in words)), None)
        if direction is None:
            raise InvalidValue(
                f'Whether {given} is to be large or small is not plain: give objective=("{given}", "max") or "min".'
            )
        given = (given, direction)
    name, direction = given
    if direction not in ("min", "max"):
        raise InvalidValue(f'An objective is to be "min" or "max"; got {direction!r} for {name}.')
    if name.startswith("val_") and not has_validation:
        raise InvalidValue(f"The objective {name} needs a validation set, and the data have none.")
    return str(name), str(direction)


def _run(plan: Plan, folder: RunFolder, *, workers: int, progress: bool) -> SearchResult:
    project = folder.path
    in_cluster = "KERASTUNER_TUNER_ID" in os.environ
    if workers > 1 and not in_cluster:
        from tuning.workers import launch

        with LiveTable(project, plan.objective, plan.max_trials, workers=workers, shown=progress) as live:
            status: Status = launch(plan, project, workers, look=live.update)
        return finish(plan, folder, status=status)
    from zoo.tensorflow_import import import_tensorflow

    import_tensorflow()
    from tuning.tuner import make_tuner

    role = os.environ.get("KERASTUNER_TUNER_ID", "")
    tuner = make_tuner(plan, project)
    if "chief" in role or not role:
        _claim(plan, folder, describe_space(tuner.oracle.get_space()))
        if tuner.oracle.path.exists():
            tuner.oracle.reload()
            tuner.oracle.max_trials = plan.max_trials
    shown = progress and not in_cluster
    with LiveTable(project, plan.objective, plan.max_trials, workers=1, shown=shown) as live:
        tuner.live = live
        status = "finished"
        try:
            tuner.search()
        except KeyboardInterrupt:
            status = "interrupted"
    return finish(plan, folder, status=status, writes="chief" in role or not role)


def _claim(plan: Plan, folder: RunFolder, parameters: Mapping[str, str]) -> None:
    """Writes what is searched for, or compares it with what the folder was made for.

    Raises:
        InvalidValue: It is another search; or the folder holds something else.
    """
    path = folder.path
    content = json.loads(json.dumps({**plan.to_dict(), "parameters": parameters}))
    if not (path / "search.json").is_file():
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunFailed(f"The folder {path} cannot be made: {error.strerror}.") from error
        if any(not each.name.startswith(".") for each in path.iterdir()):
            raise InvalidValue(f"{path} holds files of something else; name another folder.")
    else:
        known = read_search(path)
        differences = [
            each for key in content if key not in ("max_trials", "space") for each in _differences(key, known.get(key), content[key])
        ]
        if differences:
            raise InvalidValue(
                f"{path} holds another search: {'; '.join(differences)}. Ask for the same, or name another folder."
            )
    folder.write_json("search.json", {**content, "versions": versions()})


def _differences(name: str, before: Any, now: Any) -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        keys = list(dict.fromkeys([*before, *now]))
        return [each for key in keys for each in _differences(f"{name}.{key}", before.get(key), now.get(key))]
    return [] if before == now else [f"{name} was {before}, is now {now}"]


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
    parameter = (plan.space or {}).get(name)
    return isinstance(parameter, Range) and parameter.log
