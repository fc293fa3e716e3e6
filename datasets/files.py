"""Data sets of your own files, found by their path: a folder of pictures or of IDX files, an `.npz`, or a table."""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from zoo.datasets.arrays import make_dataset, read_npz
from zoo.datasets.dataset import Dataset
from zoo.datasets.folders import Examples, read_folder
from zoo.datasets.tables import SUFFIXES, from_table, read_table
from zoo.errors import DataError, InvalidValue, unknown

_IDX_NAMES = {"train": "train", "t10k": "test", "validation": "validation", "test": "test"}
_IDX_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def is_path(name: str) -> bool:
    """Returns whether a name of a data set is a path: it has a slash or a suffix, or exists."""
    return os.sep in name or name.startswith(("~", ".")) or "." in name or Path(name).exists()


def open_path(path: str | Path, **settings: Any) -> Callable[..., Dataset]:
    """Returns a function of `validation` and `seed` that reads and splits a folder or file of your own.

    Args:
        path: Folder of pictures or of MNIST-like files, an `.npz`, or a `.csv` or `.parquet` table.
        **settings: How it is read; see `datasets.load`.

    Raises:
        DataError: It does not exist, or is damaged.
        InvalidValue: It is none of these, or a setting does not suit it.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise DataError(f"No such data set: {path}.")
    is_table = path.suffix in SUFFIXES and path.is_file()
    reader, allowed = (None, ("target", "drop", "group", "levels")) if is_table else _choose_reader(path)
    given = {name: value for name, value in settings.items() if value is not None}
    allowed = (*allowed, "test", "class_names")
    if wrong := [name for name in given if name not in allowed]:
        raise unknown("setting", wrong[0], allowed, of=str(path))
    if reader is None:
        return partial(_read_table, path.resolve(), given)
    return partial(_read, path.resolve(), reader, given)


def _read(
    path: Path,
    reader: Callable[..., dict[str, Examples]],
    settings: Mapping[str, Any],
    validation: float | int | None,
    seed: int,
) -> Dataset:
    options = dict(settings)
    sizes = {"validation": validation, "test": options.pop("test", None)}
    common = {name: options.pop(name, None) for name in ("levels", "class_names")}
    parts = reader(path, **options)
    title = f"Own data, {path.name}"
    data = make_dataset(parts, **common, sizes=sizes, seed=seed, name=path.stem, title=title)
    if reader is read_folder:  # pixels are bytes, read as numbers in [0, 1]
        data = replace(data, source=replace(data.source, levels=255))
    return data


def _read_table(path: Path, settings: Mapping[str, Any], validation: float | int | None, seed: int) -> Dataset:
    options = dict(settings)
    if "target" not in options:
        raise InvalidValue(f"target must name the column of {path.name} with the labels; got none.")
    own: dict[str, Any] = {"name": path.stem, "title": f"Own data, {path.name}"}
    return from_table(read_table(path), options.pop("target"), validation=validation, seed=seed, **options, **own)


def _choose_reader(path: Path) -> tuple[Callable[..., dict[str, Examples]], tuple[str, ...]]:
    """Returns the function that reads a path, and the settings that it knows."""
    if path.is_dir():
        if _list_idx(path):
            return _read_idx, ("levels",)
        return read_folder, ("size", "color", "invert")
    if path.suffix == ".npz":
        return read_npz, ("levels",)
    raise InvalidValue(
        f"A data set must be a folder of pictures or of IDX files, an .npz, or a .csv or .parquet table; got {path}."
    )


def _list_idx(path: Path) -> dict[str, dict[str, Path]]:
    """Returns the files of each part by their kind, named as MNIST's: `train-images-idx3-ubyte`, zipped or not."""
    found: dict[str, dict[str, Path]] = {}
    for file in sorted(path.iterdir()):
        prefix, _, rest = file.name.partition("-")
        kind = rest.partition("-")[0].partition(".")[0]
        if prefix in _IDX_NAMES and kind in ("images", "labels") and "idx" in rest:
            found.setdefault(_IDX_NAMES[prefix], {})[kind] = file
    return found


def _read_idx(path: Path) -> dict[str, Examples]:
    parts = {}
    for part, files in _list_idx(path).items():
        if missing := {"images", "labels"} - set(files):
            raise DataError(f"{path} must have images and labels of {part}; it has no {missing.pop()}.")
        parts[part] = _parse_idx(files["images"]), _parse_idx(files["labels"])
    return parts


def _parse_idx(path: Path) -> np.ndarray:
    """Reads one IDX file: two zero bytes, a type, a rank, the sizes and the numbers, big-endian."""
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        kind, rank = content[2], content[3]
        shape = struct.unpack(f">{rank}I", content[4 : 4 + 4 * rank])
        numbers = np.frombuffer(content, _IDX_TYPES[kind], offset=4 + 4 * rank)
        return numbers.reshape(shape).astype(numbers.dtype.newbyteorder("="))
    except (OSError, EOFError, KeyError, IndexError, ValueError, struct.error, zlib.error) as error:
        raise DataError(f"{path} is damaged, or is not an IDX file: {error}") from error
