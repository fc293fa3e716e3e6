"""Files of data sets, found in `$ZOO_DATA` or Keras' cache or downloaded to that cache, and checked."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.errors import DataError

Arrays = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class RemoteFile:
    """A file of a data set.

    Args:
        names: Possible names on disk; it is downloaded under the first.
        url: URL to download it from.
        sha256: SHA-256 of the file at the URL.
        content: SHA-256 of its arrays, however they are stored; see `content_digest`.
    """

    names: tuple[str, ...]
    url: str
    sha256: str
    content: str


def open_checked(file: RemoteFile, parse: Callable[[Path], Arrays]) -> Arrays:
    """Finds or downloads a file, reads it and checks its content.

    Args:
        file: File.
        parse: Function that reads the examples and labels from a path; any exception means a damaged file.

    Raises:
        DataError: The file is damaged, holds other data, or cannot be downloaded.
    """
    path = find(file) or _download(file)
    try:
        arrays = parse(path)
    except PermissionError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. {_remedy(file)}") from error
    except Exception as error:
        # A parser may raise anything for a damaged file; the user needs one sentence.
        reason = str(error).strip().rstrip(".") or type(error).__name__
        raise DataError(
            f"{path} is truncated, damaged or another kind of file ({reason}). {_remedy(file, path)}"
        ) from error
    digest = content_digest(arrays)
    if digest != file.content:
        raise DataError(
            f"{path} does not hold the data of {file.names[0]}: "
            f"SHA-256 {digest[:16]}..., expected {file.content[:16]}... {_remedy(file, path)}"
        )
    return arrays


def content_digest(arrays: Arrays) -> str:
    """Returns the SHA-256 of arrays with their shapes and types."""
    sha = hashlib.sha256()
    for array in arrays:
        sha.update(f"{array.dtype.str}{array.shape}".encode())
        sha.update(np.ascontiguousarray(array).data)
    return sha.hexdigest()


def find(file: RemoteFile) -> Path | None:
    """Returns the path of the file on this machine, or None.

    Raises:
        DataError: `$ZOO_DATA` is not a folder.
    """
    named = os.environ.get("ZOO_DATA")
    if named and not Path(named).is_dir():
        raise DataError(f"$ZOO_DATA must be a folder; got {named}. Create it, or unset the variable.")
    folders = [Path(named)] if named else []
    for folder in [*folders, cache()]:
        for name in file.names:
            try:
                if (folder / name).is_file():
                    return folder / name
            except PermissionError as error:
                raise DataError(f"{folder} cannot be searched: {error.strerror}. {_remedy(file)}") from error
    return None


def cache() -> Path:
    """Returns Keras' cache folder without importing Keras."""
    home = os.environ.get("KERAS_HOME")
    return Path(home or os.path.expanduser("~/.keras")) / "datasets"  # noqa: PTH111  (never raises, as in Keras)


def _download(file: RemoteFile) -> Path:
    import pooch
    import requests
    from tqdm import tqdm

    folder, name = cache(), file.names[0]
    try:
        # pooch writes to a temporary name, checks the digest and renames: two processes may download at once.
        with tqdm(desc=name, total=1, unit="B", unit_scale=True, delay=1) as bar:  # pooch sets the total
            downloader = pooch.HTTPDownloader(progressbar=bar)
            expected = f"sha256:{file.sha256}"
            return Path(pooch.retrieve(file.url, expected, fname=name, path=folder, downloader=downloader))
    except requests.exceptions.RequestException as error:
        offline = isinstance(error, requests.exceptions.ConnectionError)
        reason = "no network, or no answer" if offline else str(error)
        raise DataError(
            f"{name} cannot be downloaded from {file.url} to {folder} ({reason}). {_remedy(file)}"
        ) from error
    except ValueError as error:
        raise DataError(f"{file.url} is not the expected {name}: its SHA-256 differs. {_remedy(file)}") from error
    except OSError as error:
        raise DataError(f"{folder} cannot be written: {error.strerror or error}. {_remedy(file)}") from error


def _remedy(file: RemoteFile, path: Path | None = None) -> str:
    name = file.names[0]
    if path is None:
        return f"Put a valid copy of {name} in {cache()} or in the folder $ZOO_DATA."
    return f"Replace it with a valid copy of {name}, or delete it to download it to {cache()}."
