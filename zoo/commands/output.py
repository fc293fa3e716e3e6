"""What the commands print: text and tables in which no word is broken."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

out = Console(highlight=False, markup=False)


def make_table(*columns: str, gap: int = 2) -> Table:
    """Returns an empty table without lines.

    Args:
        *columns: Headers of the columns.
        gap: Number of spaces between two columns. Defaults to 2.
    """
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, gap, 0, 0))
    for number, column in enumerate(columns):
        table.add_column(column, no_wrap=number == 0)
    return table


def print_table(table: Table) -> None:
    """Prints a table without breaking a word: rich shrinks the widest column, whatever its words."""
    least, gap = longest_words(table), table.padding[1]
    most = [max(len(line) for cell in cells for line in cell.split("\n")) + gap for cells in _cells(table)]
    wanted = [max(wide - few, 0) for wide, few in zip(most, least, strict=True)]
    spare = min(max(out.width - sum(least), 0), sum(wanted))
    for number, column in enumerate(table.columns):
        width = least[number] + spare * wanted[number] // max(sum(wanted), 1)
        column.width = width if column is table.columns[-1] else width - gap
    table.width = sum(least) + spare
    out.print(table, crop=False)


def longest_words(table: Table) -> list[int]:
    """Returns the width that each column needs for its longest word, the gap included."""
    widths = [max((len(word) for cell in cells for word in cell.split()), default=0) for cells in _cells(table)]
    widths[0] = max(map(len, _cells(table)[0]))  # the name of a row stays on one line
    return [width + table.padding[1] for width in widths[:-1]] + widths[-1:]


def _cells(table: Table) -> list[list[str]]:
    return [[str(column.header), *map(str, column.cells)] for column in table.columns]


def print_files(folder: Path) -> None:
    """Prints the names of the files in a folder."""
    names = sorted(path.name for path in folder.iterdir() if path.name[0] != ".")
    out.print(f"files in {folder}: {', '.join(names)}", soft_wrap=True)


def format_value(value: object) -> str:
    """Returns a value of a recipe or a setting as it is shown in a table."""
    if isinstance(value, Mapping):
        return "\n".join(f"{key}={item}" for key, item in value.items())
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
