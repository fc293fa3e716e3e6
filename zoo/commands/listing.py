"""`zoo list`, `zoo show`, `zoo datasets`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

import zoo
from zoo.commands.options import ModelName, parse_model_options
from zoo.commands.output import format_value, longest_words, make_table, out, print_table
from zoo.errors import InvalidValue
from zoo.models.weights import WeightsCard, list_weights
from zoo.recipes import Recipe

if TYPE_CHECKING:
    import pandas as pd


def list_(
    pattern: Annotated[str, typer.Argument(help="Shell pattern, as in '*mlp*'.")] = "*",
    weights: Annotated[bool, typer.Option("--weights", help="List the pre-trained weights instead.")] = False,
) -> None:
    """List the models of the zoo."""
    if weights:
        _list_weights(pattern)
        return
    table = make_table("name", "description", "recipes")
    for name in zoo.list_models(pattern):
        card = zoo.card(name)
        table.add_row(name, card.summary, ", ".join(recipe.name for recipe in card.recipes))
    if table.row_count:
        print_table(table)
    else:
        out.print(f'No model matches "{pattern}".')


def show(
    name: ModelName,
    layers: Annotated[bool, typer.Option("--layers", help="Show the layers and their weights instead.")] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="OPTION=VALUE", help="Option of the model, with --layers; repeatable."),
    ] = None,
) -> None:
    """Show a model's options and recipes, or its layers."""
    card = zoo.card(name)
    if layers:
        _show_layers(zoo.layer_table(zoo.create(name, **parse_model_options(name, set_ or []))))
        return
    if set_:
        raise InvalidValue("--set must come with --layers: options and recipes do not depend on it.")
    out.print(card.name, style="bold")
    out.print(f"{card.summary}\n{card.source}\n")
    options = make_table("option", "default", "values", "meaning")
    for option in card.options.values():
        options.add_row(option.name, str(option.default), option.values, option.help)
    print_table(options)
    for table in _recipe_tables(card.recipes):
        out.print()
        print_table(table)
    for weights in list_weights(name):
        out.print()
        _show_weights(weights)


def datasets(name: Annotated[str | None, typer.Argument(help="Data set to load and show in full.")] = None) -> None:
    """List the data sets, or show one in full."""
    from zoo import datasets

    if name is None:
        table = make_table("name", "description", "shape", "classes", "examples", "license")
        for source in map(datasets.source, datasets.names()):
            shape, classes = "x".join(map(str, source.input_shape)), str(len(source.class_names))
            table.add_row(source.name, source.title, shape, classes, str(source.examples), source.licence)
        print_table(table)
        return
    data = datasets.load(name)
    out.print(data.name, style="bold")
    out.print(f"{data.source.title}\n{data.source.origin}\nlicense {data.source.licence}")
    out.print(f"shape {data.input_shape}\nSHA-256 {data.digest}\n")
    summary = data.summary().reset_index()
    table = make_table(*summary.columns)
    for row in summary.itertuples(index=False):
        table.add_row(*(f"{value:.4f}" if isinstance(value, float) else str(value) for value in row))
    print_table(table)


def _show_layers(frame: pd.DataFrame) -> None:
    totals = frame[["parameters", "trainable", "connections"]].sum()
    table = make_table(*(column.removeprefix("receptive_") for column in frame.columns), gap=1)
    table.columns[1].no_wrap = True
    for column in table.columns[3:6]:
        column.justify = "right"
    for row in frame.itertuples(index=False):
        numbers = (f"{value:,}" if isinstance(value, Integral) else "" for value in row[3:6])  # missing connections
        table.add_row(*row[:3], *numbers, row[6])
    table.add_row("all", "", "", *(f"{total:,}" for total in totals), "")
    out.print(table)


def _recipe_tables(recipes: Sequence[Recipe]) -> Iterator[Table]:
    """Yields the recipes, as many side by side as fit."""
    while recipes:
        tables = [_recipe_table(recipes[:count]) for count in range(1, len(recipes) + 1)]
        count = max(sum(sum(longest_words(table)) <= out.width for table in tables), 1)
        yield tables[count - 1]
        recipes = recipes[count:]


def _recipe_table(recipes: Sequence[Recipe]) -> Table:
    table = make_table("recipe", *(recipe.name for recipe in recipes), gap=1)
    for field in dataclasses.fields(Recipe)[1:]:
        table.add_row(field.name, *(_format_field(getattr(recipe, field.name)) for recipe in recipes))
    return table


def _format_field(value: object) -> str:
    if not isinstance(value, Recipe):
        return str(value) if isinstance(value, tuple) else format_value(value)
    content = {key: item for key, item in value.to_dict().items() if item not in ("", {}, None)}
    del content["name"], content["summary"]
    return "\n".join(f"{key}: {_format_field(item)}" for key, item in content.items())


def _list_weights(pattern: str) -> None:
    cards = list_weights(pattern)
    if not cards:
        out.print(f'No model with weights matches "{pattern}".')
        return
    table = make_table("model", "weights", "parameters", "on the test set", "95 % interval", gap=1)
    for card in cards:
        values = [f"{name} {metric['value']:.4f}" for name, metric in card.metrics.items()]
        intervals = [f"{metric['low']:.4f} to {metric['high']:.4f}" for metric in card.metrics.values()]
        table.add_row(card.model, card.name, f"{card.parameters:,}", "\n".join(values), "\n".join(intervals))
    print_table(table)
    out.print("\nCommands that trained them:")
    for card in cards:
        out.print(card.command, soft_wrap=True)


def _show_weights(card: WeightsCard) -> None:
    data = card.origin.data
    table = make_table("weights", card.name)
    table.add_row("parameters", f"{card.parameters:,}")
    for name, metric in card.metrics.items():
        table.add_row(name, f"{metric['value']:.4f} ({metric['low']:.4f} to {metric['high']:.4f})")
    table.add_row("data", f"{data['title']}; {data['origin']}; {data['licence']}")
    table.add_row("versions", ", ".join(f"{package} {version}" for package, version in card.versions.items()))
    table.add_row("SHA-256", card.sha256)
    table.add_row("limits", card.limits)
    print_table(table)
    out.print(f"trained by: {card.command}", soft_wrap=True)
