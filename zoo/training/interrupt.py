"""Ctrl-C, where Python would lose it."""

from __future__ import annotations

import signal
import threading
from typing import Any

import keras


class Interrupt(keras.callbacks.Callback):
    """Ends a training at the next call after Ctrl-C; a context manager around the training.

    Python drops a `KeyboardInterrupt` that falls into the deletion of an object, which TensorFlow does
    at every turn: the training would go on. Outside the main thread it does nothing.
    """

    content_with_calls = True

    def __init__(self) -> None:
        super().__init__()
        self._was_asked = False
        self._before: Any = None

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if self._was_asked:
            raise KeyboardInterrupt

    def _note(self, *_: object) -> None:
        self._was_asked = True
        raise KeyboardInterrupt
