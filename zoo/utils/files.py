"""Files and folders that are complete or absent."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def find_obstacle(path: str | Path) -> str:
    """Returns why no file or folder can be created at a path, or an empty string if there is no reason.

    Missing parents are no reason, as they can be created.

    >>> find_obstacle(Path(__file__, "folder")).endswith("files.py is not a folder")
    True
    """
    parent = next(parent for parent in Path(path).absolute().parents if os.path.lexists(parent))
    if not parent.is_dir():
        return f"{parent} is not a folder"
    return "" if os.access(parent, os.W_OK) else f"{parent} must not be written to"


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yields a temporary file name beside `path`, and renames that file to `path` when the block succeeds.

    Args:
        path: File to write. Until then, other processes read the previous file, if there is one.

    Yields:
        The name to write to, with the same suffix. After an exception, the temporary file is removed.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder, "metrics.csv")) as temporary:
    ...         _ = temporary.write_text("epoch,loss")
    ...     [file.name for file in Path(folder).iterdir()]
    ['metrics.csv']
    """
    path = Path(path)
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def making_folder(path: str | Path, *, keep: bool = True) -> Iterator[Path]:
    """Yields a temporary folder name beside `path`, and renames that folder to `path` when the block succeeds.

    Args:
        path: Folder to make, which must not exist. Missing parent folders are created.
        keep: Whether to keep the folder; False for one to work in. Defaults to True.

    Yields:
        The name under which to make the folder. After an exception, it is removed with all folders created for it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with making_folder(Path(folder, "lenet5", "1")) as temporary:
    ...         temporary.mkdir()
    ...     [subfolder.name for subfolder in Path(folder, "lenet5").iterdir()]
    ['1']
    """
    path = Path(path)
    missing_parents = [parent for parent in path.parents if not parent.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        if keep:
            temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        for parent in missing_parents:
            if parent.is_dir() and not any(parent.iterdir()):
                parent.rmdir()
