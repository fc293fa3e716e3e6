"""The classic neural networks, in Keras.

`import zoo` is quick: TensorFlow is imported when a model is first built or trained.
"""

import importlib
from typing import TYPE_CHECKING, Any

from zoo.recipes import Recipe
from zoo.registry import ModelCard, card, create, list_models

if TYPE_CHECKING:
    from zoo import telemetry, training
    from zoo.saving import load, save
    from zoo.summaries import layer_table
    from zoo.training import Run, resume, train

__version__ = "0.1.0"
__all__ = [
    *("ModelCard", "Recipe", "Run", "card", "create", "layer_table", "list_models", "load", "resume", "save"),
    *("telemetry", "train"),
    "training",
]


def __getattr__(name: str) -> Any:
    if name in ("telemetry", "training", "models"):
        return importlib.import_module(f"zoo.{name}")
    if name == "layer_table":
        return importlib.import_module("zoo.summaries").layer_table
    if name in ("Run", "resume", "train"):
        return getattr(importlib.import_module("zoo.training"), name)
    if name in ("load", "save"):
        return getattr(importlib.import_module("zoo.saving"), name)
    raise AttributeError(f"module 'zoo' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
