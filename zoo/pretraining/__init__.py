"""Greedy layer-wise pre-training, one mechanism for auto-encoders and for Boltzmann machines."""

from zoo.pretraining.greedy import Stage, encode, hidden_layers, output_stage, stages

__all__ = ["Stage", "encode", "hidden_layers", "output_stage", "stages"]
