"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Gives a temporary name beside `path`, which takes its place when the block ends well.

    Args:
        path: The file to write. Whoever reads it meanwhile finds the old one, or none.

    Yields:
        The name to write to, with the same suffix. It is gone after an exception.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder, "metrics.csv")) as temporary:
    ...         _ = temporary.write_text("epoch,loss")
    ...     [file.name for file in Path(folder).iterdir()]
    ['metrics.csv']
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def making_folder(path: str | Path, *, keep: bool = True) -> Iterator[Path]:
    """Gives a temporary name for a folder that is to be at `path`, where it goes when the block ends well.

    Args:
        path: The folder, which does not exist; neither need the one it is in.
        keep: Whether it is to go there at all; a folder to work in is not.

    Yields:
        The name to make the folder under. It is gone after an exception, and so is all that was made for it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with making_folder(Path(folder, "lenet5", "1")) as temporary:
    ...         temporary.mkdir()
    ...     [each.name for each in Path(folder, "lenet5").iterdir()]
    ['1']
    """
    path = Path(path)
    made = [each for each in path.parents if not each.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    done = False
    try:
        yield temporary
        if keep:
            temporary.rename(path)
            done = True
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if not done:
            for each in made:
                if each.is_dir() and not any(each.iterdir()):
                    each.rmdir()
