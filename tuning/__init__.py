"""Searches for a model's hyperparameters with KerasTuner: `tuning.search("deep_mlp", "digits")`."""

import importlib
from typing import TYPE_CHECKING, Any

from zoo.tuning.spaces import Choice, Range, Space, space
from zoo.utils.same_modules import import_as

if TYPE_CHECKING:
    from zoo.tuning.hypermodels import HyperModel, hypermodel
    from zoo.tuning.results import SearchResult
    from zoo.tuning.searching import resume, search, train

__all__ = ["Choice", "HyperModel", "Range", "SearchResult", "Space", "hypermodel", "resume", "search", "space", "train"]

# Names whose modules import KerasTuner or pandas.
_home = {
    "HyperModel": "hypermodels",
    "hypermodel": "hypermodels",
    "SearchResult": "results",
    "resume": "searching",
    "search": "searching",
    "train": "searching",
}


def __getattr__(name: str) -> Any:
    if name in _home:
        return getattr(importlib.import_module(f"zoo.tuning.{_home[name]}"), name)
    raise AttributeError(f"module 'tuning' has no attribute {name!r}")


import_as(__name__, "zoo.tuning")
