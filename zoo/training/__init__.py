"""Training by name: `train("deep_mlp", "mnist", recipe="nielsen")`; and `fit`, for any Keras model."""

import importlib
from typing import TYPE_CHECKING, Any

from zoo.runs.run import Run
from zoo.training.probing import probe
from zoo.training.trainer import resume, train

if TYPE_CHECKING:
    from zoo.loop.fallback import SlowFit
    from zoo.loop.fit import fit
    from zoo.optimizers.curvature import EstimateCurvature
    from zoo.training.in_memory import compile_model, train_in_memory

__all__ = ["EstimateCurvature", "Run", "SlowFit", "compile_model", "fit", "probe", "resume", "train", "train_in_memory"]

# What imports TensorFlow.
_homes = {
    "EstimateCurvature": "zoo.optimizers.curvature",
    "SlowFit": "zoo.loop.fallback",
    "compile_model": "zoo.training.in_memory",
    "fit": "zoo.loop.fit",
    "train_in_memory": "zoo.training.in_memory",
}


def __getattr__(name: str) -> Any:
    if name in _homes:
        return getattr(importlib.import_module(_homes[name]), name)
    raise AttributeError(f"module 'zoo.training' has no attribute {name!r}")
