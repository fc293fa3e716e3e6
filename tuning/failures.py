"""Failures of a trial, each in one sentence, and failures that end the whole search."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zoo.errors import InvalidValue, RunFailed, ZooError
from zoo.utils.keras_private import get_initial_shape

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}
_COPIES = 3  # of the weights in memory: the model's, their gradients, and those of the best epoch


class InvalidSearch(InvalidValue):
    """A fault of the search and not of one trial, which ends the search."""


class DiskFull(RunFailed):
    """A file of a search that cannot be written, which ends the search; it can be resumed."""


def describe_failure(error: Exception) -> str:
    """Returns why a trial failed, in one sentence for what is known and with the type of other errors."""
    if isinstance(error, ZooError):
        return str(error)
    if is_out_of_memory(error):
        shape = re.search(r"shape\s*\[([\d,]+)\]", str(error))
        reason = f"a tensor of shape ({shape[1].replace(',', ', ')}) cannot be allocated" if shape else str(error)
        return f"The training does not fit into memory: {reason.strip().rstrip('.') or 'no reason given'}."
    return f"{type(error).__name__}: {error}".strip()


def is_out_of_memory(error: BaseException) -> bool:
    """Returns whether an error means that memory, of this machine or of its GPU, was not enough."""
    if isinstance(error, MemoryError):
        return True
    import tensorflow as tf

    return isinstance(error, tf.errors.ResourceExhaustedError) and os.strerror(errno.ENOSPC) not in str(error)


def find_disk_failure(error: BaseException | None) -> str:
    """Returns why a file could not be written if that caused an error: a full or broken disk; otherwise "".

    Args:
        error: The error. Keras and TensorFlow raise their own types, with the number or the text of the system's error.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            return os.strerror(error.errno)
        if type(error).__module__.startswith("tensorflow") and os.strerror(errno.ENOSPC) in str(error):
            return os.strerror(errno.ENOSPC)
        error = error.__cause__ or error.__context__
    return ""


@contextlib.contextmanager
def explaining_disk_failures(project: Path) -> Iterator[None]:
    """Raises `DiskFull` in place of any error inside the block that comes from a full or broken disk.

    Args:
        project: Folder of the search.
    """
    try:
        yield
    except DiskFull:
        raise
    except Exception as error:
        reason = find_disk_failure(error)
        if not reason and isinstance(error, OSError) and not isinstance(error, ZooError):
            reason = f"{error.strerror or error}{f', {error.filename}' if error.filename else ''}"
        if not reason:
            raise
        raise DiskFull(explain_disk_failure(project, reason)) from error


def explain_disk_failure(project: Path, reason: str) -> str:
    """Returns the message of a search that cannot write into its folder."""
    return (
        f"The search stopped, because its files in {project} cannot be written: {reason}. Every finished trial is "
        "intact; the same call resumes the search."
    )


@contextlib.contextmanager
def limiting_memory() -> Iterator[None]:
    """Raises MemoryError before a model is created inside the block that this machine cannot train.

    Otherwise Linux grants the memory, and kills the process once it is used.
    """
    import tensorflow as tf

    if tf.config.list_logical_devices("GPU"):  # which have their own memory, and report when it is full
        yield
        return
    limit, needed = _get_memory(), 0

    def create_counted(create: Any, **arguments: Any) -> Any:
        nonlocal needed
        size = tf.as_dtype(arguments.get("dtype") or "float32").size
        needed += _COPIES * size * math.prod(get_initial_shape(arguments["initial_value"]))
        if needed > limit:
            sizes = f"{needed / 2**30:.3g} GiB, and {limit / 2**30:.3g} GiB are free"
            raise MemoryError(f"the weights, their gradients and a copy of them take more than {sizes}")
        return create(**arguments)

    with tf.variable_creator_scope(create_counted):
        yield


def _get_memory() -> float:
    """Returns the memory in bytes that is free for this process."""
    limits = [math.inf]
    with contextlib.suppress(OSError):  # other systems than Linux
        limits.append(1024 * int(re.findall(r"MemAvailable:\s+(\d+)", Path("/proc/meminfo").read_text())[0]))
    with contextlib.suppress(OSError, ValueError):  # no container, or "max" for one without a limit
        group = Path("/sys/fs/cgroup")
        limits.append(int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    return min(limits)
