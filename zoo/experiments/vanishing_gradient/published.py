"""Numbers that Nielsen published.

Nielsen, «Neural Networks and Deep Learning», 2015, chapter 5, and `fig/norms_during_training_*_layers.json`
in its repository.
"""

from __future__ import annotations

# Validation accuracy of a single run, by number of hidden layers of 30.
ACCURACY: dict[int, float] = {1: 0.9648, 2: 0.9690, 3: 0.9657, 4: 0.9653}

# Norms before an update, from the layer nearest the input on; by number of hidden layers, then of updates.
LEARNING_SPEED: dict[int, dict[int, tuple[float, ...]]] = {
    2: {
        0: (0.06574, 0.3092),
        1: (0.04297, 0.21697),
        10: (0.008930, 0.04038),
        50: (0.001017, 0.001342),
        100: (0.001488, 0.001857),
        200: (0.002080, 0.003368),
        300: (0.002489, 0.005167),
        400: (0.003026, 0.007530),
        499: (0.0034346, 0.0096304),
    },
    3: {0: (0.012, 0.060, 0.283)},
    4: {
        0: (0.0029753, 0.0170767, 0.0695392, 0.2851389),
        1: (0.002016, 0.01189, 0.05368, 0.21309),
        10: (2.659e-4, 1.475e-3, 8.404e-3, 0.03657),
        50: (2.065e-5, 4.803e-5, 2.466e-4, 1.045e-3),
        100: (1.834e-5, 4.240e-5, 2.215e-4, 9.600e-4),
        200: (1.498e-5, 3.747e-5, 2.102e-4, 9.503e-4),
        300: (1.225e-5, 3.315e-5, 2.000e-4, 9.413e-4),
        400: (1.002e-5, 2.939e-5, 1.908e-4, 9.328e-4),
        499: (8.2121e-6, 2.61438e-5, 1.825290e-4, 9.247251e-4),
    },
}
