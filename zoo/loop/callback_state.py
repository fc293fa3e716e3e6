"""The state of callbacks, kept in a checkpoint so that a resumed training continues theirs.

`EarlyStopping` has its best weights, `ReduceLROnPlateau` its patience, a callback of your own its counters. Whatever is
an attribute of plain values (numbers, text, arrays; lists, sets and dictionaries of these) is kept.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

CallbackState = dict[str, Any]  # name of the class, and its attributes, encoded
_PLAIN = (bool, int, float, str, type(None))
# What Keras sets in each training; it changes the sign of `min_delta` when the training first needs it.
_OF_KERAS = ("model", "_model", "params", "min_delta")
_SEQUENCES = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset, "deque": deque}
_LARGE = 2**20  # bytes above which an array counts as changed only if it was replaced


class CallbackStates:
    """The attributes of callbacks that change during a training.

    Create it after `on_train_begin`: attributes that still have the values of that moment need not be kept.

    Args:
        callbacks: Callbacks of the training; those that set `restores_itself = True` are left out.
    """

    def __init__(self, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        self._callbacks = [each for each in callbacks if not getattr(each, "restores_itself", False)]
        self._initial = [{name: _identify(value) for name, value in _attributes(each)} for each in self._callbacks]
        self._warned: set[str] = set()

    def capture(self) -> tuple[list[CallbackState], list[np.ndarray]]:
        """Returns the state of each callback as JSON holds it, and the arrays that it refers to.

        An attribute that cannot be kept is warned of once.
        """
        states: list[CallbackState] = []
        arrays: list[np.ndarray] = []
        for callback, initial in zip(self._callbacks, self._initial, strict=True):
            state = {}
            for name, value in _attributes(callback):
                if initial.get(name) == _identify(value):
                    continue
                if _is_plain(value):
                    state[name] = _encode(value, arrays)
                elif not callable(value) and not type(callback).__module__.startswith("keras."):
                    self._warn(f"{type(callback).__qualname__}.{name}", value)
            states.append({"class": type(callback).__qualname__, "state": state})
        return states, arrays

    def restore(self, states: Sequence[CallbackState], arrays: Sequence[np.ndarray]) -> None:
        """Restores what `capture` has returned, and warns of each callback that was not among the callbacks then.

        Args:
            states: States of the callbacks; each belongs to the first callback of its class that has none yet.
            arrays: Arrays that the states refer to.
        """
        remaining = list(states)
        for callback in self._callbacks:
            name = type(callback).__qualname__
            found = next((state for state in remaining if state["class"] == name), None)
            if found is not None:
                remaining.remove(found)
                for attribute, value in found["state"].items():
                    setattr(callback, attribute, decode(value, arrays))
            elif not isinstance(callback, keras.callbacks.ProgbarLogger) and any(_attributes(callback)):
                warnings.warn(f"The checkpoint has no state of the callback {name}, which begins anew.", stacklevel=4)

    def _warn(self, name: str, value: Any) -> None:
        if name not in self._warned:
            self._warned.add(name)
            warnings.warn(
                f"The checkpoint cannot keep {name}, {type(value).__name__}: after an interruption it begins anew. "
                "Numbers, text, arrays, and lists and dictionaries of these are kept.",
                stacklevel=5,
            )


def _attributes(callback: keras.callbacks.Callback) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in vars(callback).items() if name not in _OF_KERAS]


def _identify(value: Any) -> Any:
    """Returns a value that changes whenever an attribute does."""
    if isinstance(value, np.ndarray) and value.nbytes <= _LARGE and value.dtype != object:
        return value.shape, value.dtype.str, value.tobytes()
    if isinstance(value, (list, tuple, deque)):
        return [_identify(each) for each in value]
    if isinstance(value, (set, frozenset)):
        return frozenset(value)
    if isinstance(value, dict):
        return {key: _identify(each) for key, each in value.items()}
    return value if isinstance(value, _PLAIN) else id(value)


def _is_plain(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.dtype != object
    if isinstance(value, deque) and value.maxlen is not None:
        return False
    if isinstance(value, (list, tuple, set, frozenset, deque)):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value) and all(map(_is_plain, value.values()))
    return isinstance(value, (*_PLAIN, np.generic))


def _encode(value: Any, arrays: list[np.ndarray]) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        arrays.append(np.array(value))
        return {"array": len(arrays) - 1}
    if isinstance(value, (list, tuple, set, frozenset, deque)):
        kind = next(name for name, kind in _SEQUENCES.items() if isinstance(value, kind))
        return {kind: [_encode(each, arrays) for each in value]}
    if isinstance(value, dict):
        return {"dict": {key: _encode(each, arrays) for key, each in value.items()}}
    return value


def decode(value: Any, arrays: Sequence[np.ndarray]) -> Any:
    """Returns a value that `CallbackStates.capture` has encoded."""
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "array":
        array = arrays[content]
        return array.copy() if array.ndim else array[()]
    if kind == "dict":
        return {key: decode(each, arrays) for key, each in content.items()}
    items = [decode(each, arrays) for each in content]
    return _SEQUENCES[kind](items)
