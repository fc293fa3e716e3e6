"""A data set as arrays, and the source that it is read and split from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from zoo.datasets.cache import RemoteFile, find
from zoo.datasets.split import Split, count_examples, make_batches, split_off
from zoo.errors import InvalidValue
from zoo.utils.constraints import Count, Seed, check

if TYPE_CHECKING:
    import pandas as pd
    import tensorflow as tf

Part = Literal["train", "validation", "test"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set in memory.

    Args:
        source: Source, with its name, license and classes.
        train: Training examples.
        validation: Validation examples, or None.
        test: Test examples.
        loaded: Arguments of `datasets.load` that it was loaded with: `name`, which may be a path, `seed` and so on.
            Defaults to none, for a data set that cannot be loaded again.

    >>> from zoo import datasets
    >>> data = datasets.load("digits")
    >>> data.input_shape, data.classes
    ((8, 8, 1), 10)
    """

    source: Source
    train: Split
    validation: Split | None
    test: Split
    loaded: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name that it is loaded by."""
        return self.source.name

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return self.train.x.shape[1:]

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.source.class_names)

    @property
    def longest(self) -> int | None:
        """Length of the longest sequence; None if an example has one label."""
        return None if self.train.y.ndim == 1 else self.train.y.shape[1] - 1

    @property
    def splits(self) -> dict[str, Split]:
        """Existing splits by name."""
        splits = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in splits.items() if split is not None}

    @property
    def class_counts(self) -> dict[str, np.ndarray]:
        """Number of examples of each class by split; for sequences, of digits."""
        labels = {name: split.y if self.longest is None else split.y[:, 1:] for name, split in self.splits.items()}
        return {name: np.bincount(values.ravel(), minlength=self.classes) for name, values in labels.items()}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all splits in order: equal digests mean the same data, split in the same way."""
        sha = hashlib.sha256()
        for name, split in self.splits.items():
            sha.update(f"{name} {split.x.shape} ".encode())
            sha.update(np.ascontiguousarray(split.x).data)
            sha.update(np.ascontiguousarray(split.y).data)
        return sha.hexdigest()

    def summary(self) -> pd.DataFrame:
        """Returns a table with one row per split: its number of examples, in all and of each class, and its mean input.

        >>> from zoo import datasets
        >>> datasets.load("digits").summary()["examples"].to_dict()
        {'train': 1294, 'validation': 144, 'test': 359}
        """
        import pandas as pd

        counts = self.class_counts
        table = pd.DataFrame(counts.values(), index=list(counts), columns=list(self.source.class_names))
        table.insert(0, "examples", [len(split) for split in self.splits.values()])
        table["mean_input"] = [float(split.x.mean()) for split in self.splits.values()]
        return table.rename_axis("split")

    def pipeline(
        self, part: Part = "train", *, batch_size: int = 32, shuffle: bool | None = None, seed: int = 0
    ) -> tf.data.Dataset:
        """Returns a split as a `tf.data.Dataset` of `(x, y)` batches; the last one may be smaller.

        Args:
            part: `"train"`, `"validation"` or `"test"`. Defaults to `"train"`.
            batch_size: Number of examples in a batch. Defaults to 32.
            shuffle: Whether to draw a new order at every pass. Defaults to True for `"train"` alone.
            seed: Random seed of the orders. Defaults to 0.

        Raises:
            InvalidValue: There is no such split, or the batch size is below 1.

        >>> from zoo import datasets
        >>> x, y = next(iter(datasets.load("moons").pipeline(batch_size=10)))
        >>> tuple(x.shape), tuple(y.shape)
        ((10, 2), (10,))
        """
        if part not in self.splits:
            raise InvalidValue(f"part must be one of {', '.join(map(repr, self.splits))}; got {part!r}.")
        batch_size = check("batch_size", batch_size, Count)
        split = self.splits[part]
        shuffle = part == "train" if shuffle is None else shuffle
        return make_batches(split.x, split.y, batch_size, shuffle=shuffle, seed=seed)

    def with_labels(self, count: int, *, seed: int = 0) -> Dataset:
        """Returns the data set with fewer training examples, in equal shares by class (sequences: by length).

        Args:
            count: Number of training examples, at least one per class or length.
            seed: Random seed of the choice. Defaults to 0.

        Raises:
            InvalidValue: There are fewer examples, or more classes or lengths.

        >>> from zoo import datasets
        >>> datasets.load("digits").with_labels(100).class_counts["train"].tolist()
        [10, 10, 10, 10, 10, 10, 10, 10, 10, 10]
        """
        count = check("labels", count, Count)
        kinds, kind = (self.classes, "class") if self.longest is None else (self.longest, "length")
        if not kinds <= count <= len(self.train):
            raise InvalidValue(f"labels must be from {kinds}, one per {kind}, to {len(self.train)}; got {count}.")
        label_of = self.train.y if self.longest is None else self.train.y[:, 0]
        order = np.random.default_rng(seed).permutation(len(self.train))
        # The first of every class, then the second of every class, and so on.
        rank = np.empty(len(order), int)
        for label in range(kinds):
            of_class = order[label_of[order] == label]
            rank[of_class] = np.arange(len(of_class))
        rows = order[np.argsort(rank[order], kind="stable")]
        rows = np.sort(rows[:count])
        return replace(self, train=Split(self.train.x[rows], self.train.y[rows]))

    def folds(self, *, repeats: int = 5, splits: int = 2, seed: int = 0) -> Iterator[Dataset]:
        """Yields stratified cross-validation folds over all examples, without validation sets.

        The defaults give the 5x2 folds that the authors of SEMEION recommend: five times, one half to train and the
        other to test, then the other way round.

        Args:
            repeats: Number of times that all examples are split anew. Defaults to 5.
            splits: Number of parts of each repetition; each part is the test set once. Defaults to 2.
            seed: Random seed of the parts. Defaults to 0.

        Yields:
            `repeats * splits` data sets.

        Raises:
            InvalidValue: The examples are sequences.

        >>> from zoo import datasets
        >>> [len(fold.test) for fold in datasets.load("digits").folds(repeats=1)]
        [899, 898]
        """
        from sklearn.model_selection import RepeatedStratifiedKFold

        if self.longest is not None:
            # Shuffled together, the same digits would be in sequences to train on and to test.
            raise InvalidValue(
                f"{self.name} has sequences, which have no folds; make sequences of each fold of the digits."
            )
        x = np.concatenate([split.x for split in self.splits.values()])
        y = np.concatenate([split.y for split in self.splits.values()])
        folds = RepeatedStratifiedKFold(n_splits=splits, n_repeats=repeats, random_state=seed)
        for train, test in folds.split(x, y):
            parts: Any = {"train": Split(x[train], y[train]), "validation": None, "test": Split(x[test], y[test])}
            yield replace(self, **parts, loaded={})


