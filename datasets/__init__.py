"""The data of the lecture, as NumPy arrays: `load("mnist")` gives train, validation and test sets.

Its name is `zoo.datasets`; in a checkout, `import datasets` gives the same package.
"""

from __future__ import annotations

from collections.abc import Mapping

from zoo.datasets import digits, mnist, semeion, sequences, toy
from zoo.datasets.dataset import Dataset, Source, Split
from zoo.errors import unknown
from zoo.utils.same_modules import import_as

__all__ = ["Dataset", "Source", "Split", "load", "names", "source"]

_sources: Mapping[str, Source] = {
    source.name: source for source in (digits.SOURCE, mnist.SOURCE, semeion.SOURCE, *sequences.SOURCES, *toy.SOURCES)
}


def names() -> list[str]:
    """Returns the names that `load` takes.

    >>> names()
    ['digits', 'digits_sequences', 'mnist', 'mnist_sequences', 'moons', 'rings', 'semeion', 'spirals', 'xor']
    """
    return sorted(_sources)


def source(name: str) -> Source:
    """Returns where a data set comes from, without loading it.

    Raises:
        UnknownName: No such data set; the message has the nearest name.

    >>> source("semeion").licence
    'CC BY 4.0'
    """
    if name not in _sources:
        raise unknown("data set", name, _sources)
    return _sources[name]


def load(name: str, *, validation: float | int | None = None, seed: int = 0) -> Dataset:
    """Loads a data set, split into training, validation and test examples.

    Args:
        name: A name of `names()`.
        validation: How many examples of the training part to keep for validation: a share of it in
            (0, 1), a number of examples, 0 for none, None for what is usual with this data set
            (`mnist`: the last 10,000, as Nielsen splits it; the others: a tenth).
        seed: Decides the shuffled, stratified splits and, for the generated problems, the points.
            `mnist` comes split; there it decides nothing.

    Returns:
        The data set. Images are float32 of shape `(height, width, 1)` in [0, 1], labels int64; those of
        sequences are told in `datasets.sequences`.

    Raises:
        UnknownName: No such data set; the message has the nearest name.
        InvalidValue: `validation` or `seed` is out of range.
        DataError: A file is damaged, is another one, or cannot be fetched; the message says where
            a good one can be put.

    >>> data = load("digits", seed=1)
    >>> len(data.train), len(data.validation), len(data.test)
    (1294, 144, 359)
    """
    return source(name).load(validation=validation, seed=seed)


import_as(__name__, "zoo.datasets")
