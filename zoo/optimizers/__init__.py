"""Optimizers of the papers that Keras does not have."""

from zoo.optimizers.curvature import EstimateCurvature
from zoo.optimizers.diagonal_levenberg_marquardt import DiagonalLevenbergMarquardt
from zoo.optimizers.momentum_sgd import MomentumSGD

__all__ = ["DiagonalLevenbergMarquardt", "EstimateCurvature", "MomentumSGD"]
