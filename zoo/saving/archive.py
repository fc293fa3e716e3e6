"""Looks into a `.keras` file that anyone may have made, and believes nothing in it.

A `.keras` file is a zip of a configuration and of weights in HDF5. Keras builds what the configuration names; every
published attack on it (CVE-2024-3660, CVE-2025-1550, -8747, -9905, -9906) has it name something that is run. Here no
configuration is built from: it is only compared with that of the model that the registry makes. The weights are
numbers, in files whose own tricks (external storage, links, declared sizes, filters) are looked for before any is read.
"""

from __future__ import annotations

import hashlib
import io
import json
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.errors import UnsafeFile

ORIGIN, WEIGHTS = "zoo.json", "model.weights.h5"
ENTRIES = ("config.json", "metadata.json", WEIGHTS, ORIGIN)
LARGEST_TEXT = 1_000_000  # bytes of a JSON entry; LeNet-5's configuration has 12,000

# What a training leaves in a configuration besides the model: objects that are compiled with it.
COMPILED = ("keras.losses", "keras.metrics", "keras.optimizers")


@dataclass(frozen=True)
class Archive:
    """What is in a `.keras` file of this zoo.

    Args:
        origin: What `zoo.json` tells, not checked yet.
        config: Keras' configuration, which nothing is to be built from.
        weights: The HDF5 file.
        variables: How many arrays it holds.
        numbers: How many numbers in all.
    """

    origin: Any
    config: Any
    weights: bytes
    variables: int
    numbers: int


def open_archive(path: Path) -> Archive:
    """Reads a file, and refuses one that is not as `zoo.save` writes it.

    Raises:
        UnsafeFile: The reason.
    """
    try:
        with zipfile.ZipFile(path) as file:
            infos = file.infolist()
            _check_entries(path, infos)
            content = {info.filename: file.read(info) for info in infos}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise UnsafeFile(path, f"it is no whole .keras archive ({error})") from error
    origin, config = (_parse(path, name, content[name]) for name in (ORIGIN, "config.json"))
    weights = content[WEIGHTS]
    digest = origin.pop("weights", None) if isinstance(origin, dict) else None
    if digest != hashlib.sha256(weights).hexdigest():
        raise UnsafeFile(path, f"the weights are not those that were saved: their digest is not the one in {ORIGIN}")
    variables, numbers = _check_weights(path, weights)
    return Archive(origin, config, weights, variables, numbers)


def _check_entries(path: Path, infos: list[zipfile.ZipInfo]) -> None:
    names = [info.filename for info in infos]
    for info in infos:
        parts = info.filename.replace("\\", "/").split("/")
        if ".." in parts or info.filename.startswith(("/", "\\")) or ":" in info.filename:
            raise UnsafeFile(path, f"its entry {info.filename!r} leaves the folder")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise UnsafeFile(path, f"its entry {info.filename!r} is a link")
        if info.filename not in ENTRIES:
            raise UnsafeFile(path, f"it has an entry {info.filename!r}, which no model of the zoo has")
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise UnsafeFile(
                path, f"its entry {info.filename!r} unpacks to {info.file_size} bytes; it should be stored"
            )
        if info.filename.endswith(".json") and info.file_size > LARGEST_TEXT:
            raise UnsafeFile(path, f"its {info.filename} has {info.file_size} bytes; {LARGEST_TEXT} are the most")
    if ORIGIN not in names:
        raise UnsafeFile(
            path,
            f"it has no {ORIGIN}: it was not saved by this zoo. If you trust who made it, open it with "
            "keras.saving.load_model",
        )
    if missing := sorted(set(ENTRIES) - set(names)):
        raise UnsafeFile(path, f"it has no {', '.join(missing)}")
    if len(set(names)) != len(names):
        raise UnsafeFile(path, "it has two entries of one name")


def _parse(path: Path, name: str, content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UnsafeFile(path, f"its {name} is no JSON that can be read ({error})") from error


def _check_weights(path: Path, weights: bytes) -> tuple[int, int]:
    """Returns how many arrays there are, and how many numbers; each is in the file, whole and as it is."""
    import h5py

    variables = numbers = 0
    try:
        with h5py.File(io.BytesIO(weights), "r") as file:
            groups: list[tuple[h5py.Group, str]] = [(file, "")]
            seen = set()
            while groups:
                group, prefix = groups.pop()
                for name in group:
                    where = f"{prefix}/{name}"
                    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                        raise UnsafeFile(path, f"its weights {where} are a link to elsewhere")
                    each = group[name]
                    if (address := h5py.h5o.get_info(each.id).addr) in seen:
                        raise UnsafeFile(path, f"its weights {where} are there twice")
                    seen.add(address)
                    if isinstance(each, h5py.Group):
                        groups.append((each, where))
                        continue
                    _check_array(path, where, each)
                    variables, numbers = variables + 1, numbers + each.size
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        if isinstance(error, UnsafeFile):
            raise
        raise UnsafeFile(path, f"its weights are no HDF5 file that can be read ({error})") from error
    return variables, numbers


def _check_array(path: Path, where: str, array: Any) -> None:
    import h5py

    if not isinstance(array, h5py.Dataset) or array.dtype.kind not in "fiub" or array.shape is None:
        raise UnsafeFile(path, f"its weights {where} are no numbers")
    if array.external or array.is_virtual:
        raise UnsafeFile(path, f"its weights {where} are taken from another file")
    if array.id.get_create_plist().get_nfilters():
        raise UnsafeFile(path, f"its weights {where} are compressed; they should be stored")
    if array.id.get_storage_size() != array.nbytes:
        raise UnsafeFile(path, f"its weights {where} are said to have {array.nbytes} bytes, and are not there")


def check_config(path: Path, config: Any, own: Any) -> None:
    """Refuses a configuration that names anything which the model's own does not.

    Args:
        path: The file, for the message.
        config: What the file has.
        own: The configuration of the model that the registry made, by the same name and options.

    Raises:
        UnsafeFile: What it is that should not be there.
    """
    known = set(_named(own))
    for module, name in _named(config):
        if (module, name) in known:
            continue
        if name != "function" and any(module == each or module.startswith(f"{each}.") for each in COMPILED):
            continue
        if module == "zoo":
            continue
        what = "a Lambda layer, which is code" if "Lambda" in name else f"{module or 'nothing'}:{name}"
        raise UnsafeFile(path, f"its configuration names {what}; the model that it says to be has no such thing")


def _named(content: Any) -> Iterator[tuple[str, str]]:
    """Yields what a configuration has built: the module and the name of each class, and each function."""
    todo = [content]
    while todo:
        each = todo.pop()
        if isinstance(each, dict):
            if "class_name" in each:
                registered = str(each.get("registered_name"))
                ours = registered.startswith("zoo>") and each["class_name"] == registered[4:]
                module = "zoo" if ours and str(each.get("module")).startswith("zoo.") else str(each.get("module"))
                yield module, str(each["class_name"])
            todo.extend(each.values())
        elif isinstance(each, list):
            todo.extend(each)
