"""SEMEION: 1,593 digits that some 80 people wrote twice, 16x16, black and white."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from zoo.datasets.cache import RemoteFile, open_checked
from zoo.datasets.dataset import Source

FILE = RemoteFile(
    names=("semeion.data", "semeion.csv"),
    url="https://archive.ics.uci.edu/ml/machine-learning-databases/semeion/semeion.data",
    sha256="f43228ae3da5ea6a3c95069d53450b86166770e3b719dcc333182128fe08d4b1",
    content="d252f0d94596964e10e0687c8fa6bc1066c8a8eb391c591d011b7517c1f643d3",
)


def parse(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Reads the file, separated by spaces or commas: per row 256 pixels and ten columns, the label as one-hot."""
    text = path.read_text("ascii").replace(",", " ")
    table = np.array([line.split() for line in text.splitlines() if line.strip()], np.float32)
    if table.shape[1:] != (266,):
        raise ValueError(f"a row must have 266 numbers; got {table.shape[-1]}")
    if not np.isin(table, (0, 1)).all() or (table[:, 256:].sum(axis=1) != 1).any():
        raise ValueError("numbers must be 0 or 1, with one class per row")
    return table[:, :256].reshape(-1, 16, 16).astype(np.uint8), table[:, 256:].argmax(axis=1).astype(np.uint8)


def read(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Returns the images `(1593, 16, 16, 1)`, 0 or 1, and their labels, whatever the seed."""
    x, y = open_checked(FILE, parse)
    return x[..., None].astype(np.float32), y


SOURCE = Source(
    name="semeion",
    title="Handwritten digits, 16x16, black and white, by some 80 people",
    origin="Semeion Research Center, Rome, and Tattile, Brescia, 1994 (UCI data set 178)",
    licence="CC BY 4.0",
    input_shape=(16, 16, 1),
    examples=1593,
    class_names=tuple("0123456789"),
    read=read,
    files=(FILE,),
    test=0.5,
)
