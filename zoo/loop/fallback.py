"""Fallback to Keras' own `fit`, step by step, for trainings that cannot run in compiled calls."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from zoo.errors import InvalidValue
from zoo.loop.arrays import are_arrays
from zoo.loop.batches import OrderedBatches

# Exceptions of Keras and TensorFlow for a step that cannot be traced or compiled.
CANNOT_BE_COMPILED = (TypeError, NotImplementedError, tf.errors.InvalidArgumentError, tf.errors.UnimplementedError)
_BATCH_HOOKS = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")
_SUITABLE_CALLBACKS = (keras.callbacks.ProgbarLogger, keras.callbacks.TerminateOnNaN)


class SlowFit(UserWarning):
    """Warning that Keras' own `fit` runs a training step by step, and why."""


def find_fallback_reason(
    model: keras.Model, x: Any, callbacks: Sequence[keras.callbacks.Callback], *, has_checkpoint: bool
) -> str:
    """Returns why a training cannot run in compiled calls, or an empty string if it can.

    Args:
        model: A compiled model.
        x: Its inputs.
        callbacks: Callbacks of the training.
        has_checkpoint: Whether the training writes a checkpoint, which `model.fit` cannot.

    Raises:
        InvalidValue: A training with a checkpoint cannot run in compiled calls.
    """
    reason, unsuitable = "", [callback for callback in callbacks if _needs_every_step(callback)]
    if not are_arrays(x):
        reason = f"its data are a {type(x).__name__}, not arrays"
    elif model.run_eagerly:
        reason = "it is compiled with run_eagerly=True"
    elif unsuitable:
        name = type(unsuitable[0]).__name__
        reason = f"the callback {name} must be called at every step, unless it sets content_with_calls = True"
    if reason and has_checkpoint:
        raise InvalidValue(f"A training with a checkpoint runs in compiled calls; this one cannot: {reason}.")
    return reason


def fit_with_keras(
    model: keras.Model, x: Any, reason: str, *, validation_batch_size: int, **options: Any
) -> keras.callbacks.History:
    """Trains a model by `model.fit`, with a warning that states the reason.

    Args:
        model: A compiled model.
        x: A data set that yields batches.
        reason: Reason for the warning.
        validation_batch_size: Number of examples in a batch of the validation, if `x` are `OrderedBatches`.
        **options: Other arguments of `model.fit`.
    """
    warnings.warn(f"{model.name} is trained step by step by Keras' own fit: {reason}.", SlowFit, stacklevel=3)
    if isinstance(x, OrderedBatches):
        return model.fit(x, shuffle=False, validation_batch_size=validation_batch_size, **options)
    return model.fit(x, shuffle=None, **options)  # Keras warns of any other value


def _needs_every_step(callback: keras.callbacks.Callback) -> bool:
    if isinstance(callback, _SUITABLE_CALLBACKS) or getattr(callback, "content_with_calls", False):
        return False
    frequency = getattr(callback, "save_freq", getattr(callback, "update_freq", None))
    if frequency is not None:  # ModelCheckpoint and TensorBoard, which otherwise act at the end of an epoch
        return frequency != "epoch"
    kind, base = type(callback), keras.callbacks.Callback
    return any(hook in vars(callback) or getattr(kind, hook) is not getattr(base, hook) for hook in _BATCH_HOOKS)
