"""The `zoo` command. Thin: each command calls a function of the package and prints what it returns."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

import zoo
from zoo import experiments
from zoo.errors import InvalidValue, ZooError, unknown
from zoo.recipes import Recipe
from zoo.utils.constraints import parse

app = typer.Typer(
    help="The classic neural networks, in Keras, with the size of the gradient in every layer.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
out = Console(highlight=False, markup=False)

Trained = Annotated[
    str, typer.Argument(metavar="RUN|FILE|NAME", help="A run's folder, a .keras file, or a model with weights.")
]

Model = Annotated[str, typer.Argument(metavar="NAME", help="A model's name; `zoo list` has them.")]


@app.command("list")
def list_(
    pattern: Annotated[str, typer.Argument(help="A shell pattern, as in '*mlp*'.")] = "*",
    weights: Annotated[bool, typer.Option("--weights", help="List the pre-trained weights instead.")] = False,
) -> None:
    """List the models of the zoo."""
    if weights:
        _print_weights(pattern)
        return
    table = _table("name", "what it is", "recipes")
    for name in zoo.list_models(pattern):
        card = zoo.card(name)
        table.add_row(name, card.summary, ", ".join(recipe.name for recipe in card.recipes))
    if not table.row_count:
        out.print(f'No model matches "{pattern}".')
        return
    _print(table)


@app.command()
def show(
    name: Model,
    layers: Annotated[bool, typer.Option("--layers", help="Show its layers instead, with their weights.")] = False,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="OPTION=VALUE", help="With --layers: an option; repeatable.")
    ] = None,
) -> None:
    """Show a model's options and recipes, or its layers."""
    card = zoo.card(name)
    if layers:
        frame = zoo.layer_table(zoo.create(name, **_options(name, set_ or [])))
        totals = frame[["parameters", "trainable", "connections"]].sum()
        table = _table(*(column.removeprefix("receptive_") for column in frame.columns), gap=1)  # 80 columns hold it
        table.columns[1].no_wrap = True
        for column in table.columns[3:6]:
            column.justify = "right"
        for row in frame.itertuples(index=False):
            table.add_row(*(f"{value:,}" if isinstance(value, int) else value for value in row))
        table.add_row("all", "", "", *(f"{total:,}" for total in totals), "")
        out.print(table)
        return
    if set_:
        raise InvalidValue("--set goes with --layers: options and recipes are the same whatever it says.")
    out.print(card.name, style="bold")
    out.print(f"{card.summary}\n{card.source}\n")
    options = _table("option", "default", "values", "meaning")
    for option in card.options.values():
        options.add_row(option.name, str(option.default), option.values, option.help)
    _print(options)
    left = list(card.recipes)
    while left:  # as many beside each other as there is room for
        tables = [_recipe_table(left[:count]) for count in range(1, len(left) + 1)]
        fitting = max(sum(sum(_words(table)) <= out.width for table in tables), 1)
        out.print()
        _print(tables[fitting - 1])
        del left[:fitting]
    _show_weights(name)


@app.command()
def datasets(
    name: Annotated[str | None, typer.Argument(help="Load this one and show how it is split.")] = None,
) -> None:
    """List the data sets, or show one in full."""
    from zoo import datasets as package

    if name is None:
        table = _table("name", "what it is", "shape", "classes", "examples", "licence")
        for each in map(package.source, package.names()):
            shape = "x".join(map(str, each.input_shape))
            table.add_row(each.name, each.title, shape, str(len(each.class_names)), str(each.examples), each.licence)
        _print(table)
        return
    data = package.load(name)
    out.print(data.name, style="bold")
    out.print(f"{data.source.title}\n{data.source.origin}\nlicence {data.source.licence}")
    out.print(f"shape {data.input_shape}\nSHA-256 {data.digest}\n")
    summary = data.summary().reset_index()
    table = _table(*summary.columns)
    for row in summary.itertuples(index=False):
        table.add_row(*(f"{value:.4f}" if isinstance(value, float) else str(value) for value in row))
    out.print(table)


