"""A callback that makes Ctrl-C reliable."""

from __future__ import annotations

import signal
import threading
from typing import Any

import keras


class Interrupt(keras.callbacks.Callback):
    """Ends a training at the next call after Ctrl-C. A context manager around the training.

    Python drops a `KeyboardInterrupt` that is raised while an object is deleted, which TensorFlow does all the time:
    the training would continue. Outside the main thread, this callback does nothing.
    """

    content_with_calls = True
    restores_itself = True

    def __init__(self) -> None:
        super().__init__()
        self._is_requested = False
        self._previous_handler: Any = None

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            self._previous_handler = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        if self._previous_handler is not None:
            signal.signal(signal.SIGINT, self._previous_handler)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if self._is_requested:
            raise KeyboardInterrupt

    def _handle(self, *_: object) -> None:
        self._is_requested = True
        raise KeyboardInterrupt
