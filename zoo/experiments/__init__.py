"""The lecture's questions, answered by running something: each gives tables and figures."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import unknown
from zoo.packages import our_datasets
from zoo.tensorflow_import import import_tensorflow

if TYPE_CHECKING:
    from zoo.experiments.result import Result

_homes = {"vanishing-gradient": "vanishing_gradient"}


def names() -> list[str]:
    """Returns the names of the experiments.

    >>> names()
    ['vanishing-gradient']
    """
    return sorted(_homes)


def run(
    name: str, dataset: str = "mnist", *, run_dir: str | Path | None = None, **settings: Any
) -> tuple[Result, Path]:
    """Runs an experiment and writes what it found.

    Args:
        name: A name of `names()`.
        dataset: A name of `datasets.names()`.
        run_dir: The folder for its tables (CSV) and figures (PNG), which must not exist; None makes
            `runs/NAME-DATASET-DATE-TIME`.
        **settings: The experiment's own keywords, as in `seeds=100`.

    Returns:
        What it found, and the folder.

    Raises:
        UnknownName: No such experiment or data set; the message has the nearest name.
        InvalidValue: A setting out of range, or a folder that exists.
        DataError: The data cannot be had.
    """
    from zoo.training.run_folder import RunFolder

    if name not in _homes:
        raise unknown("experiment", name, _homes)
    our_datasets().load(dataset)
    folder = RunFolder(run_dir, name=f"{name}-{dataset}")
    import_tensorflow()
    result = importlib.import_module(f"zoo.experiments.{_homes[name]}").run(dataset, **settings)
    return result, result.write(folder)
