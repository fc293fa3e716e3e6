"""Data sets as NumPy arrays, in training, validation and test sets: those of the lecture by their names, and your own.

`load("mnist")` loads a data set of the lecture; `load("letters/")` a folder of pictures, an `.npz` or MNIST-like files;
`from_arrays(x, y)` makes one of arrays.

The package is `zoo.datasets`; in a checkout, `import datasets` imports the same package.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from zoo.datasets import digits, mnist, semeion, sequences, toy
from zoo.datasets.arrays import from_arrays
from zoo.datasets.dataset import Dataset, Source
from zoo.datasets.files import is_path, open_path
from zoo.datasets.split import Split
from zoo.datasets.tables import from_table
from zoo.errors import InvalidValue, unknown
from zoo.utils.constraints import Seed, check
from zoo.utils.same_modules import import_as

__all__ = ["Dataset", "Source", "Split", "check_name", "from_arrays", "from_table", "load", "names", "source"]

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


def check_name(name: str | Path) -> None:
    """Checks that a data set exists, without reading it.

    Raises:
        UnknownName: Unknown data set; the message has the nearest name.
        DataError: There is nothing at the path.
        InvalidValue: What is at the path is no data set.
    """
    if str(name) not in _sources:
        if not is_path(str(name)):
            raise unknown("data set", name, _sources)
        open_path(name)


def load(name: str | Path, *, validation: float | int | None = None, seed: int = 0, **settings: Any) -> Dataset:
    """Loads a data set, split into training, validation and test examples.

    Args:
        name: Name of the data set, one of `names()`; or the path of your own: a folder with one subfolder of pictures
            per class (or `train`, `validation` and `test` of such), an `.npz` with the arrays `x` and `y` (or
            `x_train`, `y_train`, `x_test` ...), a folder with IDX files named as MNIST's, or a `.csv` or `.parquet`
            table.
        validation: Size of the validation set: a share of the training part in (0, 1), a number of examples, or 0 for
            none. Defaults to a tenth; for `mnist`, the last 10,000, as Nielsen splits it.
        seed: Random seed of the shuffled, stratified splits and of the generated problems. Defaults to 0. `mnist` comes
            split and does not depend on it.
        **settings: For your own data: `test`, the size of the test set, as `validation`, of all examples (defaults to
            0.2); `class_names`, their order; `levels`, the number that brings arrays to [-1, 1]; for pictures `size`,
            their height and width after resizing, `color`, whether to keep colors, and `invert`, whether to exchange
            dark and light; for a table `target`, the column of the labels, `drop`, columns to leave out, and `group`,
            the column by which examples stay together.

    Returns:
        The data set. Images are float32 of shape `(height, width, 1)` in [0, 1], labels int64; `datasets.sequences`
        documents the labels of sequences.

    Raises:
        UnknownName: Unknown data set; the message has the nearest name.
        InvalidValue: `validation`, `seed` or a setting is out of range, or the data do not suit training; see
            `from_arrays`.
        DataError: A file is damaged, has other content, or cannot be downloaded; the message says where to
            put a valid copy.

    >>> data = load("digits", seed=1)
    >>> len(data.train), len(data.validation), len(data.test)
    (1294, 144, 359)
    """
    if is_path(str(name)) and str(name) not in _sources:
        data = open_path(name, **settings)(validation, check("seed", seed, Seed))
        name = Path(name).expanduser().resolve()
        return replace(data, loaded=_describe(name, seed, validation, settings))
    if settings:
        raise InvalidValue(f"{next(iter(settings))} is a setting of your own data; got it for {name}.")
    data = source(str(name)).load(validation=validation, seed=seed)
    return replace(data, loaded=_describe(name, seed, validation, {}))


def _describe(name: str | Path, seed: int, validation: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the arguments of `load`, without those that are None."""
    given = {"name": str(name), "seed": int(seed), "validation": validation, **settings}
    return {argument: value for argument, value in given.items() if value is not None}


import_as(__name__, "zoo.datasets")
