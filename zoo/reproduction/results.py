"""The table of published figures and ours, `results.csv` beside this file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scipy.stats import norm

from zoo.errors import InvalidValue

if TYPE_CHECKING:
    import pandas as pd

TABLE = Path(__file__).with_name("results.csv")
MEASURED = ("ours", "ours_by_seed", "short_by", "minutes", "hardware")
COLUMNS = ("row", "model", "data", "recipe", "options", "validation", "seeds", "metric", "published", "source")
SHARES = ("accuracy", "val_accuracy")  # metrics in the table as per cent
TESTED = 10_000  # test examples of a published accuracy on MNIST


def read(path: str | Path = TABLE) -> pd.DataFrame:
    """Reads a table of results, each cell as its text.

    Args:
        path: Path of the table. Defaults to the zoo's own.

    Raises:
        InvalidValue: There is no table, or a column is missing.

    >>> read()["row"].tolist()[:2]
    ['nielsen-1', 'nielsen-2']
    """
    import pandas as pd

    if not Path(path).is_file():
        raise InvalidValue(f"There is no table of results {path}.")
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    if missing := [name for name in (*COLUMNS, *MEASURED, "note") if name not in table]:
        raise InvalidValue(f"{path} is not a table of results: the column {missing[0]} is missing.")
    return table


def margin(row: dict[str, str]) -> float:
    """Returns half the 95 % interval of a published accuracy, in points; 0 for other metrics.

    >>> round(margin({"metric": "accuracy", "published": "99.05"}), 2)
    0.19
    """
    if row["metric"] not in SHARES:
        return 0.0
    share = float(row["published"]) / 100
    return float(100 * norm.ppf(0.975) * (share * (1 - share) / TESTED) ** 0.5)


def markdown(table: pd.DataFrame) -> str:
    """Returns a table of results in Markdown.

    Args:
        table: Table of `read`.
    """
    heads: Sequence[str] = ("row", "model, recipe", "published", "ours", "seeds", "minutes", "")
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in table.to_dict("records"):
        options = f" ({row['options']})" if row["options"] else ""
        remarks = [f"**short by {row['short_by']}**"] if row["short_by"] else []
        if not row["ours"]:
            remarks = ["not run yet"]
        cells = (
            f"`{row['row']}`",
            f"`{row['model']}`{options}, `{row['recipe']}`",
            f"{row['published']}, {row['source']}",
            f"**{row['ours']}**" if row["ours"] else "",
            row["ours_by_seed"].replace(" ", ", "),
            row["minutes"],
            "; ".join([*remarks, row["note"]] if row["note"] else remarks),
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
