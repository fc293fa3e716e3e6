"""Searches for a model's hyperparameters with KerasTuner: `tuning.search("deep_mlp", "digits")`."""

import importlib
from typing import TYPE_CHECKING, Any

from tuning.spaces import Choice, Range, Space, space

if TYPE_CHECKING:
    from tuning.hypermodels import HyperModel
    from tuning.results import SearchResult
    from tuning.searching import resume, search
    from tuning.winner import train

__all__ = ["Choice", "HyperModel", "Range", "SearchResult", "Space", "resume", "search", "space", "train"]

# What imports KerasTuner, or pandas.
_home = {
    "HyperModel": "hypermodels",
    "SearchResult": "results",
    "resume": "searching",
    "search": "searching",
    "train": "winner",
}


def __getattr__(name: str) -> Any:
    if name in _home:
        return getattr(importlib.import_module(f"tuning.{_home[name]}"), name)
    raise AttributeError(f"module 'tuning' has no attribute {name!r}")
