"""Training by name: `train("deep_mlp", "mnist", recipe="nielsen")`; and `fit`, for any Keras model."""

import importlib
from typing import TYPE_CHECKING, Any

from zoo.training.probing import probe
from zoo.training.trainer import Run, resume, train

if TYPE_CHECKING:
    from zoo.training.loop import SlowFit, fit

__all__ = ["Run", "SlowFit", "fit", "probe", "resume", "train"]


def __getattr__(name: str) -> Any:
    if name in ("SlowFit", "fit"):  # what imports TensorFlow
        return getattr(importlib.import_module("zoo.training.loop"), name)
    raise AttributeError(f"module 'zoo.training' has no attribute {name!r}")
