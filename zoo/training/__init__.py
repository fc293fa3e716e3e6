"""Training by name: `train("deep_mlp", "mnist", recipe="nielsen")` leaves a run folder behind."""

from zoo.training.probing import probe
from zoo.training.trainer import Run, train

__all__ = ["Run", "probe", "train"]
