"""`zoo tune`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import zoo
from zoo.commands.options import DatasetName, Epochs, OptionalModelName, RecipeName
from zoo.commands.output import out
from zoo.errors import InvalidValue

Algorithm = Annotated[str, typer.Option(help="hyperband, bayesian, random or grid.")]
MaxTrials = Annotated[int | None, typer.Option(help="Number of trials.", show_default="30; all of a grid")]
Objective = Annotated[
    str | None, typer.Option(help="Metric, as in val_loss, gradient_ratio or max:score.", show_default="val_accuracy")
]
Fixed = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PARAMETER=VALUE", help="Value of a parameter in all trials; repeatable."),
]
Ranges = Annotated[
    list[str] | None,
    typer.Option("--range", metavar="PARAMETER=LOW:HIGH[:log]", help="Range of a parameter; repeatable."),
]
Choices = Annotated[
    list[str] | None, typer.Option("--choice", metavar="PARAMETER=A:B:C", help="Values of a parameter; repeatable.")
]
Without = Annotated[
    list[str] | None, typer.Option(metavar="PARAMETER", help="Parameter to leave to the recipe; repeatable.")
]
Seed = Annotated[int, typer.Option(help="Random seed.")]
Vanishing = Annotated[
    float, typer.Option(help="Ratio of the first to the last gradient below which a trial ends; 0 for never.")
]
Prune = Annotated[bool, typer.Option(help="End a trial that is worse than the median of the earlier ones.")]
Executions = Annotated[int, typer.Option(min=1, help="Number of trainings of a trial, whose objectives are averaged.")]
Workers = Annotated[int, typer.Option(min=1, help="Number of trials to train at a time on this machine.")]
ProjectDir = Annotated[
    Path | None,
    typer.Option(help="Folder of the search, resumed if it exists.", show_default="runs/search-NAME-DATASET-DATE-TIME"),
]
Resume = Annotated[Path | None, typer.Option(metavar="DIR", help="Search to resume, instead of NAME.")]


def tune(
    name: OptionalModelName = None,
    dataset: DatasetName = "digits",
    algorithm: Algorithm = "hyperband",
    max_trials: MaxTrials = None,
    objective: Objective = None,
    epochs: Epochs = None,
    recipe: RecipeName = None,
    set_: Fixed = None,
    range_: Ranges = None,
    choice: Choices = None,
    without: Without = None,
    seed: Seed = 0,
    vanishing: Vanishing = 1e-4,
    prune: Prune = True,
    executions: Executions = 1,
    workers: Workers = 1,
    project_dir: ProjectDir = None,
    resume: Resume = None,
) -> None:
    """Search for the best hyperparameters of a model."""
    from zoo.tuning.command import parse_objective, parse_space

    if resume:
        if name:
            raise InvalidValue(f"--resume continues a search as it was configured; leave out the model name, {name}.")
        result = zoo.tuning.resume(resume, max_trials=max_trials, workers=workers)
    elif name:
        space = parse_space(
            name, recipe, fixed=set_ or [], ranges=range_ or [], choices=choice or [], without=without or []
        )
        result = zoo.tuning.search(
            space,
            dataset,
            algorithm=algorithm,  # type: ignore[arg-type]  # checked there
            max_trials=max_trials,
            objective=parse_objective(objective),
            epochs=epochs,
            seed=seed,
            vanishing=vanishing or None,
            prune=prune,
            executions_per_trial=executions,
            workers=workers,
            project_dir=project_dir,
        )
    else:
        raise InvalidValue("zoo tune needs a model name (see `zoo list`) or --resume DIR.")
    _print_result(result)
    if result.status == "interrupted":
        raise typer.Exit(130)


def _print_result(result: zoo.tuning.SearchResult) -> None:
    from zoo.tuning.models import find_trial

    statuses = ", ".join(f"{count} {status}" for status, count in result.frame["status"].value_counts().items())
    out.print(f"{result.status}: {len(result.frame)} trials ({statuses})")
    if result.best is not None:
        objective = float(result.frame.set_index("trial")["objective"][result.best])
        values = result.words(result.best)
        out.print(f"best: trial {result.best}, {result.objective[0]} {objective:.4f}, {values}", soft_wrap=True)
        model = find_trial(result.folder, result.best).path / "model.keras"
        out.print(f"its model: {model}", soft_wrap=True)
        out.print(f"train it in full: zoo train --from-search {result.folder} (--epochs N)", soft_wrap=True)
    files = sorted(path.name for path in result.folder.iterdir() if path.is_file() and path.name[0] != ".")
    out.print(f"files in {result.folder}: {', '.join(files)}", soft_wrap=True)
