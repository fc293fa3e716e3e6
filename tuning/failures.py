"""Failures of a trial, each in one sentence, and failures that end the whole search."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from zoo.errors import InvalidValue, RunFailed, ZooError
from zoo.tuning.plan import RATIO

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}


class InvalidSearch(InvalidValue):
    """A fault of the search and not of one trial, which ends the search."""


class DiskFull(RunFailed):
    """A file of a search that cannot be written, which ends the search; it can be resumed."""


def make_objective_error(objective: str, metrics: Iterable[object]) -> InvalidSearch:
    """Creates the error for an objective that a training does not have, for the caller to raise.

    Args:
        objective: Name of the objective.
        metrics: Names of the metrics of the training.
    """
    names = ", ".join(str(name) for name in metrics if name != RATIO)
    return InvalidSearch(f"objective must be a metric of the training, {names} or {RATIO}; got {objective}.")


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
        if not reason and isinstance(error, OSError) and str(project) in str(error.filename):
            reason = f"{error.strerror}, {error.filename}"
        if not reason:
            raise
        raise DiskFull(explain_disk_failure(project, reason)) from error


def explain_disk_failure(project: Path, reason: str) -> str:
    """Returns the message of a search that cannot write into its folder."""
    return (
        f"The search stopped, because its files in {project} cannot be written: {reason}. Every finished trial is "
        "intact; the same call resumes the search."
    )
