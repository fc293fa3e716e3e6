"""The builders, one family a file; importing them does not import Keras."""

from zoo.models.mlp import deep_mlp, dropout_mlp, shallow_mlp

__all__ = ["deep_mlp", "dropout_mlp", "shallow_mlp"]
