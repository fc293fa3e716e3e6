"""The classic neural networks, in Keras.

`import zoo` is quick: TensorFlow is imported when a model is first built or trained.
"""

import importlib
from typing import TYPE_CHECKING, Any

from zoo.models.catalogue import card, create, list_models
from zoo.models.registry import ModelCard
from zoo.recipes import Recipe

if TYPE_CHECKING:
    from zoo import datasets, ensembles, layers, pretraining, telemetry, training, tuning
    from zoo.exporting import export
    from zoo.models.layer_table import layer_table
    from zoo.runs.run import open_run
    from zoo.saving.keras_files import load, save
    from zoo.training import Run, resume, train

__version__ = "0.1.0"
__all__ = [
    "ModelCard",
    "Recipe",
    "Run",
    "card",
    "create",
    "datasets",
    "ensembles",
    "export",
    "layer_table",
    "layers",
    "list_models",
    "load",
    "open_run",
    "pretraining",
    "resume",
    "save",
    "telemetry",
    "train",
    "training",
    "tuning",
]

_modules = ("datasets", "ensembles", "layers", "models", "pretraining", "telemetry", "training", "tuning")
_home = {
    "Run": "zoo.training",
    "export": "zoo.exporting",
    "layer_table": "zoo.models.layer_table",
    "load": "zoo.saving.keras_files",
    "open_run": "zoo.runs.run",
    "resume": "zoo.training",
    "save": "zoo.saving.keras_files",
    "train": "zoo.training",
}


def __getattr__(name: str) -> Any:
    if name in _modules:
        return importlib.import_module(f"zoo.{name}")
    if name in _home:
        return getattr(importlib.import_module(_home[name]), name)
    raise AttributeError(f"module 'zoo' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
