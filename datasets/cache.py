"""Files that are looked for in `$ZOO_DATA`, then in Keras' cache, then downloaded there; always checked."""

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
    """A file that a data set is read from.

    Args:
        names: Names that it may have on disk; it is downloaded under the first.
        url: Where it is downloaded from.
        sha256: Digest of the file there.
        content: Digest of the arrays in it, whatever way they are stored; see `content_digest`.
    """

    names: tuple[str, ...]
    url: str
    sha256: str
    content: str


def open_checked(file: RemoteFile, parse: Callable[[Path], Arrays]) -> Arrays:
    """Finds or downloads a file, reads it and checks what it holds.

    Args:
        file: What to look for.
        parse: Reads the examples and labels from a path; any exception means a damaged file.

    Raises:
        DataError: The file is damaged, holds something else, or cannot be had.
    """
    path = find(file) or _download(file)
    try:
        arrays = parse(path)
    except PermissionError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. {_remedy(file)}") from error
    except Exception as error:
        # Whatever a parser makes of a damaged file, the user has one thing to know.
        reason = str(error).strip().rstrip(".") or type(error).__name__
        raise DataError(
            f"{path} is cut off, damaged or another kind of file ({reason}). {_remedy(file, path)}"
        ) from error
    digest = content_digest(arrays)
    if digest != file.content:
        raise DataError(
            f"{path} can be read, but its content is not {file.names[0]}'s: "
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
    """Returns where the file is on this machine, or None.

    Raises:
        DataError: `$ZOO_DATA` names a folder that there is not.
    """
    named = os.environ.get("ZOO_DATA")
    if named and not Path(named).is_dir():
        raise DataError(f"$ZOO_DATA names {named}, which is not a folder. Make it, or unset the variable.")
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
    """Returns Keras' cache folder, the way Keras does, without importing Keras."""
    home = os.environ.get("KERAS_HOME")
    return Path(home or os.path.expanduser("~/.keras")) / "datasets"  # noqa: PTH111  (never raises, as in Keras)


def _download(file: RemoteFile) -> Path:
    import pooch
    import requests
    from tqdm import tqdm

    folder, name = cache(), file.names[0]
    try:
        # pooch writes under a name of its own, checks the digest and then renames: two processes
        # that download at once both end with a whole file.
        with tqdm(desc=name, total=1, unit="B", unit_scale=True, delay=1) as bar:  # pooch sets the total
            downloader = pooch.HTTPDownloader(progressbar=bar)
            known_hash = f"sha256:{file.sha256}"
            return Path(pooch.retrieve(file.url, known_hash, fname=name, path=folder, downloader=downloader))
    except PermissionError as error:
        raise DataError(f"{folder} cannot be written: {error.strerror or error}. {_remedy(file)}") from error
    except requests.exceptions.RequestException as error:
        offline = isinstance(error, requests.exceptions.ConnectionError)
        reason = "no network, or no answer" if offline else str(error)
        raise DataError(
            f"{name} cannot be downloaded from {file.url} to {folder} ({reason}). {_remedy(file)}"
        ) from error
    except ValueError as error:
        raise DataError(f"What {file.url} sent is not {name}: its SHA-256 is another. {_remedy(file)}") from error
    except OSError as error:
        raise DataError(f"{name} cannot be written to {folder} ({error}). {_remedy(file)}") from error


def _remedy(file: RemoteFile, path: Path | None = None) -> str:
    name = file.names[0]
    if path is None:
        return f"A good {name} can be put in {cache()} or in a folder that $ZOO_DATA names."
    return f"Put a good {name} in its place, or delete it to have it downloaded to {cache()}."
