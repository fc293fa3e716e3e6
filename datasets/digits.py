"""Optical digits, 8x8, that come with scikit-learn: no download."""

from __future__ import annotations

import numpy as np

from zoo.datasets.dataset import Source


def read(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Returns the 1,797 images `(1797, 8, 8, 1)` in [0, 1] and their labels, whatever the seed."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return (digits.images[..., None] / 16).astype(np.float32), digits.target


SOURCE = Source(
    name="digits",
    title="Handwritten digits, 8x8, 17 grey levels, inside scikit-learn",
    origin="Alpaydin and Kaynak, Optical Recognition of Handwritten Digits (test part), UCI, 1998",
    licence="CC BY 4.0",
    input_shape=(8, 8, 1),
    examples=1797,
    class_names=tuple("0123456789"),
    levels=16,
    read=read,
)
