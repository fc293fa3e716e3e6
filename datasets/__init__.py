"""The data sets of the lecture, as NumPy arrays: `load("mnist")` returns training, validation and test sets.

The package is `zoo.datasets`; in a checkout, `import datasets` imports the same package.
"""

from __future__ import annotations

from collections.abc import Mapping

from zoo.datasets import digits, mnist, semeion, sequences, toy
from zoo.datasets.dataset import Dataset, Source
from zoo.datasets.split import Split
from zoo.errors import unknown
from zoo.utils.same_modules import import_as

__all__ = ["Dataset", "Source", "Split", "load", "names", "source"]

_sources: Mapping[str, Source] = {
    source.name: source for source in (digits.SOURCE, mnist.SOURCE, semeion.SOURCE, *sequences.SOURCES, *toy.SOURCES)
}


def names() -> list[str]:
    """Returns the names of the data sets.

    >>> names()
    ['digits', 'digits_sequences', 'mnist', 'mnist_sequences', 'moons', 'rings', 'semeion', 'spirals', 'xor']
    """
    return sorted(_sources)


def source(name: str) -> Source:
    """Returns the source of a data set, without loading it.

    Raises:
        UnknownName: Unknown data set; the message has the nearest name.

    >>> source("semeion").licence
    'CC BY 4.0'
    """
    if name not in _sources:
        raise unknown("data set", name, _sources)
    return _sources[name]


def load(name: str, *, validation: float | int | None = None, seed: int = 0) -> Dataset:
    """Loads a data set, split into training, validation and test examples.

    Args:
        name: Name of the data set, one of `names()`.
        validation: Size of the validation set: a share of the training part in (0, 1), a number of examples, or 0 for
            none. Defaults to a tenth; for `mnist`, the last 10,000, as Nielsen splits it.
        seed: Random seed of the shuffled, stratified splits and of the generated problems. Defaults to 0. `mnist` comes
            split and does not depend on it.

    Returns:
        The data set. Images are float32 of shape `(height, width, 1)` in [0, 1], labels int64; `datasets.sequences`
        documents the labels of sequences.

    Raises:
        UnknownName: Unknown data set; the message has the nearest name.
        InvalidValue: `validation` or `seed` is out of range.
        DataError: A file is damaged, has other content, or cannot be downloaded; the message says where to
            put a valid copy.

    >>> data = load("digits", seed=1)
    >>> len(data.train), len(data.validation), len(data.test)
    (1294, 144, 359)
    """
    return source(name).load(validation=validation, seed=seed)


import_as(__name__, "zoo.datasets")
