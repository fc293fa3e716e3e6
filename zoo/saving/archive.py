"""Reads untrusted `.keras` files.

A `.keras` file is a zip archive of a configuration and of weights in HDF5. Keras builds whatever the configuration
names, and all published attacks (CVE-2024-3660, CVE-2025-1550, -8747, -9905, -9906) make it name code. Here, nothing is
built from the configuration: it is only compared with that of the model that the registry builds. The weights are
checked for HDF5 features that reach outside the file or claim more than it holds (external storage, links, declared
sizes, filters) before they are read.
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

# Modules of the objects with which a model is compiled. A configuration may name them besides the model.
COMPILED = ("keras.losses", "keras.metrics", "keras.optimizers")


@dataclass(frozen=True)
class Archive:
    """The content of a `.keras` file of the zoo.

    Args:
        origin: Content of `zoo.json`, unchecked.
        config: Configuration as written by Keras, unchecked. Nothing may be built from it.
        weights: Bytes of the HDF5 file.
        variables: Number of arrays in it.
        numbers: Number of values in all arrays.
    """

    origin: Any
    config: Any
    weights: bytes
    variables: int
    numbers: int


def open_archive(path: Path) -> Archive:
    """Reads a file that was written by `zoo.save`.

    Raises:
        UnsafeFile: The file is damaged, or contains something that `zoo.save` does not write.
    """
    try:
        with zipfile.ZipFile(path) as file:
            infos = file.infolist()
            _check_entries(path, infos)
            content = {info.filename: file.read(info) for info in infos}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise UnsafeFile(path, f"not a complete .keras archive ({error})") from error
    origin, config = (_parse(path, name, content[name]) for name in (ORIGIN, "config.json"))
    weights = content[WEIGHTS]
    digest = origin.pop("weights", None) if isinstance(origin, dict) else None
    if digest != hashlib.sha256(weights).hexdigest():
        raise UnsafeFile(path, f"the digest of the weights differs from that in {ORIGIN}; they have been changed")
    variables, numbers = _check_weights(path, weights)
    return Archive(origin, config, weights, variables, numbers)


def _check_entries(path: Path, infos: list[zipfile.ZipInfo]) -> None:
    names = [info.filename for info in infos]
    for info in infos:
        parts = info.filename.replace("\\", "/").split("/")
        if ".." in parts or info.filename.startswith(("/", "\\")) or ":" in info.filename:
            raise UnsafeFile(path, f"the path of its entry {info.filename!r} leads out of the archive")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise UnsafeFile(path, f"its entry {info.filename!r} is a link")
        if info.filename not in ENTRIES:
            raise UnsafeFile(path, f"it has an unexpected entry {info.filename!r}")
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise UnsafeFile(
                path, f"its entries must not be compressed; {info.filename!r} unpacks to {info.file_size} bytes"
            )
        if info.filename.endswith(".json") and info.file_size > LARGEST_TEXT:
            raise UnsafeFile(path, f"its {info.filename} must have at most {LARGEST_TEXT} bytes; got {info.file_size}")
    if ORIGIN not in names:
        raise UnsafeFile(
            path,
            f"it has no {ORIGIN}, so it was not saved by this zoo. If you trust its author, use "
            "keras.saving.load_model",
        )
    if missing := sorted(set(ENTRIES) - set(names)):
        raise UnsafeFile(path, f"it has no {', '.join(missing)}")
    if len(set(names)) != len(names):
        raise UnsafeFile(path, "it has two entries with the same name")


def _parse(path: Path, name: str, content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UnsafeFile(path, f"its {name} is not valid JSON ({error})") from error


def _check_weights(path: Path, weights: bytes) -> tuple[int, int]:
    """Returns the numbers of arrays and of values, after checking that all values are stored in the file itself."""
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
                        raise UnsafeFile(path, f"its weights {where} are a link")
                    item = group[name]
                    if (address := h5py.h5o.get_info(item.id).addr) in seen:
                        raise UnsafeFile(path, f"its weights {where} appear twice")
                    seen.add(address)
                    if isinstance(item, h5py.Group):
                        groups.append((item, where))
                        continue
                    _check_array(path, where, item)
                    variables, numbers = variables + 1, numbers + item.size
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        if isinstance(error, UnsafeFile):
            raise
        raise UnsafeFile(path, f"its weights are not a valid HDF5 file ({error})") from error
    return variables, numbers


def _check_array(path: Path, where: str, array: Any) -> None:
    import h5py

    if not isinstance(array, h5py.Dataset) or array.dtype.kind not in "fiub" or array.shape is None:
        raise UnsafeFile(path, f"its weights {where} are not numbers")
    if array.external or array.is_virtual:
        raise UnsafeFile(path, f"its weights {where} are stored in another file")
    if array.id.get_create_plist().get_nfilters():
        raise UnsafeFile(path, f"its weights {where} must not be compressed")
    if array.id.get_storage_size() != array.nbytes:
        raise UnsafeFile(path, f"its weights {where} declare {array.nbytes} bytes that are not in the file")


def check_config(path: Path, config: Any, expected: Any) -> None:
    """Checks that a configuration names no class or function that the model does not have.

    Args:
        path: Path of the file, for the message.
        config: Configuration in the file.
        expected: Configuration of the model that the registry built with the same name and options.

    Raises:
        UnsafeFile: The configuration names something else.
    """
    known = set(_find_objects(expected))
    for module, name in _find_objects(config):
        if (module, name) in known:
            continue
        if name != "function" and any(module == prefix or module.startswith(f"{prefix}.") for prefix in COMPILED):
            continue
        if module == "zoo":
            continue
        what = "a Lambda layer, which can contain code" if "Lambda" in name else f"{module or 'no module'}:{name}"
        raise UnsafeFile(path, f"its configuration names {what}, which is not part of the model")


def _find_objects(config: Any) -> Iterator[tuple[str, str]]:
    """Yields the module and the name of each class and function in a configuration; the module is "zoo" for ours."""
    nodes = [config]
    while nodes:
        node = nodes.pop()
        if isinstance(node, dict):
            if "class_name" in node:
                name, module = str(node["class_name"]), str(node.get("module"))
                ours = node.get("registered_name") == f"zoo>{name}" and module.startswith("zoo.")
                yield "zoo" if ours else module, name
            nodes.extend(node.values())
        elif isinstance(node, list):
            nodes.extend(node)
