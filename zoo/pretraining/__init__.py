"""Greedy layer-wise pre-training as denoising autoencoders or as RBMs."""

from zoo.pretraining.greedy import Stage, encode, hidden_layers, output_stage, stages

__all__ = ["Stage", "encode", "hidden_layers", "output_stage", "stages"]
