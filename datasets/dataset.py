"""A data set is arrays: what `load` returns, and the way a source is cut into it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np

from zoo.errors import InvalidValue
from zoo.utils.constraints import Seed, at_least, check

if TYPE_CHECKING:
    import pandas as pd
    import tensorflow as tf

Part = Literal["train", "validation", "test"]


@dataclass(frozen=True, eq=False)
class Split:
    """Examples and their labels, read-only.

    Args:
        x: Inputs, float32, `(examples, ...)`.
        y: Labels, int64, `(examples,)`; of sequences `(examples, 1 + longest)`, see `datasets.sequences`.
    """

    x: np.ndarray
    y: np.ndarray

    def __post_init__(self) -> None:
        for name, dtype in (("x", np.float32), ("y", np.int64)):
            array = np.asarray(getattr(self, name), dtype).view()
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        if len(self.x) != len(self.y):
            raise InvalidValue(f"A split needs a label for each example; got {len(self.x)} and {len(self.y)}.")

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set in memory.

    Args:
        source: Where it comes from: name, licence, classes.
        train: Examples to train on.
        validation: Examples to watch the training with, or None.
        test: Examples to judge the trained model with.

    >>> from zoo import datasets
    >>> data = datasets.load("digits")
    >>> data.input_shape, data.classes
    ((8, 8, 1), 10)
    """

    source: Source
    train: Split
    validation: Split | None
    test: Split

    @property
    def name(self) -> str:
        """The name that it is loaded by."""
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
        """Length of the longest sequence; None where an example has one label."""
        return None if self.train.y.ndim == 1 else self.train.y.shape[1] - 1

    @property
    def splits(self) -> dict[str, Split]:
        """The splits that there are, by name."""
        splits = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in splits.items() if split is not None}

    @property
    def class_counts(self) -> dict[str, np.ndarray]:
        """How many examples of each class each split has; of sequences, how many places."""
        labels = {name: split.y if self.longest is None else split.y[:, 1:] for name, split in self.splits.items()}
        return {name: np.bincount(each.ravel(), minlength=self.classes) for name, each in labels.items()}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all splits, in order: two equal digests are the same data, split alike."""
        sha = hashlib.sha256()
        for name, split in self.splits.items():
            sha.update(f"{name} {split.x.shape} ".encode())
            sha.update(np.ascontiguousarray(split.x).data)
            sha.update(np.ascontiguousarray(split.y).data)
        return sha.hexdigest()

    def summary(self) -> pd.DataFrame:
        """Returns a table: a row a split, with its number of examples, of each class, and its mean input.

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
            part: `"train"`, `"validation"` or `"test"`.
            batch_size: Examples in a batch.
            shuffle: Whether to draw a new order at every pass; None does so for `"train"` alone.
            seed: Decides those orders.

        Raises:
            InvalidValue: There is no such split, or the batch size is not at least 1.

        >>> from zoo import datasets
        >>> x, y = next(iter(datasets.load("moons").pipeline(batch_size=10)))
        >>> tuple(x.shape), tuple(y.shape)
        ((10, 2), (10,))
        """
        if part not in self.splits:
            raise InvalidValue(f"part must be one of {', '.join(map(repr, self.splits))}; got {part!r}.")
        batch_size = check("batch_size", batch_size, Annotated[int, at_least(1)])
        split = self.splits[part]
        return batches(split.x, split.y, batch_size, shuffle=part == "train" if shuffle is None else shuffle, seed=seed)

    def with_labels(self, count: int, *, seed: int = 0) -> Dataset:
        """Returns the data set with so few training examples, drawn by class in equal shares; sequences by length.

        Args:
            count: How many, at least one a class or length.
            seed: Decides which.

        Raises:
            InvalidValue: There are not so many, or fewer than classes or lengths.

        >>> from zoo import datasets
        >>> datasets.load("digits").with_labels(100).class_counts["train"].tolist()
        [10, 10, 10, 10, 10, 10, 10, 10, 10, 10]
        """
        count = check("labels", count, Annotated[int, at_least(1)])
        kinds, kind = (self.classes, "class") if self.longest is None else (self.longest, "length")
        label_of = self.train.y if self.longest is None else self.train.y[:, 0]
        random = np.random.default_rng(seed)
        order = random.permutation(len(self.train))
        # The first of every class, then the second of every class, and so on.
        rank = np.empty(len(order), int)
        for label in range(kinds):
            of_class = order[label_of[order] == label]
            rank[of_class] = np.arange(len(of_class))
        rows = order[np.argsort(rank[order], kind="stable")]
        if not kinds <= count <= len(self.train):
            raise InvalidValue(f"labels must be from {kinds}, one a {kind}, to {len(self.train)}; got {count}.")
        rows = np.sort(rows[:count])
        return replace(self, train=Split(self.train.x[rows], self.train.y[rows]))

    def folds(self, *, repeats: int = 5, splits: int = 2, seed: int = 0) -> Iterator[Dataset]:
        """Yields stratified cross-validation folds over all examples, without validation sets.

        The defaults give the 5x2 folds that the authors of SEMEION recommend: five times, one half
        to train and the other to test, then the other way round.

        Args:
            repeats: How often all examples are split anew.
            splits: Parts in each repetition; each is the test set once.
            seed: Decides the parts.

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
            # Shuffled together, sequences of the same digits would be trained on and tested.
            raise InvalidValue(f"{self.name} has sequences, which have no folds; make them of each fold of the digits.")
        x = np.concatenate([split.x for split in self.splits.values()])
        y = np.concatenate([split.y for split in self.splits.values()])
        folds = RepeatedStratifiedKFold(n_splits=splits, n_repeats=repeats, random_state=seed)
        for train, test in folds.split(x, y):
            yield replace(self, train=Split(x[train], y[train]), validation=None, test=Split(x[test], y[test]))


