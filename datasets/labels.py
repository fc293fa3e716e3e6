"""Labels of any kind as numbers from 0, with the names of their classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.errors import InvalidValue


def encode_labels(y: Any, class_names: Sequence[str] | None = None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Returns the number of each label's class, and the names of the classes.

    Args:
        y: Labels, `(examples,)` or `(examples, 1)`: integers from any number on, text or booleans; or one-hot rows,
            `(examples, classes)`.
        class_names: Names of the classes. Integers are then their positions, and text must be among them. Defaults to
            the labels themselves, in order.

    Returns:
        Integers from 0, `(examples,)`; and names.

    Raises:
        InvalidValue: Labels are missing, are not of classes, or are not among the names; or there is one class.

    >>> encode_labels(["dog", "cat", "dog"])
    (array([1, 0, 1]), ('cat', 'dog'))
    >>> encode_labels([1, 2, 3], ["one", "two", "three"])
    Traceback (most recent call last):
    zoo.errors.InvalidValue: y must have labels from 0 to 2 for 3 class names; got labels from 1 to 3.
    """
    labels = _to_vector(y)
    names = None if class_names is None else tuple(map(str, class_names))
    if names is not None and len(set(names)) < len(names):
        raise InvalidValue(f"class_names must differ from each other; got {', '.join(names)}.")
    if names is not None and labels.dtype.kind in "iu":
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high >= len(names):
            raise InvalidValue(
                f"y must have labels from 0 to {len(names) - 1} for {len(names)} class names; got labels from {low} to "
                f"{high}."
            )
        codes = labels.astype(np.int64)
    else:
        values, codes = np.unique(labels, return_inverse=True)
        found = tuple(map(str, values))
        if names is None:
            names = found
        elif unknown := [name for name in found if name not in names]:
            raise InvalidValue(f"y must have the classes {', '.join(names)}; got {', '.join(unknown[:5])}.")
        else:
            codes = np.array([names.index(name) for name in found])[codes]
    if len(names) < 2:
        raise InvalidValue(f"y must have at least two classes; got only {names[0]!r}.")
    return codes.astype(np.int64), names


def _to_vector(y: Any) -> np.ndarray:
    """Returns one label per example: an integer, text or a boolean."""
    import pandas as pd

    try:
        labels = np.asarray(y)
    except ValueError as error:
        raise InvalidValue(f"y must have one label per example: {error}") from error
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if not labels.size:
        raise InvalidValue("y must have labels; got none.")
    if labels.ndim == 2 and labels.dtype.kind in "biuf":
        if not (np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all()):
            raise InvalidValue("y must have one label per example, or one-hot rows; got rows of other numbers.")
        return labels.argmax(axis=1)
    if labels.ndim != 1:
        raise InvalidValue(f"y must have one label per example; got shape {labels.shape}.")
    if labels.dtype.kind == "O":
        missing = int(pd.isna(labels).sum())
        if missing:
            raise InvalidValue(f"y must have no missing labels; got {missing}.")
        kinds = {type(label).__name__ for label in labels}
        if len(kinds) > 1:
            raise InvalidValue(f"y must have labels of one type; got {', '.join(sorted(kinds))}.")
        labels = np.array(labels.tolist())
    if labels.dtype.kind == "f":
        if missing := int((~np.isfinite(labels)).sum()):
            raise InvalidValue(f"y must have no missing labels; got {missing} that are NaN or infinite.")
        if (fractions := labels[labels != np.round(labels)]).size:
            raise InvalidValue(f"y must have labels of classes; got the number {fractions[0]:g}.")
        labels = labels.astype(np.int64)
    if labels.dtype.kind not in "biuUS":
        raise InvalidValue(f"y must have integers, text or booleans; got {labels.dtype}.")
    if labels.dtype.kind != "S":
        return labels
    try:
        return np.char.decode(labels, "utf-8")
    except UnicodeDecodeError as error:
        raise InvalidValue(f"y must have text in UTF-8: {error}") from error