@dataclass(frozen=True)
class Source:
    """Where a data set comes from, and how it is read and split.

    Args:
        name: Name that it is loaded by.
        title: Description in one line.
        origin: Authors and publication.
        licence: License.
        input_shape: Shape of one example.
        examples: Number of examples.
        class_names: Names of the classes, in the order of their labels.
        levels: Divisor that brought the source's own numbers to [0, 1]. Defaults to 1.
        read: Function of the seed that returns all examples and labels. Defaults to None, for data of your own.
        test: Share of the examples in the test set, a stratified sample; or the number of the last examples, in the
            source's own order. Defaults to 0.2.
        validation: The same for the validation set, of the remaining examples. Defaults to 0.1.
        make: Function of the validation size and the seed that makes the data set of another one, instead of `read`.
        files: Files that it reads, which are downloaded if they are not on this machine. Defaults to none.
        columns: How the columns of a table become inputs; see `encode_table`. Defaults to none.
    """

    name: str
    title: str
    origin: str
    licence: str
    input_shape: tuple[int, ...]
    examples: int
    class_names: tuple[str, ...]
    read: Callable[[int], tuple[np.ndarray, np.ndarray]] | None = None
    levels: int = 1
    test: float | int = 0.2
    validation: float | int = 0.1
    make: Callable[[float | int | None, int], Dataset] | None = None
    files: tuple[RemoteFile, ...] = ()
    columns: Sequence[Mapping[str, Any]] = ()

    @property
    def is_local(self) -> bool:
        """Whether it can be loaded without a download."""
        return all(find(file) for file in self.files)

    def load(self, *, validation: float | int | None, seed: int) -> Dataset:
        """Reads and splits the data; `datasets.load` documents the arguments."""
        seed = check("seed", seed, Seed)
        if self.make is not None:
            return self.make(validation, seed)
        in_order = isinstance(self.test, int)
        if self.read is None:
            raise InvalidValue(f"{self.name} is not loaded by its name; pass the data set itself.")
        x, y = self.read(seed)
        training = count_examples(len(y), self.test, "test")
        rest, test = split_off(x, y, training, seed, in_order)
        size = self.validation if validation is None else validation
        count = count_examples(len(rest), size, "validation")
        train, held_out = split_off(rest.x, rest.y, count, seed, in_order) if count else (rest, None)
        return Dataset(self, train, held_out, test)