def batches(x: np.ndarray, y: np.ndarray, batch_size: int, *, shuffle: bool, seed: int) -> tf.data.Dataset:
    """Returns arrays as a `tf.data.Dataset` of batches, in a new order at every pass if it is to shuffle.

    Keras' own `fit(x, y)` draws one order and repeats it in every epoch once a global seed is set.

    Args:
        x: Inputs, `(examples, ...)`.
        y: Targets, `(examples, ...)`.
        batch_size: Examples in a batch; the last one may be smaller.
        shuffle: Whether to shuffle.
        seed: Decides the orders.
    """
    import tensorflow as tf

    inputs, targets = tf.constant(x), tf.constant(y)
    order = tf.data.Dataset.range(len(x))
    if shuffle:
        order = order.shuffle(len(x), seed=seed, reshuffle_each_iteration=True)
    gathered = order.batch(batch_size).map(lambda rows: (tf.gather(inputs, rows), tf.gather(targets, rows)))
    return gathered.prefetch(tf.data.AUTOTUNE)


@dataclass(frozen=True)
class Source:
    """Where a data set comes from, and how it is read and cut.

    Args:
        name: The name that it is loaded by.
        title: What it is, in a line.
        origin: Who made it and where it was published.
        licence: On what terms it may be used.
        input_shape: Shape of one example.
        examples: Number of examples in all.
        class_names: Names of the classes, in the order of their labels.
        levels: What the source's own numbers were divided by to lie in [0, 1].
        read: Returns all examples and labels; it is given the seed, which generated problems use.
        test: Share of the examples that are for test; they are drawn by seed, stratified. With a
            whole number, the last ones, in the source's own order.
        validation: The same, of what remains, where `load` is not told otherwise.
        make: What `load` calls instead, with its own arguments, where the splits are not cut from what
            `read` returns but made of another data set's.
    """

    name: str
    title: str
    origin: str
    licence: str
    input_shape: tuple[int, ...]
    examples: int
    class_names: tuple[str, ...]
    read: Callable[[int], tuple[np.ndarray, np.ndarray]]
    levels: int = 1
    test: float | int = 0.2
    validation: float | int = 0.1
    make: Callable[[float | int | None, int], Dataset] | None = None

    def load(self, *, validation: float | int | None, seed: int) -> Dataset:
        """Reads the data and splits it; `datasets.load` has the arguments."""
        seed = check("seed", seed, Seed)
        if self.make is not None:
            return self.make(validation, seed)
        in_order = isinstance(self.test, int)
        x, y = self.read(seed)
        training = _fraction_or_count(len(y), self.test, "test")
        rest, test = _cut(x, y, training, seed, in_order)
        kept = self.validation if validation is None else validation
        count = _fraction_or_count(len(rest), kept, "validation")
        train, held_out = _cut(rest.x, rest.y, count, seed, in_order) if count else (rest, None)
        return Dataset(self, train, held_out, test)


def _fraction_or_count(examples: int, share: Any, name: str) -> int:
    """Returns how many of `examples` a share or a number of them is."""
    share = check(name, share, float)
    count = round(examples * share) if 0 < share < 1 else int(share)
    if share < 0 or (share >= 1 and share != count) or count >= examples:
        raise InvalidValue(
            f"{name} must be a share in (0, 1) or a whole number from 0 to {examples - 1}; got {share:g}."
        )
    return count


def _cut(x: np.ndarray, y: np.ndarray, count: int, seed: int, in_order: bool) -> tuple[Split, Split]:
    """Cuts `count` examples off: the last ones, or a stratified sample."""
    if in_order:
        return Split(x[:-count], y[:-count]), Split(x[-count:], y[-count:])
    from sklearn.model_selection import train_test_split

    try:
        x_rest, x_cut, y_rest, y_cut = train_test_split(x, y, test_size=count, stratify=y, random_state=seed)
    except ValueError as error:
        raise InvalidValue(
            f"{count} of {len(y)} examples cannot be cut off with every class in them: {error}"
        ) from error
    return Split(x_rest, y_rest), Split(x_cut, y_cut)
