"""A train function for `model.fit` that runs with taps attached, and leaves the model's own in place."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import keras


class RecordingTrainFunction:
    """Runs a model's steps, traced with taps, in place of the train function that the model has.

    Keras keeps a compiled step; one that was traced without taps does not fill them, so another is made. It stands
    in for the model's own for one call at a time: before each call `replace` sets a substitute, which restores the
    model's own before it runs. Whatever ends a training finds the model as it was, unless a later callback fails in
    `on_train_batch_begin`; then the next step restores it.

    Args:
        attached: Function that returns a context in which steps are recorded.
    """

    def __init__(self, attached: Callable[[], AbstractContextManager[None]]) -> None:
        self._attached = attached
        self.clear()

    def clear(self) -> None:
        """Forgets the model."""
        self._original: Callable[..., Any] | None = None
        self._traced: Callable[..., Any] | None = None

    def is_for(self, model: keras.Model) -> bool:
        """Returns whether the function was prepared for the step that a model has now."""
        return self._original is not None and self._original is model.train_function

    def prepare(self, model: keras.Model) -> None:
        """Makes the function for a model."""
        self._original = model.train_function
        model.make_train_function(force=True)
        self._traced = model.train_function
        object.__setattr__(model, "train_function", self._original)

    def replace(self, model: keras.Model) -> None:
        """Replaces a model's train function for one call."""
        original = model.train_function
        # Another recorder's substitute is called in turn.
        run: Any = original if hasattr(original, "restores_train_function") else self._traced

        def run_recorded(iterator: Any) -> Any:
            object.__setattr__(model, "train_function", original)
            with self._attached():
                return run(iterator)

        run_recorded.restores_train_function = True  # type: ignore[attr-defined]
        object.__setattr__(model, "train_function", run_recorded)
