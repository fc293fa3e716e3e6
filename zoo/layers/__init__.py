"""Layers that Keras does not have. Each is serializable and can be used on its own.

After importing this package, Keras can open saved models that contain these layers.
"""

# Registered with Keras for the same files.
from zoo import activations, initializers, losses, metrics, optimizers  # noqa: F401
from zoo.layers.corruption import Corruption
from zoo.layers.digit_width import DigitWidth
from zoo.layers.distortion import Distortion
from zoo.layers.partial_conv2d import PartialConv2D
from zoo.layers.rbf_output import RBFOutput
from zoo.layers.rbm import RBM
from zoo.layers.subsampling import Subsampling
from zoo.layers.tied_dense import TiedDense

__all__ = ["RBM", "Corruption", "DigitWidth", "Distortion", "PartialConv2D", "RBFOutput", "Subsampling", "TiedDense"]
