"""Training by name: `train("deep_mlp", "mnist", recipe="nielsen")`; and `fit`, for any Keras model."""

from typing import TYPE_CHECKING

import lazy_loader

from zoo.runs.run import Run
from zoo.training.probing import probe
from zoo.training.trainer import resume, train

if TYPE_CHECKING:
    from zoo.loop.fallback import SlowFit
    from zoo.loop.fit import fit
    from zoo.optimizers.curvature import EstimateCurvature
    from zoo.training.in_memory import compile_model, train_in_memory

__all__ = ["EstimateCurvature", "Run", "SlowFit", "compile_model", "fit", "probe", "resume", "train", "train_in_memory"]

# Names whose modules import TensorFlow.
__getattr__, _, _ = lazy_loader.attach(
    "zoo",
    submod_attrs={
        "loop.fallback": ["SlowFit"],
        "loop.fit": ["fit"],
        "optimizers.curvature": ["EstimateCurvature"],
        "training.in_memory": ["compile_model", "train_in_memory"],
    },
)
