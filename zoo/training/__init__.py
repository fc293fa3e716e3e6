"""Training by name: `train("deep_mlp", "mnist", recipe="nielsen")`; and `fit`, for any Keras model."""

import importlib
from typing import TYPE_CHECKING, Any

from zoo.training.probing import probe
from zoo.training.trainer import Run, resume, train

if TYPE_CHECKING:
    from zoo.loop.fallback import SlowFit
    from zoo.loop.fit import fit
    from zoo.optimizers.curvature import EstimateCurvature

__all__ = ["EstimateCurvature", "Run", "SlowFit", "fit", "probe", "resume", "train"]

# What imports TensorFlow.
_homes = {"EstimateCurvature": "zoo.optimizers.curvature", "SlowFit": "zoo.loop.fallback", "fit": "zoo.loop.fit"}


def __getattr__(name: str) -> Any:
    if name in _homes:
        return getattr(importlib.import_module(_homes[name]), name)
    raise AttributeError(f"module 'zoo.training' has no attribute {name!r}")
