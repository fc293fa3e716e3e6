"""Files that are there whole or not at all."""

from __future__ import annotations

import os
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
