"""`zoo train`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

import zoo
from zoo.commands.options import (
    Color,
    DatasetName,
    Epochs,
    Group,
    Invert,
    Levels,
    OptionalModelName,
    RecipeName,
    RunDir,
    Settings,
    Size,
    SplitShares,
    Target,
    load_own_data,
    parse_model_options,
    refuse_other_options,
)
from zoo.commands.output import make_table, out, print_files, print_table
from zoo.errors import InvalidValue

BatchSize = Annotated[int | None, typer.Option(help="Number of examples in a batch.", show_default="the recipe's")]
LearningRate = Annotated[float | None, typer.Option(help="Learning rate.", show_default="the recipe's")]
Seed = Annotated[int | None, typer.Option(help="Random seed.", show_default="0, or the search's")]
Labels = Annotated[
    int | None, typer.Option(help="Number of labeled training examples; pre-training uses all.", show_default="all")
]
PretrainingEpochs = Annotated[
    int | None, typer.Option(help="Number of epochs of each layer's pre-training.", show_default="the recipe's")
]
Record = Annotated[
    list[str] | None,
    typer.Option(metavar="EXTRA", help="Also record activations or histograms, or write tensorboard; repeatable."),
]
Weights = Annotated[
    str | None, typer.Option(help="Pre-trained weights to begin with; see `zoo list --weights`.", show_default="none")
]
Freeze = Annotated[bool, typer.Option("--freeze", help="Train the output layer alone, on a body with --weights.")]
Balance = Annotated[bool, typer.Option("--balance", help="Weigh the classes alike, however many examples they have.")]
Patience = Annotated[
    int | None,
    typer.Option(help="Epochs without a lower validation loss after which it ends.", show_default="never"),
]
Resume = Annotated[Path | None, typer.Option(metavar="RUN", help="Run folder to resume, instead of NAME.")]
FromSearch = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Search whose best trial to train in full, instead of NAME.")
]
Trial = Annotated[int | None, typer.Option(help="Number of another trial of that search.")]
CheckpointEvery = Annotated[
    int | None, typer.Option(help="Number of steps between checkpoints within an epoch.", show_default="one per epoch")
]
Strategy = Annotated[
    str, typer.Option(help="Devices: auto, none (one device), mirrored (all GPUs) or multiworker (TF_CONFIG).")
]
Workers = Annotated[int, typer.Option(min=1, help="Number of local worker processes.")]
MixedPrecision = Annotated[bool, typer.Option("--mixed-precision", help="Compute in half precision.")]
Watch = Annotated[bool, typer.Option("--watch", help="Show the gradient of every layer during training.")]

_OF_DATA = ("size", "color", "invert", "target", "group", "levels", "split")
_OF_MODEL = (
    "name", "dataset", *_OF_DATA, "recipe", "set_", "labels", "pretraining_epochs", "weights", "freeze", "balance",
    "patience",
)  # fmt: skip


def train(
    context: typer.Context,
    name: OptionalModelName = None,
    dataset: DatasetName = "digits",
    size: Size = None,
    color: Color = None,
    invert: Invert = False,
    target: Target = None,
    group: Group = None,
    levels: Levels = None,
    split: SplitShares = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    learning_rate: LearningRate = None,
    recipe: RecipeName = None,
    set_: Settings = None,
    seed: Seed = None,
    labels: Labels = None,
    pretraining_epochs: PretrainingEpochs = None,
    weights: Weights = None,
    freeze: Freeze = False,
    balance: Balance = False,
    patience: Patience = None,
    record: Record = None,
    resume: Resume = None,
    from_search: FromSearch = None,
    trial: Trial = None,
    checkpoint_every: CheckpointEvery = None,
    strategy: Strategy = "auto",
    workers: Workers = 1,
    mixed_precision: MixedPrecision = False,
    watch: Watch = False,
    run_dir: RunDir = None,
) -> None:
    """Train a model and record the size of the gradient in every layer."""
    if workers > 1:
        _launch(workers, run_dir)
    if trial is not None and not from_search:
        raise InvalidValue("--trial must come with --from-search, whose trial it names.")
    shared = ("epochs", "batch_size", "learning_rate", "run_dir", "strategy", "mixed_precision", "checkpoint_every",
              "watch")  # fmt: skip
    options: dict[str, Any] = {key: context.params[key] for key in shared}
    options["record"] = record or []
    if resume:
        allowed = {"resume", "epochs", "strategy", "workers", "watch"}
        refuse_other_options(context, "--resume continues a run as it was configured", allowed)
        run = zoo.resume(resume, epochs=epochs, strategy=strategy, watch=watch)
    elif from_search:
        allowed = set(context.params) - set(_OF_MODEL)
        refuse_other_options(context, "--from-search trains the model of the search", allowed)
        run = zoo.tuning.train(from_search, trial=trial, seed=seed, **options)
    elif name:
        run = _train_by_name(context, name, options)
    else:
        raise InvalidValue("zoo train needs a model name (see `zoo list`), --resume RUN or --from-search DIR.")
    if run.folder.exists():  # else another worker writes, and prints
        _print_run(run)
    if run.status == "interrupted":
        raise typer.Exit(130)


def _launch(workers: int, run_dir: Path | None) -> NoReturn:
    from zoo.runs.folder import RunFolder

    RunFolder.check_new(run_dir)
    from zoo.distribution.workers import launch

    raise typer.Exit(launch(_remove_option(sys.argv[1:], "--workers"), workers))


def _train_by_name(context: typer.Context, name: str, options: dict[str, Any]) -> zoo.Run:
    given = context.params
    options |= {key: given[key] for key in ("recipe", "labels", "pretraining_epochs", "weights", "freeze", "patience")}
    options["options"] = parse_model_options(name, given["set_"] or [], context.command.params)
    options["class_weight"] = "balanced" if given["balance"] else None
    own = {key: given[key] for key in _OF_DATA}
    seed = given["seed"] or 0
    return zoo.train(name, load_own_data(given["dataset"], seed=seed, **own), seed=seed, **options)


def _print_run(run: zoo.Run) -> None:
    for stage in run.stages[:-1]:
        out.print(f"{stage.status}: {stage.name}, {_format_length(stage)}, in {stage.folder.name}")
    division = f", batches of {run.division}" if "replicas" in run.division else ""
    names = sorted(run.test, key=lambda name: (name != "accuracy", name != "loss", name))
    test = "".join(f", test {name} {run.test[name]:.4f}" for name in names)
    out.print(f"{run.status}: {_format_length(run)}{division}{test}")
    if len(run.gradients):
        _print_gradients(run)
    print_files(run.folder)


def _format_length(training: Any) -> str:
    count = len(training.metrics)
    return f"{count} epoch{'' if count == 1 else 's'}, {training.seconds:.1f} s"


def _print_gradients(run: zoo.Run) -> None:
    from zoo.telemetry import one_a_layer

    frame, weights = one_a_layer(run.gradients)
    first, last = (frame[frame["epoch"] == epoch].set_index("layer") for epoch in frame["epoch"].agg(["min", "max"]))
    table = make_table("layer", f"gradient of its {weights} (RMS), first epoch", "last epoch")
    for layer in first.index:
        table.add_row(layer, f"{first['rms'][layer]:.3g}", f"{last['rms'][layer]:.3g}")
    print_table(table)


def _remove_option(arguments: list[str], option: str) -> list[str]:
    """Returns the arguments without an option and its value.

    >>> _remove_option(["train", "deep_mlp", "--workers", "2", "--seed=1"], "--workers")
    ['train', 'deep_mlp', '--seed=1']
    """
    left = [argument for argument in arguments if not argument.startswith(f"{option}=")]
    if option in left:
        del left[left.index(option) : left.index(option) + 2]
    return left
