"""The builders, one family a file; importing them does not import Keras."""

from zoo.models.autoencoder import autoencoder, denoising_autoencoder
from zoo.models.depth_cnn import depth_cnn
from zoo.models.lenet import lenet5, lenet5_relu
from zoo.models.mcdnn import mcdnn_column
from zoo.models.mlp import deep_mlp, dropout_mlp, shallow_mlp
from zoo.models.nielsen_cnn import nielsen_cnn
from zoo.models.pretrained import dbn, generative_dbn, stacked_autoencoder
from zoo.models.rbm import rbm

__all__ = [
    "autoencoder",
    "dbn",
    "deep_mlp",
    "denoising_autoencoder",
    "depth_cnn",
    "dropout_mlp",
    "generative_dbn",
    "lenet5",
    "lenet5_relu",
    "mcdnn_column",
    "nielsen_cnn",
    "rbm",
    "shallow_mlp",
    "stacked_autoencoder",
]
