"""Errors whose message is one sentence: what is wrong, what was passed, what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ZooError(Exception):
    """Base class of the errors of the zoo. The command line prints the message alone and exits with `exit_code`."""

    exit_code = 2


class InvalidValue(ZooError, ValueError):
    """A value that has the wrong type, is out of range, or does not fit the others."""


class UnknownName(ZooError, LookupError):
    """An unknown name."""


class DataError(ZooError, OSError):
    """A data file that is missing or damaged, or cannot be downloaded."""

    exit_code = 1


class UnsafeFile(ZooError, ValueError):
    """A model file that cannot be opened safely.

    Args:
        path: Path of the file.
        reason: Reason why it is not opened.
    """

    exit_code = 1

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"Cannot open {path}: {reason.rstrip('.')}.")


class RunFailed(ZooError, RuntimeError):
    """A valid request that failed while it was carried out."""

    exit_code = 1


def unknown(kind: str, name: object, known: Iterable[str], *, of: str = "") -> UnknownName:
    """Creates the error for an unknown name, which suggests the closest known one.

    Args:
        kind: Kind of name, as in `"model"`.
        name: The unknown name.
        known: Known names.
        of: Owner of the names, as in `"deep_mlp"`. Defaults to none.

    Returns:
        The error, for the caller to raise.

    >>> unknown("model", "deep_mpl", ["deep_mlp", "lenet5"])
    UnknownName('Unknown model "deep_mpl". Did you mean "deep_mlp"? Available: deep_mlp, lenet5.')
    """
    known = sorted(known)
    near = nearest(name, known)
    hint = f'Did you mean "{near}"? ' if near else ""
    whose = f" of {of}" if of else ""
    return UnknownName(f'Unknown {kind} "{name}"{whose}. {hint}Available: {", ".join(known) or "none"}.')


def nearest(name: object, known: Iterable[str]) -> str | None:
    """Returns the known name that is closest to `name`, or None.

    >>> nearest("sigmiod", ["sigmoid", "tanh"])
    'sigmoid'
    """
    return next(iter(difflib.get_close_matches(str(name).lower(), list(known), n=1, cutoff=0.5)), None)
