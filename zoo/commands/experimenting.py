"""`zoo experiment`, `zoo reproduce`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo import experiments
from zoo.commands.options import RunDir, parse_settings, split_setting
from zoo.commands.output import format_value, make_table, out, print_files, print_table
from zoo.errors import InvalidValue


def experiment(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help=f"{', '.join(experiments.names())}.")] = None,
    dataset: Annotated[
        str | None, typer.Option(help="Data set name; digits for a quick look.", show_default="the experiment's own")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SETTING=VALUE", help="Setting of the experiment, as in seeds=3; repeatable."),
    ] = None,
    run_dir: RunDir = None,
) -> None:
    """Answer a question of the lecture with tables and figures; without a name, list the questions."""
    if name is None:
        if dataset or set_ or run_dir:
            raise InvalidValue(f"NAME must be one of {', '.join(experiments.names())}; got none.")
        _list_experiments()
        return
    for setting in set_ or []:
        split_setting(setting)  # what can be known before the experiment, and TensorFlow with it, is imported
    experiments.check_arguments(name, dataset, run_dir=run_dir)
    settings = parse_settings(name, set_, experiments.options_of(name)) if set_ else {}
    result, folder = experiments.run(name, dataset, run_dir=run_dir, **settings)
    out.print(result.summary.to_string(index=False))
    print_files(folder)


def reproduce(
    row: Annotated[str, typer.Argument(metavar="[ROW|all]", help="Row of the results, or all.")] = "",
    results: Annotated[Path, typer.Option(help="Table to update.")] = Path("results.csv"),
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table in Markdown.")] = False,
) -> None:
    """Train what was published and compare; without a row, show the table."""
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
    shown = make_table(*(name.replace("_", " ") for name in names), gap=1)
    for record in table.to_dict("records"):
        shown.add_row(*(record[name] for name in names))
    print_table(shown)


def _list_experiments() -> None:
    table = make_table("experiment", "question", "data set", "settings", gap=1)
    for name in experiments.names():
        card = experiments.card(name)
        settings = "\n".join(f"{key}={format_value(value)}" for key, value in card.settings.items())
        table.add_row(name, card.question, card.dataset, settings)
    print_table(table)
