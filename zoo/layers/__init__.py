"""Layers that Keras does not have: each is serialisable, and useful alone."""

from zoo.layers.corruption import Corruption
from zoo.layers.rbm import RBM
from zoo.layers.tied_dense import TiedDense

__all__ = ["RBM", "Corruption", "TiedDense"]
