"""Data sets of your own arrays: inputs and labels of any kind, checked, scaled and split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.datasets.dataset import Dataset, Source
from zoo.datasets.labels import encode_labels
from zoo.datasets.split import Split, split_examples
from zoo.errors import DataError, InvalidValue
from zoo.utils.constraints import Count, Seed, check

PARTS = {"train": ("train", "training"), "validation": ("validation", "val", "valid"), "test": ("test", "testing")}


def from_arrays(
    x: Any,
    y: Any,
    *,
    validation_data: tuple[Any, Any] | None = None,
    test_data: tuple[Any, Any] | None = None,
    levels: int | None = None,
    class_names: Sequence[str] | None = None,
    groups: Any = None,
    validation: float | int | None = None,
    test: float | int | None = None,
    seed: int = 0,
    name: str = "arrays",
) -> Dataset:
    """Makes a data set of arrays.

    Args:
        x: Inputs: images, `(examples, height, width)` or with channels last, or rows of numbers,
            `(examples, features)`.
        y: Labels, in any form that `encode_labels` takes.
        validation_data: Validation inputs and labels. Defaults to None, a part of `x` and `y`.
        test_data: Test inputs and labels. Defaults to None, a part of `x` and `y`.
        levels: Number to divide the inputs by, which brings them to [-1, 1]. Defaults to 255 for bytes that are not all
            0 or 1, and 1 for numbers that are in [-1, 1] already. Rows of other numbers, such as standardized columns,
            are taken as they are if 1 is given.
        class_names: Names of the classes, in the order of their numbers. Defaults to the labels themselves.
        groups: Group of each example of `x`, such as its writer. Examples of a group stay together. Defaults to None.
        validation: Size of the validation set: a share of the remaining examples, a number, or 0 for none. Defaults to
            0.1, and at least an example of each class.
        test: Size of the test set, in the same way, without 0. Defaults to 0.2.
        seed: Random seed of the stratified splits. Defaults to 0.
        name: Name in tables and titles. Defaults to `"arrays"`.

    Returns:
        The data set. Pass it to `zoo.train` and to whatever takes the name of a data set.

    Raises:
        InvalidValue: Inputs or labels are not as above, are not finite, do not match in number or shape, or a class is
            missing from the training examples.

    >>> x = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype="uint8")
    >>> data = from_arrays(x, ["odd", "even"] * 30)
    >>> data.input_shape, data.source.class_names, len(data.train), len(data.test)
    ((8, 8, 1), ('even', 'odd'), 43, 12)
    """
    given = {"train": (x, y), "validation": validation_data, "test": test_data}
    parts = {part: pair for part, pair in given.items() if pair is not None}
    for part, pair in parts.items():
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise InvalidValue(f"{part}_data must be inputs and labels, (x, y); got {type(pair).__name__}.")
    return make_dataset(
        parts,
        levels=levels,
        class_names=class_names,
        groups=groups,
        sizes={"validation": validation, "test": test},
        seed=seed,
        name=name,
    )


def make_dataset(
    parts: Mapping[str, tuple[Any, Any]],
    *,
    levels: int | None = None,
    class_names: Sequence[str] | None = None,
    groups: Any = None,
    sizes: Mapping[str, float | int | None],
    seed: int,
    **described: Any,
) -> Dataset:
    """Makes a data set of the parts that it is given in, and splits the others off the training examples.

    Args:
        parts: Inputs and labels by the name of their part; `"train"` is required.
        levels: Number to divide the inputs by, as in `from_arrays`.
        class_names: Names of the classes.
        groups: Group of each training example.
        sizes: Sizes of the validation and the test set.
        seed: Random seed of the splits.
        **described: Other fields of the source.
    """
    seed = check("seed", seed, Seed)
    if "train" not in parts:
        raise InvalidValue(f"A data set must have training examples; got {', '.join(parts) or 'nothing'}.")
    inputs = {part: _to_inputs(x, f"x of {part}" if len(parts) > 1 else "x") for part, (x, _) in parts.items()}
    levels = _choose_levels(inputs, levels)
    codes, names = _encode(parts, class_names)
    splits = {}
    for part, x in inputs.items():
        if len(x) != len(codes[part]):
            raise InvalidValue(f"x and y must have a label for each example; got {len(x)} and {len(codes[part])}.")
        if x.shape[1:] != inputs["train"].shape[1:]:
            shapes = f"{inputs['train'].shape[1:]} in train and {x.shape[1:]} in {part}"
            raise InvalidValue(f"All examples must have one shape; got {shapes}.")
        with np.errstate(over="ignore"):
            scaled = (x / levels).astype(np.float32)
        if not np.isfinite(scaled).all():
            raise InvalidValue(f"x must fit into 32-bit numbers; got values up to {np.abs(x).max():g}.")
        splits[part] = Split(scaled, codes[part])
    for part in ("test", "validation"):
        size = sizes.get(part)
        if part not in splits and size != 0:
            rest = splits["train"]
            if size is None and len(names) > len(rest) / 2:
                counts = f"{len(names)} classes of {len(rest)} examples"
                raise InvalidValue(f"y must have at least two examples of each class; got {counts}.")
            if size is None:  # one example of each class, at least
                size = max(round(len(rest) * (0.2 if part == "test" else 0.1)), len(names))
            splits["train"], splits[part], groups = split_examples(rest, size, part, seed=seed, groups=groups)
        elif part not in splits and part == "test":
            raise InvalidValue("test must be a share in (0, 1) or a number of examples; got 0.")
        elif part in parts and size not in (None, len(splits[part])):
            raise InvalidValue(f"{part} must be None where {part} examples are given; got {size}.")
    _check_classes(splits, names)
    described = {"title": "Arrays of your own", "origin": "", "licence": "", **described}
    source = Source(
        input_shape=splits["train"].x.shape[1:],
        examples=sum(map(len, splits.values())),
        class_names=names,
        levels=levels,
        **described,
    )
    return Dataset(source, splits["train"], splits.get("validation"), splits["test"])


def read_npz(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Reads the arrays of an `.npz` file: `x` and `y`, or `x_train`, `y_train`, `x_test` ... as Keras names them.

    Raises:
        DataError: The file is damaged, or has other arrays.
    """
    try:
        with np.load(path, allow_pickle=False) as content:
            arrays = {name: content[name] for name in content.files}
    except Exception as error:
        raise DataError(f"{path} is damaged or another kind of file, or has arrays of objects.") from error
    if "x" in arrays and "y" in arrays:
        return {"train": (arrays["x"], arrays["y"])}
    pairs = {
        part: (arrays[f"x_{suffix}"], arrays[f"y_{suffix}"])
        for part, suffixes in PARTS.items()
        for suffix in suffixes
        if f"x_{suffix}" in arrays and f"y_{suffix}" in arrays
    }
    if "train" not in pairs:
        raise DataError(f"{path} must have the arrays x and y, or x_train and y_train; got {', '.join(arrays)}.")
    return pairs


