"""Training of the rows of a table of results."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import datasets
from zoo.errors import RunFailed, unknown
from zoo.models.catalogue import card
from zoo.recipes import LEGAL
from zoo.reproduction.results import SHARES, TABLE, margin, read
from zoo.utils.constraints import parse
from zoo.utils.files import replacing

if TYPE_CHECKING:
    import pandas as pd


def reproduce(
    row: str = "all", *, results: str | Path = "results.csv", runs: str | Path = "runs/reproduce", progress: bool = True
) -> pd.DataFrame:
    """Trains rows of a table of results and writes our figures beside the published ones.

    The table is rewritten after every row. Existing runs are resumed; remove them to train again.

    Args:
        row: Name of a row, or `"all"`. Defaults to `"all"`.
        results: Table to update, which is made from the zoo's own if it does not exist.
        runs: Directory of the run folders, one per row and seed.
        progress: Whether to show the progress on standard error.

    Returns:
        The table.

    Raises:
        UnknownName: Unknown row.
        InvalidValue: The table is invalid.
        RunFailed: A training was interrupted, or failed. The earlier rows are written.
    """
    results = Path(results)
    table = read(results if results.exists() else TABLE)
    names = table["row"].tolist()
    if row != "all" and row not in names:
        raise unknown("row", row, [*names, "all"])
    results.parent.mkdir(parents=True, exist_ok=True)
    for name in names if row == "all" else [row]:
        number = names.index(name)
        cells = {str(column): str(value) for column, value in table.loc[number].items()}
        measured = _measure(cells, Path(runs, name), progress)
        table.loc[number, list(measured)] = list(measured.values())
        with replacing(results) as temporary:
            table.to_csv(temporary, index=False)
    return table


def settings_of(row: dict[str, str]) -> dict[str, Any]:
    """Returns the `options` of a row as arguments of `zoo.train`: the model's options, and `epochs` and the like.

    >>> settings_of({"model": "deep_mlp", "options": "depth=2 width=30 epochs=60"})
    {'options': {'depth': 2, 'width': 30}, 'epochs': 60}
    """
    options = card(row["model"]).options
    settings: dict[str, Any] = {"options": {}}
    for name, _, value in (setting.partition("=") for setting in row["options"].split()):
        if name in options:
            settings["options"][name] = parse(name, value, options[name].annotation)
        else:
            settings[name] = parse(name, value, LEGAL[name])
    return settings


def _measure(row: dict[str, str], folder: Path, progress: bool) -> dict[str, str]:
    """Returns the measured columns of a row."""
    values, seconds = [], 0.0
    for seed in map(int, row["seeds"].split()):
        run = _train(row, folder.with_name(f"{folder.name}-{seed}"), seed, progress)
        if run.status != "finished":
            raise RunFailed(f"The training in {run.folder} was interrupted; the same command resumes it.")
        values.append(_read_metric(run, row, seed) * (100 if row["metric"] in SHARES else 1))
        seconds += run.seconds
    mean = sum(values) / len(values)
    short = float(row["published"]) - mean
    return {
        "ours": f"{mean:.2f}",
        "ours_by_seed": " ".join(f"{value:.2f}" for value in values),
        "short_by": f"{short:.2f}" if short > margin(row) else "",
        "minutes": f"{seconds / len(values) / 60:.1f}",
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, shared",
    }


def _train(row: dict[str, str], folder: Path, seed: int, progress: bool) -> Any:
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


def _read_metric(run: Any, row: dict[str, str], seed: int) -> float:
    metric = row["metric"]
    if metric == "test_log_likelihood":
        return _estimate_log_likelihood(run.model.rbm, row["data"], seed)
    return float(run.test[metric] if metric == "accuracy" else run.metrics[metric].iloc[-1])


def _estimate_log_likelihood(rbm: Any, dataset: str, seed: int) -> float:
    """Returns an RBM's mean log-likelihood of test images with pixels drawn by their gray levels, as published."""
    import numpy as np

    from zoo.experiments.rbm.study import binarize, estimate_likelihood

    data, random = datasets.load(dataset), np.random.default_rng(seed)
    train, test = (binarize(split.x, random) for split in (data.train, data.test))
    return float(estimate_likelihood(rbm, train, test, runs=100, seed=seed)["test_log_likelihood"].iloc[0])
