"""Published figures and ours, row by row: `reproduce("nielsen-2")` trains what a row says and fills it in.

The rows are data, `results.csv` beside this file. README's table is made of it.
"""

from __future__ import annotations

import math
import os
import platform
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import datasets
from zoo.errors import InvalidValue, RunFailed, unknown
from zoo.models.catalogue import card
from zoo.recipes import LEGAL as RECIPE
from zoo.utils.constraints import parse
from zoo.utils.files import replacing

if TYPE_CHECKING:
    import pandas as pd

TABLE = Path(__file__).with_name("results.csv")
MEASURED = ("ours", "ours_by_seed", "short_by", "minutes", "hardware")
COLUMNS = ("row", "model", "data", "recipe", "options", "validation", "seeds", "metric", "published", "source")
_SHARES = ("accuracy", "val_accuracy")
_TESTED = 10_000  # examples that a published accuracy on MNIST is of


def read(path: str | Path = TABLE) -> pd.DataFrame:
    """Reads a table of results, each cell as its text.

    Args:
        path: The table; the zoo's own by default.

    Raises:
        InvalidValue: There is none, or a column is missing.

    >>> read()["row"].tolist()[:2]
    ['nielsen-1', 'nielsen-2']
    """
    import pandas as pd

    if not Path(path).is_file():
        raise InvalidValue(f"There is no table of results {path}.")
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    if missing := [name for name in (*COLUMNS, *MEASURED, "note") if name not in table]:
        raise InvalidValue(f"{path} is no table of results: it has no column {missing[0]}.")
    return table


def reproduce(
    row: str = "all", *, results: str | Path = "results.csv", runs: str | Path = "runs/reproduce", progress: bool = True
) -> pd.DataFrame:
    """Trains what rows of the table say, and writes what came out beside what was published.

    The table is rewritten after every row, as a whole. A run that is in `runs` already is gone on with where it stands;
    remove it to train anew.

    Args:
        row: A row's name, or `"all"`.
        results: The table to bring up to date; made from the zoo's own where there is none.
        runs: Where the run folders go, one a row and seed.
        progress: Whether to show how far it is, on standard error.

    Returns:
        The table.

    Raises:
        UnknownName: No such row.
        InvalidValue: The table is none.
        RunFailed: A training was interrupted, or failed. The rows before it stand.
    """
    results = Path(results)
    if not results.exists():
        results.parent.mkdir(parents=True, exist_ok=True)
        with replacing(results) as temporary:
            shutil.copyfile(TABLE, temporary)
    table = read(results)
    names = table["row"].tolist()
    if row != "all" and row not in names:
        raise unknown("row", row, [*names, "all"])
    for name in names if row == "all" else [row]:
        measured = _measure(_row(table, name), Path(runs, name), progress)
        for column, value in measured.items():
            table.loc[table["row"] == name, column] = value
        with replacing(results) as temporary:
            table.to_csv(temporary, index=False)
    return table


def _row(table: pd.DataFrame, name: str) -> dict[str, str]:
    return {column: str(table.loc[table["row"] == name, column].iloc[0]) for column in map(str, table)}


def _measure(row: dict[str, str], folder: Path, progress: bool) -> dict[str, str]:
    """Returns the measured columns of a row."""
    found, seconds = [], 0.0
    for seed in map(int, row["seeds"].split()):
        run = _run(row, folder.with_name(f"{folder.name}-{seed}"), seed, progress)
        if run.status != "finished":
            raise RunFailed(f"The training in {run.folder} was interrupted; the same command goes on with it.")
        value = _figure(run, row, seed)
        found.append(100 * value if row["metric"] in _SHARES else value)
        seconds += run.seconds
    mean = sum(found) / len(found)
    short = float(row["published"]) - mean
    return {
        "ours": f"{mean:.2f}",
        "ours_by_seed": " ".join(f"{each:.2f}" for each in found),
        "short_by": f"{short:.2f}" if short > margin(row) else "",
        "minutes": f"{seconds / len(found) / 60:.1f}",
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, shared",
    }


def _figure(run: Any, row: dict[str, str], seed: int) -> float:
    metric = row["metric"]
    if metric == "test_log_likelihood":
        return _log_likelihood(run.model.rbm, row["data"], seed)
    return float(run.test[metric] if metric == "accuracy" else run.metrics[metric].iloc[-1])


def _log_likelihood(rbm: Any, dataset: str, seed: int) -> float:
    """Returns an RBM's mean log-likelihood of test images, whose pixels are drawn by their grey, as was published."""
    import numpy as np

    from zoo.experiments.rbm.study import binarize, estimate_likelihood

    data, draw = datasets.load(dataset), np.random.default_rng(seed)
    train, test = (binarize(split.x, draw) for split in (data.train, data.test))
    return float(estimate_likelihood(rbm, train, test, runs=100, seed=seed)["test_log_likelihood"].iloc[0])


def margin(row: dict[str, str]) -> float:
    """Returns how much higher a published figure may be by chance: of an accuracy, half its 95 % interval.

    >>> round(margin({"metric": "accuracy", "published": "99.05"}), 2)
    0.19
    """
    if row["metric"] not in _SHARES:
        return 0.0
    share = float(row["published"]) / 100
    return 100 * 1.96 * math.sqrt(share * (1 - share) / _TESTED)


def _run(row: dict[str, str], folder: Path, seed: int, progress: bool) -> Any:
    from zoo.training import resume, train

    if (folder / "config.json").is_file():
        return resume(folder, progress=progress)
    return train(
        row["model"],
        row["data"],
        recipe=row["recipe"],
        **settings_of(row),
        validation=int(row["validation"]) if row["validation"] else None,
        seed=seed,
        run_dir=folder,
        progress=progress,
    )


def settings_of(row: dict[str, str]) -> dict[str, Any]:
    """Returns what a row's `options` say as arguments of `zoo.train`: the model's options, and `epochs` and the like.

    >>> settings_of({"model": "deep_mlp", "options": "depth=2 width=30 epochs=60"})
    {'options': {'depth': 2, 'width': 30}, 'epochs': 60}
    """
    known = card(row["model"]).options
    settings: dict[str, Any] = {"options": {}}
    for name, _, value in (setting.partition("=") for setting in row["options"].split()):
        if name in known:
            settings["options"][name] = parse(name, value, known[name].annotation)
        else:
            settings[name] = parse(name, value, RECIPE[name])
    return settings


def markdown(table: pd.DataFrame) -> str:
    """Returns the table as README has it.

    Args:
        table: What `read` returned.
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
