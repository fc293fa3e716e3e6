"""What went wrong, in one sentence: what it is, what was given, what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ZooError(Exception):
    """An error whose message is meant for the person at the keyboard.

    The command line prints the message alone and ends with `exit_code`.
    """

    exit_code = 2


class InvalidValue(ZooError, ValueError):
    """A value of the wrong type, out of range, or one that does not fit the others."""


class UnknownName(ZooError, LookupError):
    """A name that nothing answers to."""


class DataError(ZooError, OSError):
    """A data file that is missing, damaged or cannot be fetched."""

    exit_code = 1


class UnsafeFile(ZooError, ValueError):
    """A model file that is not opened.

    Args:
        path: The file.
        reason: Why not.
    """

    exit_code = 1

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"Cannot open {path}: {reason.rstrip('.')}.")


class RunFailed(ZooError, RuntimeError):
    """A run that was well asked for and could not be finished."""

    exit_code = 1


def unknown(kind: str, name: object, known: Iterable[str], *, of: str = "") -> UnknownName:
    """Makes the error for a name that is not among `known`, with the nearest one that is.

    Args:
        kind: What the name should have named, as in `"model"`.
        name: The name as it was given.
        known: The names that would have been right.
        of: The thing that the names belong to, as in `"deep_mlp"`.

    Returns:
        The error, to be raised by the caller.

    >>> unknown("model", "deep_mpl", ["deep_mlp", "lenet5"])
    UnknownName('Unknown model "deep_mpl". Did you mean "deep_mlp"? Available: deep_mlp, lenet5.')
    """
    known = sorted(known)
    near = nearest(name, known)
    hint = f'Did you mean "{near}"? ' if near else ""
    whose = f" of {of}" if of else ""
    return UnknownName(f'Unknown {kind} "{name}"{whose}. {hint}Available: {", ".join(known) or "none"}.')


def nearest(name: object, known: Iterable[str]) -> str | None:
    """Returns the one of `known` that `name` was most likely meant to be, or None.

    >>> nearest("sigmiod", ["sigmoid", "tanh"])
    'sigmoid'
    """
    return next(iter(difflib.get_close_matches(str(name).lower(), list(known), n=1, cutoff=0.5)), None)
