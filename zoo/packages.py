"""The package `datasets` that belongs to the zoo, told apart from Hugging Face's of the same name."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

from zoo.errors import RunFailed


def our_datasets() -> ModuleType:
    """Imports the zoo's own `datasets`.

    Raises:
        RunFailed: Python finds another package of that name.
    """
    ours = Path(__file__).parents[1] / "datasets"
    try:
        datasets = importlib.import_module("datasets")
    except ImportError as error:
        raise RunFailed(f"The package `datasets` of the zoo cannot be imported: {error}. {_REMEDY}") from error
    if getattr(datasets, "DISTRIBUTION", None) != "keras-classic-zoo":
        found = Path(datasets.__file__).parent if datasets.__file__ else "somewhere else"
        raise RunFailed(
            f"Python finds another package called `datasets` at {found} (Hugging Face's, perhaps) in place "
            f"of the zoo's at {ours}. {_REMEDY}"
        )
    return datasets


_REMEDY = "Install the zoo in a virtual environment of its own."
