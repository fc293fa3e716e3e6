"""Arguments and options that several commands share, and the parsing of `--set`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

import zoo
from zoo.errors import InvalidValue, unknown
from zoo.utils.constraints import parse

ModelName = Annotated[str, typer.Argument(metavar="NAME", help="Model name; see `zoo list`.")]
OptionalModelName = Annotated[str | None, typer.Argument(metavar="NAME", help="Model name; see `zoo list`.")]
Trained = Annotated[
    str, typer.Argument(metavar="RUN|FILE|NAME", help="Run folder, .keras file, or name of a model with weights.")
]
DatasetName = Annotated[
    str,
    typer.Option(metavar="NAME|PATH", help="Data set; see `zoo datasets`. Or a folder, .npz or .csv of your own."),
]
Size = Annotated[int | None, typer.Option(min=1, help="Height and width of your own pictures after resizing.")]
Color = Annotated[
    bool | None,
    typer.Option(
        "--color/--gray", "--colour/--grey", help="Whether to read colors.", show_default="if a picture has them"
    ),
]
Invert = Annotated[bool, typer.Option("--invert", help="Exchange dark and light in your own pictures.")]
Target = Annotated[str | None, typer.Option(metavar="COLUMN", help="Column of your own table with the labels.")]
Group = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Column of your own table by which examples stay together.")
]
Levels = Annotated[
    int | None, typer.Option(min=1, help="Number that divides your own arrays.", show_default="255 for bytes, else 1")
]
SplitShares = Annotated[
    str | None,
    typer.Option(
        "--split", metavar="TRAIN,VALIDATION,TEST", help="Shares of your own data.", show_default="0.72,0.08,0.2"
    ),
]
RecipeName = Annotated[
    str | None, typer.Option(help="Recipe name; see `zoo show NAME`.", show_default="the model's first")
]
Epochs = Annotated[int | None, typer.Option(help="Number of epochs.", show_default="the recipe's")]
WeightsName = Annotated[
    str | None, typer.Option(help="Name of the pre-trained weights of NAME; see `zoo list --weights`.")
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="OPTION=VALUE", help="Option of the model; repeatable.")
]
RunDir = Annotated[
    Path | None, typer.Option(help="Run folder; must not exist.", show_default="runs/NAME-DATASET-DATE-TIME")
]


def load_own_data(
    name: str,
    *,
    seed: int,
    size: int | None,
    color: bool | None,
    invert: bool,
    target: str | None,
    group: str | None,
    levels: int | None,
    split: str | None,
) -> Any:
    """Loads a data set of the user's own as the options of the command say.

    Args:
        name: Name or path of the data set.
        seed: Random seed of the split.
        size: Height and width of pictures.
        color: Whether to read colors.
        invert: Whether to exchange dark and light.
        target: Column of a table with the labels.
        group: Column of a table by which examples stay together.
        levels: Number that divides arrays.
        split: Shares of the three parts, as in `"0.8,0.1,0.1"`.

    Returns:
        The data set; the name itself if no option is given.

    Raises:
        InvalidValue: The shares are not three numbers that add up to 1, or the data do not suit training.
    """
    settings: dict[str, Any] = {"size": size, "color": color, "invert": invert or None}
    settings |= {"target": target, "group": group, "levels": levels}
    settings = {key: value for key, value in settings.items() if value is not None}
    if split is not None:
        settings |= _parse_split(split)
    if not settings:
        return name
    return zoo.datasets.load(name, seed=seed, **settings)


def _parse_split(text: str) -> dict[str, float]:
    """Returns the share of the test set, and of the validation set in what the test set leaves.

    >>> _parse_split("0.6,0.2,0.2")
    {'test': 0.2, 'validation': 0.25}
    """
    try:
        train, validation, test = (float(part) for part in text.split(","))
    except ValueError:
        train = validation = test = 0.0
    if not min(train, test) > 0 or not validation >= 0 or not abs(train + validation + test - 1) < 1e-6:
        raise InvalidValue(f"--split must be three shares that add up to 1, as in 0.8,0.1,0.1; got {text}.")
    return {"test": test, "validation": round(validation / (train + validation), 12)}


def parse_model_options(name: str, settings: Sequence[str], parameters: Sequence[Any] = ()) -> dict[str, Any]:
    """Parses the options of a model.

    Args:
        name: Name of the model.
        settings: Values of `--set`, such as `"depth=4"`.
        parameters: Parameters of the command, to which an option that is not the model's may belong.

    Raises:
        InvalidValue: A value is invalid or not of the form OPTION=VALUE, or the option is the command's own.
        UnknownName: Unknown option.

    >>> parse_model_options("deep_mlp", ["depth=4"])
    {'depth': 4}
    """
    annotations = {key: option.annotation for key, option in zoo.card(name).options.items()}
    return parse_settings(name, settings, annotations, {parameter.name: parameter.opts[0] for parameter in parameters})


def parse_settings(
    name: str, settings: Sequence[str], annotations: Mapping[str, Any], flags: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Parses values of `--set` by their annotations; see `parse_model_options`."""
    options = {}
    for option, value in map(split_setting, settings):
        if option not in annotations:
            flag = (flags or {}).get(option, "")
            if flag.startswith("--"):
                raise InvalidValue(f"{option} is an option of the training, not of {name}; use {flag} {value}.")
            raise unknown("option", option, annotations, of=name)
        options[option] = parse(option, value, annotations[option])
    return options


def split_setting(setting: str) -> tuple[str, str]:
    """Returns the option and the value of `"depth=4"`.

    Raises:
        InvalidValue: It is not of the form OPTION=VALUE.
    """
    option, equals, value = setting.partition("=")
    if not equals:
        raise InvalidValue(f"--set takes OPTION=VALUE, as in --set depth=4; got {setting!r}.")
    return option, value


def refuse_other_options(context: typer.Context, reason: str, allowed: set[str]) -> None:
    """Raises InvalidValue if an option that has no effect was given on the command line.

    Args:
        context: Context of the command.
        reason: Why other options have no effect.
        allowed: Names of the parameters that have one.
    """
    given = []
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name not in allowed and source is not None and source.name == "COMMANDLINE":
            option = parameter.opts[0]
            given.append(option if option[0] == "-" else f"the model name, {context.params[option]}")
    if given:
        raise InvalidValue(f"{reason}; leave out {' and '.join(given)}.")
