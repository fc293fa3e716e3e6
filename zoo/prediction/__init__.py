"""Answers of trained models for pictures and arrays of the user's own: `predict(model, "seven.png")`."""

from zoo.prediction.figures import plot_inputs
from zoo.prediction.predictor import classify, list_pictures, predict, read_inputs

__all__ = ["classify", "list_pictures", "plot_inputs", "predict", "read_inputs"]