@app.command()
def train(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A model's name; `zoo list` has them.")] = None,
    dataset: Annotated[str, typer.Option(help="A data set's name; `zoo datasets` has them.")] = "digits",
    epochs: Annotated[int | None, typer.Option(help="Passes over the training set; the recipe's if not given.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Examples in a mini-batch; the recipe's if not given.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="The optimiser's; the recipe's if not given.")] = None,
    recipe: Annotated[str | None, typer.Option(help="A recipe's name; `zoo show NAME` has them.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="OPTION=VALUE", help="An option of the model; repeatable.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Decides every random draw. [default: 0, or the search's]")] = None,
    labels: Annotated[
        int | None, typer.Option(help="So many training examples have their label; pre-training sees them all.")
    ] = None,
    pretraining_epochs: Annotated[
        int | None, typer.Option(help="Passes over the training set for each layer; the recipe's if not given.")
    ] = None,
    record: Annotated[
        list[str] | None,
        typer.Option(metavar="EXTRA", help="Record also activations, histograms, or all for tensorboard; repeatable."),
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Go on with a run that was broken off, in place of NAME.")
    ] = None,
    from_search: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Train the best trial of a search in full, in place of NAME.")
    ] = None,
    trial: Annotated[int | None, typer.Option(help="Another trial of that search, by its number.")] = None,
    checkpoint_every: Annotated[
        int | None, typer.Option(help="Steps after which a checkpoint is written, besides one an epoch.")
    ] = None,
    strategy: Annotated[
        str, typer.Option(help="On what to train: auto, none, mirrored (GPUs) or multiworker (TF_CONFIG).")
    ] = "auto",
    workers: Annotated[int, typer.Option(min=1, help="Train in so many processes on this machine.")] = 1,
    mixed_precision: Annotated[bool, typer.Option("--mixed-precision", help="Compute in half precision.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Show the layers' gradients while it trains.")] = False,
    run_dir: Annotated[
        Path | None,
        typer.Option(help="Where the run's files go; must not exist. [default: runs/NAME-DATASET-DATE-TIME]"),
    ] = None,
) -> None:
    """Train a model and record the size of the gradient in every layer."""
    if workers > 1:
        from zoo.distribution.workers import launch

        raise typer.Exit(launch(_without(sys.argv[1:], "--workers"), workers))
    if trial is not None and not from_search:
        raise InvalidValue("--trial names a trial of a search; give --from-search as well.")
    if resume:
        _refuse_others(
            context, "--resume takes up a run as it was", {"resume", "epochs", "strategy", "workers", "watch"}
        )
        run = zoo.resume(resume, epochs=epochs, strategy=strategy, watch=watch)
    elif from_search:
        _refuse_others(
            context,
            "--from-search trains what the search was for",
            set(context.params) - {"name", "dataset", "recipe", "set_", "labels", "pretraining_epochs"},
        )
        from zoo import tuning

        run = tuning.train(
            from_search,
            trial=trial,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            seed=seed,
            run_dir=run_dir,
            strategy=strategy,
            mixed_precision=mixed_precision,
            checkpoint_every=checkpoint_every,
            record=record or [],
            watch=watch,
        )
    elif name:
        run = zoo.train(
            name,
            dataset,
            recipe=recipe,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            seed=seed or 0,
            run_dir=run_dir,
            options=_options(name, set_ or [], context.command.params),
            labels=labels,
            pretraining_epochs=pretraining_epochs,
            strategy=strategy,
            mixed_precision=mixed_precision,
            checkpoint_every=checkpoint_every,
            record=record or [],  # type: ignore[arg-type]  # checked there
            watch=watch,
        )
    else:
        raise InvalidValue(
            "zoo train takes a model's name (`zoo list` has them), --resume and a run folder, or --from-search."
        )
    if not run.folder.exists():
        return  # another worker writes, and tells
    done = f"{_epochs(len(run.metrics))}, {run.seconds:.1f} s"
    if "replicas" in run.division:
        done += f", mini-batches of {run.division}"
    first = [name for name in ("accuracy", "loss") if name in run.test]
    test = "".join(f", test {name} {run.test[name]:.4f}" for name in (*first, *sorted(set(run.test) - set(first))))
    for stage in run.stages[:-1]:
        done_before = f"{_epochs(len(stage.metrics))}, {stage.seconds:.1f} s"
        out.print(f"{stage.status}: {stage.name}, {done_before}, in {stage.folder.name}")
    out.print(f"{run.status}: {done}{test}")
    if len(run.gradients):
        _print_gradients(run)
    out.print(f"files in {run.folder}: {', '.join(sorted(path.name for path in run.folder.iterdir()))}", soft_wrap=True)
    if run.status == "interrupted":
        raise typer.Exit(130)


@app.command()
def tune(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A model's name; `zoo list` has them.")] = None,
    dataset: Annotated[str, typer.Option(help="A data set's name; `zoo datasets` has them.")] = "digits",
    algorithm: Annotated[str, typer.Option(help="hyperband, bayesian, random or grid.")] = "hyperband",
    max_trials: Annotated[int | None, typer.Option(help="How many trials. [default: 30; a grid's all]")] = None,
    objective: Annotated[
        str | None, typer.Option(help="A metric, as in val_loss, gradient_ratio or max:score. [default: val_accuracy]")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Of a whole training; the recipe's if not given.")] = None,
    recipe: Annotated[str | None, typer.Option(help="A recipe's name; `zoo show NAME` has them.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PARAMETER=VALUE", help="The same value for all trials; repeatable."),
    ] = None,
    range_: Annotated[
        list[str] | None,
        typer.Option("--range", metavar="PARAMETER=LOW:HIGH[:log]", help="Numbers between two; repeatable."),
    ] = None,
    choice: Annotated[
        list[str] | None, typer.Option(metavar="PARAMETER=A:B:C", help="One of several values; repeatable.")
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option(metavar="PARAMETER", help="Leave it to the recipe; repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides every random draw.")] = 0,
    vanishing: Annotated[
        float, typer.Option(help="End a training whose first gradient is below this share of the last; 0 for never.")
    ] = 1e-4,
    prune: Annotated[bool, typer.Option(help="End a training that is worse than the median of those before.")] = True,
    workers: Annotated[int, typer.Option(min=1, help="Train so many trials at a time on this machine.")] = 1,
    project_dir: Annotated[
        Path | None,
        typer.Option(help="Its folder; a search that is there goes on. [default: runs/search-NAME-DATASET-DATE-TIME]"),
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Go on with a search that was broken off, in place of NAME.")
    ] = None,
) -> None:
    """Search for the best hyperparameters of a model."""
    from zoo import tuning
    from zoo.tuning.command import parse_objective, parse_space

    if resume:
        if name:
            raise InvalidValue(f"--resume takes up a search as it was; leave out the model's name, {name}.")
        found = tuning.resume(resume, max_trials=max_trials, workers=workers)
    elif name:
        space = parse_space(
            name, recipe, fixed=set_ or [], ranges=range_ or [], choices=choice or [], without=without or []
        )
        found = tuning.search(
            space,
            dataset,
            algorithm=algorithm,  # type: ignore[arg-type]  # checked there
            max_trials=max_trials,
            objective=parse_objective(objective),
            epochs=epochs,
            seed=seed,
            vanishing=vanishing or None,
            prune=prune,
            workers=workers,
            project_dir=project_dir,
        )
    else:
        raise InvalidValue("zoo tune takes a model's name (`zoo list` has them), or --resume and a search's folder.")
    statuses = ", ".join(f"{count} {status}" for status, count in found.frame["status"].value_counts().items())
    out.print(f"{found.status}: {len(found.frame)} trials ({statuses})")
    if found.best is not None:
        row = found.frame.set_index("trial").loc[found.best]
        out.print(
            f"best: trial {found.best}, {found.objective[0]} {row['objective']:.4f}, {found.words(found.best)}",
            soft_wrap=True,
        )
        out.print(f"train it in full: zoo train --from-search {found.folder} (--epochs N)", soft_wrap=True)
    files = sorted(path.name for path in found.folder.iterdir() if path.is_file() and path.name[0] != ".")
    out.print(f"files in {found.folder}: {', '.join(files)}", soft_wrap=True)
    if found.status == "interrupted":
        raise typer.Exit(130)


@app.command()
def probe(
    what: Trained,
    dataset: Annotated[str, typer.Option(help="A data set's name; `zoo datasets` has them.")] = "digits",
    examples: Annotated[int, typer.Option(help="How many of the first training examples to measure.")] = 1000,
) -> None:
    """Measure the gradient of a saved model in every layer, without training it."""
    from zoo.training import probe

    frame = probe(what, dataset, examples=examples)
    table = _table("layer", "variable", "l2", "rms", "mean_abs", "max_abs", "zeros")
    for row in frame[["layer", "variable", "l2", "rms", "mean_abs", "max_abs", "zeros"]].itertuples(index=False):
        table.add_row(*(f"{value:.3g}" if isinstance(value, float) else value for value in row))
    out.print(table)


Weights = Annotated[str | None, typer.Option(help="Which pre-trained weights of NAME; `zoo list --weights` has them.")]


@app.command()
def export(
    what: Trained,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A folder; for onnx and litert a file.")],
    format: Annotated[str, typer.Option(help="saved_model, onnx or litert.")] = "saved_model",
    weights: Weights = None,
) -> None:
    """Export a trained model for TensorFlow Serving, ONNX Runtime or LiteRT."""
    from zoo.runs.opening import open_model

    exported = zoo.export(open_model(what, weights=weights), path, format=format)  # type: ignore[arg-type]
    table = _table("signature", "difference to the model's own numbers, in a process without the zoo")
    for name, difference in exported.signatures.items():
        table.add_row(name, f"{difference:.0e}")
    out.print(table)
    out.print(f"exported to {exported.path}", soft_wrap=True)


@app.command()
def evaluate(
    what: Trained,
    dataset: Annotated[str | None, typer.Option(help="A data set's name. [default: what it was trained on]")] = None,
    weights: Weights = None,
    run_dir: Annotated[
        Path | None, typer.Option(help="Where its files go. [default: runs/evaluation-NAME-DATASET-DATE-TIME]")
    ] = None,
) -> None:
    """Evaluate a trained model: accuracy, confusion, calibration, the worst mistakes."""
    from zoo import evaluation
    from zoo.runs.opening import open_model

    result = evaluation.evaluate(open_model(what, weights=weights), dataset)
    folder = evaluation.write(result, run_dir)
    for name, (value, low, high, examples) in result.metrics.items():
        out.print(f"{name} {value:.4f}, 95 % interval {low:.4f} to {high:.4f}, {examples} examples")
    if result.calibration_error is not None:
        out.print(f"expected calibration error {result.calibration_error:.4f}")
    if len(result.confusion):
        table = _table("class", *result.confusion.columns)
        for label, row in result.confusion.iterrows():
            table.add_row(str(label), *(str(count) if count else "." for count in row))
        out.print(table)
    out.print(f"files in {folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}", soft_wrap=True)


@app.command()
def reproduce(
    row: Annotated[str, typer.Argument(metavar="[ROW|all]", help="A row of the results, or all.")] = "",
    results: Annotated[Path, typer.Option(help="The table to bring up to date.")] = Path("results.csv"),
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table as README has it.")] = False,
) -> None:
    """Train what was published, and compare; without a row, show the table."""
    from zoo import reproduction

    if row:
        table = reproduction.reproduce(row, results=results)
    else:
        table = reproduction.read(results if results.is_file() else reproduction.TABLE)
    if markdown:
        print(reproduction.markdown(table))
        return
    names = ["row", "model", "recipe", "published", "ours", "short_by", "minutes"]
    if row not in ("", "all"):
        table = table[table["row"] == row]
        names.append("ours_by_seed")
    shown = _table(*(name.replace("_", " ") for name in names), gap=1)
    for each in table.to_dict("records"):
        shown.add_row(*(each[name] for name in names))
    _print(shown)


@app.command()
def experiment(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help=f"{', '.join(experiments.names())}."),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(help="A data set's name; digits takes minutes, for a look. [default: the experiment's own]"),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SETTING=VALUE", help="A setting of the experiment, as in seeds=3; repeatable."),
    ] = None,
    run_dir: Annotated[
        Path | None, typer.Option(help="Where its files go; must not exist. [default: runs/NAME-DATASET-DATE-TIME]")
    ] = None,
) -> None:
    """Answer a question of the lecture: write its tables and figures; without a name, list the questions."""
    if name is None:
        if dataset or set_ or run_dir:
            raise InvalidValue(f"Which experiment? There are {', '.join(experiments.names())}.")
        table = _table("experiment", "what it asks", "of", "settings", gap=1)
        for each in experiments.names():
            card = experiments.card(each)
            settings = "\n".join(f"{key}={_set_value(value)}" for key, value in card.settings.items())
            table.add_row(each, card.question, card.dataset, settings)
        _print(table)
        return
    options = _parsed(name, set_ or [], experiments.options_of(name)) if set_ else {}
    result, folder = experiments.run(name, dataset, run_dir=run_dir, **options)
    out.print(result.summary.to_string(index=False))
    out.print(f"files in {folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}", soft_wrap=True)


def main() -> None:
    """Runs the command line; an error that is the user's is one line, without a traceback."""
    try:
        app()
    except ZooError as error:
        print(f"zoo: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def _refuse_others(context: typer.Context, why: str, taken: set[str]) -> None:
    """Refuses what was given on the command line and is not taken, which would go by without a word."""
    given = []
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name not in taken and source is not None and source.name == "COMMANDLINE":
            option = parameter.opts[0]
            given.append(option if option[0] == "-" else f"the model's name, {context.params[option]}")
    if given:
        raise InvalidValue(f"{why}; leave out {' and '.join(given)}.")


def _options(name: str, settings: list[str], others: Sequence[Any] = ()) -> dict[str, Any]:
    known = {key: option.annotation for key, option in zoo.card(name).options.items()}
    return _parsed(name, settings, known, flags={parameter.name: parameter.opts[0] for parameter in others})


def _parsed(
    name: str, settings: list[str], known: Mapping[str, Any], *, flags: Mapping[str, str] | None = None
) -> dict[str, Any]:
    options = {}
    for setting in settings:
        option, equals, value = setting.partition("=")
        if not equals:
            raise InvalidValue(f"--set takes OPTION=VALUE, as in --set depth=4; got {setting!r}.")
        if option not in known:
            flag = (flags or {}).get(option, "")
            if flag.startswith("--"):
                raise InvalidValue(f"{option} is not an option of {name} but of the training: {flag} {value}.")
            raise unknown("option", option, known, of=name)
        options[option] = parse(option, value, known[option])
    return options


def _epochs(count: int) -> str:
    return f"{count} epoch" if count == 1 else f"{count} epochs"


def _without(arguments: list[str], option: str) -> list[str]:
    """Returns the arguments without an option and its value.

    >>> _without(["train", "deep_mlp", "--workers", "2", "--seed=1"], "--workers")
    ['train', 'deep_mlp', '--seed=1']
    """
    kept = [each for each in arguments if not each.startswith(f"{option}=")]
    if option in kept:
        del kept[kept.index(option) : kept.index(option) + 2]
    return kept


def _print_gradients(run: zoo.Run) -> None:
    from zoo.telemetry import one_a_layer

    frame, weights = one_a_layer(run.gradients)
    first, last = (frame[frame["epoch"] == epoch].set_index("layer") for epoch in frame["epoch"].agg(["min", "max"]))
    table = _table("layer", f"gradient of its {weights} (RMS), first epoch", "last epoch")
    for layer in first.index:
        table.add_row(layer, f"{first['rms'][layer]:.3g}", f"{last['rms'][layer]:.3g}")
    out.print(table)


def _print_weights(pattern: str) -> None:
    from zoo.models.weights import list_weights

    table = _table("model", "weights", "parameters", "on the test set", "95 % interval", gap=1)
    cards = list_weights(pattern)
    if not cards:
        out.print(f'No model with weights matches "{pattern}".')
        return
    for card in cards:
        values = [f"{name} {each['value']:.4f}" for name, each in card.metrics.items()]
        intervals = [f"{each['low']:.4f} to {each['high']:.4f}" for each in card.metrics.values()]
        table.add_row(card.model, card.name, f"{card.parameters:,}", "\n".join(values), "\n".join(intervals))
    _print(table)
    out.print("\nThey were made by")
    for card in cards:
        out.print(card.command, soft_wrap=True)


def _show_weights(name: str) -> None:
    from zoo.models.weights import list_weights

    for card in list_weights(name):
        data = card.origin.data
        versions = ", ".join(f"{package} {version}" for package, version in card.versions.items())
        table = _table("weights", card.name)
        for key, text in (
            ("parameters", f"{card.parameters:,}"),
            *((key, f"{m['value']:.4f} ({m['low']:.4f} to {m['high']:.4f})") for key, m in card.metrics.items()),
            ("data", f"{data['title']}; {data['origin']}; {data['licence']}"),
            ("versions", versions),
            ("SHA-256", card.sha256),
            ("limits", card.limits),
        ):
            table.add_row(key, text)
        out.print()
        _print(table)
        out.print(f"made by: {card.command}", soft_wrap=True)


def _recipe_table(recipes: Sequence[Recipe]) -> Table:
    table = _table("recipe", *(recipe.name for recipe in recipes), gap=1)
    for field in dataclasses.fields(Recipe)[1:]:
        table.add_row(field.name, *(_plain(getattr(recipe, field.name)) for recipe in recipes))
    return table


def _set_value(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _plain(value: object) -> str:
    if isinstance(value, Recipe):
        content = {key: item for key, item in value.to_dict().items() if item not in ("", {}, None)}
        del content["name"], content["summary"]
        return "\n".join(f"{key}: {_plain(item)}" for key, item in content.items())
    if isinstance(value, Mapping):
        return "\n".join(f"{key}={item}" for key, item in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)


def _table(*columns: str, gap: int = 2) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, gap, 0, 0))
    for number, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=number == 0)
    return table


def _cells(table: Table) -> list[list[str]]:
    return [[str(column.header), *map(str, column.cells)] for column in table.columns]


def _words(table: Table) -> list[int]:
    """Returns how wide each column must be for its longest word, the gap after it counted."""
    widths = [max((len(word) for cell in cells for word in cell.split()), default=0) for cells in _cells(table)]
    first = max(map(len, _cells(table)[0]))  # what a row is called stays on one line
    gap = table.padding[1]
    return [width + gap for width in (first, *widths[1:-1])] + widths[-1:]


def _print(table: Table) -> None:
    """Prints a table without breaking a word: a column has room for its longest, what is left goes to the prose."""
    least, gap = _words(table), table.padding[1]
    most = [max(len(line) for cell in cells for line in cell.split("\n")) + gap for cells in _cells(table)]
    wanted = [max(wide - few, 0) for wide, few in zip(most, least, strict=True)]
    spare = min(max(out.width - sum(least), 0), sum(wanted))
    for column, few, more in zip(table.columns, least, wanted, strict=True):
        column.width = few + spare * more // max(sum(wanted), 1) - (0 if column is table.columns[-1] else gap)
    table.width = sum(least) + spare
    out.print(table, crop=False)


if __name__ == "__main__":
    main()
