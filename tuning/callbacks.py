"""Callbacks of a search: checked once, and copied for each training as KerasTuner copies them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo.errors import InvalidValue

Callbacks = tuple[keras.callbacks.Callback, ...]
_PLAIN = (bool, int, float, str, type(None))
# Attribute with the path of each callback that writes files.
_PATHS = {
    keras.callbacks.TensorBoard: "log_dir",
    keras.callbacks.ModelCheckpoint: "filepath",
    keras.callbacks.CSVLogger: "filename",
}


def check_callbacks(callbacks: Any) -> Callbacks:
    """Checks the callbacks of a search.

    Args:
        callbacks: One callback, or a sequence of them.

    Raises:
        InvalidValue: One of them is not a Keras callback, cannot be copied, or restores trainings itself.
    """
    if isinstance(callbacks, keras.callbacks.Callback):
        callbacks = (callbacks,)
    if not isinstance(callbacks, Sequence) or isinstance(callbacks, str):
        raise InvalidValue(f"callbacks must be a sequence of Keras callbacks; got {callbacks!r}.")
    for callback in callbacks:
        name = type(callback).__name__
        if not isinstance(callback, keras.callbacks.Callback):
            raise InvalidValue(f"callbacks must be a sequence of Keras callbacks; got {callback!r} in it.")
        if isinstance(callback, keras.callbacks.BackupAndRestore):
            raise InvalidValue("callbacks must not have BackupAndRestore: a search resumes its trainings itself.")
        try:
            copy.deepcopy(callback)
        except Exception as error:
            raise InvalidValue(
                f"callbacks must be copied for each trial, and copy.deepcopy of {name} fails: {error}."
            ) from error
    return tuple(callbacks)


def describe_callbacks(callbacks: Callbacks) -> list[Any]:
    """Returns the class of each callback, and the arguments of those of Keras, as plain values for `search.json`."""
    descriptions: list[Any] = []
    for callback in callbacks:
        kind = type(callback)
        attributes = vars(callback) if kind.__module__.startswith("keras.") else {}
        public = {name: value for name, value in attributes.items() if name[0] != "_" and value is not None}
        plain = {name: value for name, value in public.items() if isinstance(value, _PLAIN)}
        descriptions.append({"class": kind.__qualname__, **plain})
    return descriptions


def copy_callbacks(callbacks: Callbacks, values: Mapping[str, Any], trial_id: str, execution: int) -> list[Any]:
    """Returns copies of the callbacks for one training.

    Those that write files write them into a folder of the training's own: `logs/run.csv` becomes
    `logs/TRIAL/execution0/run.csv`. TensorBoard shows the hyperparameters too. This is KerasTuner's rule for
    TensorBoard.

    Args:
        callbacks: Callbacks of the search.
        values: Hyperparameters of the trial.
        trial_id: Id of the trial.
        execution: Number of the training of the trial, from 0.
    """
    copies: list[Any] = [copy.deepcopy(callback) for callback in callbacks]
    for callback in list(copies):
        kind = next((kind for kind in _PATHS if isinstance(callback, kind)), None)
        if kind is None:
            continue
        path, is_folder = Path(getattr(callback, _PATHS[kind])), kind is keras.callbacks.TensorBoard
        parent = (path if is_folder else path.parent) / trial_id / f"execution{execution}"
        parent.mkdir(parents=True, exist_ok=True)
        setattr(callback, _PATHS[kind], str(parent if is_folder else parent / path.name))
        if is_folder:
            copies.append(_show_hyperparameters(str(parent), values, trial_id))
    return copies


def _show_hyperparameters(folder: str, values: Mapping[str, Any], trial_id: str) -> keras.callbacks.Callback:
    from tensorboard.plugins.hparams import api

    callback = api.KerasCallback(writer=folder, hparams=dict(values), trial_id=trial_id)
    callback.restores_itself = True  # it has nothing to restore
    return callback


class BestWeights(keras.callbacks.Callback):
    """Keeps the weights of the epoch with the best objective; without an objective in the logs, of the last epoch.

    Args:
        read: Function that returns the objective of an epoch from its logs, NaN if it has none.
        maximize: Whether a larger objective is better.
    """

    content_with_calls = True

    def __init__(self, read: Callable[[Any], float], *, maximize: bool) -> None:
        super().__init__()
        self._read, self._maximize = read, maximize
        self.value: float | None = None
        self.weights: list[np.ndarray] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Compares the epoch with the best one so far."""
        value = self._read(logs)
        if np.isfinite(value):
            if self.value is not None and not (value > self.value if self._maximize else value < self.value):
                return
            self.value = float(value)
        elif self.value is not None:
            return
        self.weights = self.model.get_weights()
