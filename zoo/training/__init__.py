"""Training by name: `train("deep_mlp", "mnist", recipe="nielsen")`; and `fit`, for any Keras model."""

import importlib
from typing import TYPE_CHECKING, Any

from zoo.training.probing import probe
from zoo.training.trainer import Run, resume, train

if TYPE_CHECKING:
    from zoo.training.curvature import EstimateCurvature
    from zoo.training.loop import SlowFit, fit

__all__ = ["EstimateCurvature", "Run", "SlowFit", "fit", "probe", "resume", "train"]

# What imports TensorFlow.
_homes = {"EstimateCurvature": "zoo.training.curvature", "SlowFit": "zoo.training.loop", "fit": "zoo.training.loop"}


def __getattr__(name: str) -> Any:
    if name in _homes:
        return getattr(importlib.import_module(_homes[name]), name)
    raise AttributeError(f"module 'zoo.training' has no attribute {name!r}")
