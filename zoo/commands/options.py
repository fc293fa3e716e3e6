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
DatasetName = Annotated[str, typer.Option(help="Data set name; see `zoo datasets`.")]
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
