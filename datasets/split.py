"""Examples and their labels, as arrays, in parts and as batches."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import InvalidValue
from zoo.utils.constraints import check

if TYPE_CHECKING:
    import tensorflow as tf


@dataclass(frozen=True, eq=False)
class Split:
    """Examples and their labels, read-only.

    Args:
        x: Inputs, float32, `(examples, ...)`.
        y: Labels, int64, `(examples,)`, or `(examples, 1 + longest)` for sequences; see `datasets.sequences`.
    """

    x: np.ndarray
    y: np.ndarray

    def __post_init__(self) -> None:
        for name, dtype in (("x", np.float32), ("y", np.int64)):
            array = np.asarray(getattr(self, name), dtype).view()
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        if len(self.x) != len(self.y):
            raise InvalidValue(f"x and y must have a label for each example; got {len(self.x)} and {len(self.y)}.")

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the examples and labels."""
        sha = hashlib.sha256(f"{self.x.shape} ".encode())
        sha.update(np.ascontiguousarray(self.x).data)
        sha.update(np.ascontiguousarray(self.y).data)
        return sha.hexdigest()

    def __len__(self) -> int:
        return len(self.y)


def make_batches(x: np.ndarray, y: np.ndarray, batch_size: int, *, shuffle: bool, seed: int) -> tf.data.Dataset:
    """Returns arrays as a `tf.data.Dataset` of batches; shuffled ones come in a new order at every pass.

    Keras' own `fit(x, y)` draws one order and repeats it in every epoch once a global seed is set.

    Args:
        x: Inputs, `(examples, ...)`.
        y: Targets, `(examples, ...)`.
        batch_size: Number of examples in a batch; the last one may be smaller.
        shuffle: Whether to shuffle.
        seed: Random seed of the orders.
    """
    import tensorflow as tf

    inputs, targets = tf.constant(x), tf.constant(y)
    order = tf.data.Dataset.range(len(x))
    if shuffle:
        order = order.shuffle(len(x), seed=seed, reshuffle_each_iteration=True)
    examples = order.batch(batch_size).map(lambda rows: (tf.gather(inputs, rows), tf.gather(targets, rows)))
    return examples.prefetch(tf.data.AUTOTUNE)


def count_examples(examples: int, share: Any, name: str) -> int:
    """Returns the number of examples that a share or a number means."""
    share = check(name, share, float)
    count = round(examples * share) if 0 < share < 1 else int(share)
    if share < 0 or (share >= 1 and share != count) or count >= examples:
        raise InvalidValue(f"{name} must be a share in (0, 1) or an integer from 0 to {examples - 1}; got {share:g}.")
    return count


def split_examples(
    split: Split, size: float | int, name: str, *, seed: int, groups: Any = None
) -> tuple[Split, Split, np.ndarray | None]:
    """Splits examples off by a stratified sample, of whole groups if there are any.

    Args:
        split: Examples.
        size: Share or number of the examples to split off.
        name: Name of that part in messages.
        seed: Random seed.
        groups: Group of each example, or None.

    Returns:
        The remaining examples, those that were split off, and the groups of the former.
    """
    count = count_examples(len(split), size, name)
    if groups is None:
        return (*split_off(split.x, split.y, count, seed, in_order=False), None)
    from sklearn.model_selection import StratifiedGroupKFold

    groups = np.asarray(groups)
    if groups.shape != (len(split),):
        raise InvalidValue(f"groups must have one value per example, {len(split)}; got shape {groups.shape}.")
    parts = round(len(split) / max(1, count))
    if parts < 2:
        raise InvalidValue(f"{name} must be at most half of the examples with groups; got {size:g}.")
    if (number := len(np.unique(groups))) < parts:
        raise InvalidValue(f"groups must be at least {parts} for a {name} set of this size; got {number}.")
    folds = StratifiedGroupKFold(parts, shuffle=True, random_state=seed)
    rest, cut = next(folds.split(split.x, split.y, groups))
    return Split(split.x[rest], split.y[rest]), Split(split.x[cut], split.y[cut]), groups[rest]


def split_off(x: np.ndarray, y: np.ndarray, count: int, seed: int, in_order: bool) -> tuple[Split, Split]:
    """Splits off `count` examples: the last ones, or a stratified sample."""
    if in_order:
        return Split(x[:-count], y[:-count]), Split(x[-count:], y[-count:])
    from sklearn.model_selection import train_test_split

    try:
        x_rest, x_cut, y_rest, y_cut = train_test_split(x, y, test_size=count, stratify=y, random_state=seed)
    except ValueError as error:
        raise InvalidValue(f"{count} of {len(y)} examples cannot hold every class: {error}") from error
    return Split(x_rest, y_rest), Split(x_cut, y_cut)
