"""Fallback to Keras' own `fit`, step by step, for trainings that cannot run in compiled calls."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from zoo.errors import InvalidValue
from zoo.utils.keras_private import profiles_steps

# Exceptions of Keras and TensorFlow for a step that cannot be traced or compiled.
CANNOT_BE_COMPILED = (TypeError, NotImplementedError, tf.errors.InvalidArgumentError, tf.errors.UnimplementedError)
_BATCH_HOOKS = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")
_TEST_HOOKS = ("on_test_batch_begin", "on_test_batch_end")
_SUITABLE_CALLBACKS = (keras.callbacks.ProgbarLogger, keras.callbacks.TerminateOnNaN)
_OF_FIT = ("fit", "make_train_function", "make_test_function", "evaluate")


class CannotCheckpoint(InvalidValue):
    """Error of a training with a checkpoint that cannot run in compiled calls."""


class SlowFit(UserWarning):
    """Warning that Keras' own `fit` runs a training step by step, and why."""


def find_fallback_reason(
    model: keras.Model, callbacks: Sequence[keras.callbacks.Callback], validation_data: Any = None
) -> str:
    """Returns why a training on arrays cannot run in compiled calls, or an empty string if it can.

    Args:
        model: A compiled model.
        callbacks: Callbacks of the training.
        validation_data: Validation data. Defaults to None.
    """
    if isinstance(validation_data, Iterator):
        return f"its validation data are a {type(validation_data).__name__}, which only Keras continues"
    overridden = [name for name in _OF_FIT if _is_overridden(model, name)]
    if overridden:
        return f"it has a method {overridden[0]} of its own"
    if model.run_eagerly:
        return "it is compiled with run_eagerly=True"
    if keras.config.max_steps_per_epoch():
        return f"keras.config.max_steps_per_epoch is {keras.config.max_steps_per_epoch()}"
    unsuitable = next((type(callback).__name__ for callback in callbacks if _needs_every_step(callback)), "")
    if unsuitable:
        return f"the callback {unsuitable} must be called at every step, unless it sets content_with_calls = True"
    return ""


def needs_every_test_step(callback: keras.callbacks.Callback) -> bool:
    """Returns whether a callback must be called at every step of an evaluation."""
    if isinstance(callback, (*_SUITABLE_CALLBACKS, keras.callbacks.TensorBoard)):
        return False
    return _overrides(callback, _TEST_HOOKS)


def fit_with_keras(
    model: keras.Model, x: Any, reason: str, *, has_checkpoint: bool, **options: Any
) -> keras.callbacks.History:
    """Trains a model by `model.fit`, with a warning that states the reason.

    Args:
        model: A compiled model.
        x: Data of the training, in a form that Keras knows.
        reason: Reason for the warning.
        has_checkpoint: Whether the training writes a checkpoint, which `model.fit` cannot.
        **options: Other arguments of `model.fit`.

    Raises:
        CannotCheckpoint: A training with a checkpoint cannot run in compiled calls.
        InvalidValue: `batch_size` is given for data that have batches of their own.
    """
    if not hasattr(x, "shape") and not keras.tree.is_nested(x):
        if options.get("batch_size") is not None:
            raise InvalidValue(
                f"batch_size must be None for a {type(x).__name__}, which has batches of its own; got "
                f"{options['batch_size']}."
            )
        if not isinstance(x, keras.utils.PyDataset):
            options["shuffle"] = options["shuffle"] and None  # Keras warns that it cannot shuffle
    if has_checkpoint:
        raise CannotCheckpoint(f"A training with a checkpoint runs in compiled calls; this one cannot: {reason}.")
    warnings.warn(f"{model.name} is trained step by step by Keras' own fit: {reason}.", SlowFit, stacklevel=3)
    return model.fit(x, **options)


def get_first_line(error: Exception) -> str:
    """Returns the first line of a message of Keras or TensorFlow that says something.

    >>> get_first_line(ValueError("Graph execution error:\\n\\nDetected at node NotEqual"))
    'Detected at node NotEqual'
    """
    return str(error).strip().removeprefix("Graph execution error:").strip().partition("\n")[0]


def _is_overridden(model: keras.Model, name: str) -> bool:
    method = getattr(type(model), name)
    # A `fit` with this mark does no more than `adapt` before it calls Keras'.
    return method is not getattr(keras.Model, name) and not getattr(method, "only_adapts", False)


def _needs_every_step(callback: keras.callbacks.Callback) -> bool:
    if isinstance(callback, _SUITABLE_CALLBACKS) or getattr(callback, "content_with_calls", False):
        return False
    if isinstance(callback, keras.callbacks.TensorBoard) and (
        callback.write_steps_per_second or profiles_steps(callback)
    ):
        return True
    frequency = getattr(callback, "save_freq", getattr(callback, "update_freq", None))
    if frequency is not None:  # ModelCheckpoint and TensorBoard, which otherwise act at the end of an epoch
        return frequency != "epoch"
    return _overrides(callback, _BATCH_HOOKS)


def _overrides(callback: keras.callbacks.Callback, hooks: Sequence[str]) -> bool:
    kind, base = type(callback), keras.callbacks.Callback
    return any(hook in vars(callback) or getattr(kind, hook) is not getattr(base, hook) for hook in hooks)
