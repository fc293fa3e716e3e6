"""MNIST: 70,000 handwritten digits, 28x28."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from zoo.datasets.cache import RemoteFile, open_checked
from zoo.datasets.dataset import Source

FILE = RemoteFile(
    names=("mnist.npz",),
    url="https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
    sha256="731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
    content="78cde6028f05e29a7709d2419dd013b7484ab9f294be46f5eda7315eb2f534ee",
)


def parse(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Reads an `mnist.npz` in Keras' layout: uint8 images and labels, training examples first."""
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        x = np.concatenate([arrays["x_train"], arrays["x_test"]])
        y = np.concatenate([arrays["y_train"], arrays["y_test"]])
    return x, y


def read(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Returns the images `(70000, 28, 28, 1)` in [0, 1] and their labels, whatever the seed."""
    x, y = open_checked(FILE, parse)
    return x[..., None].astype(np.float32) / 255, y


SOURCE = Source(
    name="mnist",
    title="Handwritten digits, 28x28, 256 grey levels",
    origin="LeCun, Cortes and Burges, The MNIST database, 1998",
    licence="CC BY-SA 3.0",
    input_shape=(28, 28, 1),
    examples=70_000,
    class_names=tuple("0123456789"),
    levels=255,
    read=read,
    files=(FILE,),
    test=10_000,
    validation=10_000,
)