def _to_inputs(x: Any, name: str) -> np.ndarray:
    """Returns inputs as an array of rows or of images with channels."""
    try:
        x = np.asarray(x)
    except ValueError as error:
        raise InvalidValue(f"{name} must be an array of numbers: {error}") from error
    if x.dtype.kind not in "biuf":
        raise InvalidValue(f"{name} must be numbers; got {x.dtype}.")
    if not 2 <= x.ndim <= 4 or 0 in x.shape:
        raise InvalidValue(f"{name} must be images or rows of numbers, one per example; got shape {x.shape}.")
    if x.ndim == 4 and x.shape[1] in (1, 3) and x.shape[3] not in (1, 3):
        raise InvalidValue(f"{name} must have its channels last, (examples, height, width, channels); got {x.shape}.")
    if missing := int((~np.isfinite(x)).sum()) if x.dtype.kind == "f" else 0:
        raise InvalidValue(f"{name} must be finite; got {missing} values that are NaN or infinite.")
    return x[..., None] if x.ndim == 3 else x


def _choose_levels(inputs: Mapping[str, np.ndarray], levels: int | None) -> int:
    if levels == 1 and all(x.ndim == 2 for x in inputs.values()):
        return 1
    low, high = min(float(x.min()) for x in inputs.values()), max(float(x.max()) for x in inputs.values())
    if levels is None:
        levels = 255 if high > 1 and all(x.dtype == np.uint8 for x in inputs.values()) else 1
    levels = check("levels", levels, Count)
    if low < -levels or high > levels:
        raise InvalidValue(
            f"x must be in [-1, 1] after a division by levels={levels}; got values from {low:g} to {high:g}. Pass the "
            "number that divides them, such as levels=255; rows that are standardized are taken with levels=1."
        )
    return levels


def _encode(
    parts: Mapping[str, tuple[Any, Any]], class_names: Sequence[str] | None
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    try:
        labels = [np.asarray(y) for _, y in parts.values()]
    except ValueError as error:
        raise InvalidValue(f"y must have one label per example: {error}") from error
    if any(array.ndim == 0 for array in labels):
        raise InvalidValue("y must have one label per example; got a single value.")
    if len({array.shape[1:] for array in labels}) > 1:
        raise InvalidValue(f"The labels of all parts must have one form; got shapes {[a.shape for a in labels]}.")
    codes, names = encode_labels(np.concatenate(labels), class_names)
    ends = np.cumsum([len(array) for array in labels])[:-1]
    return dict(zip(parts, np.split(codes, ends), strict=True)), names


def _check_classes(splits: Mapping[str, Split], names: Sequence[str]) -> None:
    known = set(splits["train"].y.tolist())
    for part, split in splits.items():
        if unknown := [names[code] for code in np.unique(split.y) if code not in known]:
            raise InvalidValue(f"Every class must have training examples; {', '.join(unknown[:5])} is only in {part}.")
    if empty := [name for code, name in enumerate(names) if code not in known]:
        raise InvalidValue(f"Every class must have training examples; got none of {', '.join(empty[:5])}.")
