"""`fit`, with the loop over the batches on the device instead of in Python."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import keras

from zoo.errors import InvalidValue
from zoo.loop.arrays import find_other_type, split_arrays, to_arrays, weight_classes
from zoo.loop.batches import OrderedBatches
from zoo.loop.checkpoint import Checkpoint
from zoo.loop.evaluating import make_validation
from zoo.loop.fallback import CANNOT_BE_COMPILED, find_fallback_reason, fit_with_keras, get_first_line
from zoo.loop.session import Session
from zoo.utils.constraints import Count, check, non_negative
from zoo.utils.keras_private import get_restored_epoch
from zoo.utils.tensorflow_import import require_tensorflow


def fit(
    model: keras.Model,
    x: Any,
    y: Any = None,
    *,
    sample_weight: Any = None,
    class_weight: Mapping[int, float] | None = None,
    batch_size: int | None = None,
    epochs: int = 1,
    initial_epoch: int = 0,
    shuffle: bool = True,
    seed: int = 0,
    steps_per_epoch: int | None = None,
    validation_data: Any = None,
    validation_split: float = 0.0,
    validation_batch_size: int | None = None,
    validation_steps: int | None = None,
    validation_freq: int | Collection[int] = 1,
    callbacks: Any = None,
    verbose: Literal["auto", 0, 1, 2] = "auto",
    checkpoint: str | Path | Checkpoint | None = None,
    checkpoint_every: int | None = None,
    jit_compile: bool | Literal["auto"] = "auto",
) -> keras.callbacks.History:
    """Trains a compiled model as `model.fit` does, in compiled calls of many steps.

    The examples lie on the device, and up to 1,000 steps run before Python continues: with networks of this size,
    `model.fit` spends most of its time between the steps. The steps are the model's own `train_step`, with its
    optimizer, losses and metrics. Batches are drawn anew in every epoch, and the last one of an epoch may be smaller.
    Under a `tf.distribute` strategy, build and compile the model in its scope.

    A model with a method `adapt`, such as an RBM, is first given all inputs.

    Whatever compiled calls cannot honor, `model.fit` does instead, step by step, with a `SlowFit` warning that states
    the reason: data that are not arrays, `steps_per_epoch`, a model that runs eagerly or has a `fit` or
    `make_train_function` of its own, a step that cannot be compiled, and a callback of your own with
    `on_train_batch_begin` or `on_train_batch_end`. A callback that sets `content_with_calls = True` is called once per
    call, as under `steps_per_execution`.

    Args:
        model: A compiled model.
        x: Inputs: an array, or a structure of arrays with the same number of examples; or anything else that
            `model.fit` takes, such as a `tf.data.Dataset`.
        y: Targets, in the same form. Defaults to None, for a model without targets.
        sample_weight: Weight of each example, `(examples,)`, or a structure with one for each output. Defaults to None.
        class_weight: Weight of each class by its label, in place of `sample_weight`; 1 for other classes. Validation
            examples are not weighted. Defaults to None.
        batch_size: Number of examples in a batch, over all replicas. Defaults to 32.
        epochs: Epoch to train to, counted from 1. Defaults to 1.
        initial_epoch: Number of epochs that are finished already. Defaults to 0.
        shuffle: Whether to shuffle the examples. Defaults to True.
        seed: Random seed of the order of the examples, with the number of the epoch; see `draw_order`. Defaults to 0.
        steps_per_epoch: Number of batches in an epoch, as in `model.fit`. Defaults to None, for all.
        validation_data: `(x, y)` or `(x, y, sample_weight)` to evaluate the model on, or a data set. Defaults to None.
        validation_split: Fraction of the examples, at the end, to hold out for validation. Defaults to 0.
        validation_batch_size: Number of examples in a batch of the validation. Defaults to `batch_size`.
        validation_steps: Number of batches of the validation. Defaults to None, for all.
        validation_freq: Number of epochs from one validation to the next, or a list of epochs, counted from 1.
            Defaults to 1.
        callbacks: Keras callbacks, one or a list. Defaults to None.
        verbose: As in `model.fit`. Defaults to "auto".
        checkpoint: File, `*.npz`, that is written after every epoch. If it exists, the training resumes from it, with
            the same numbers as if it had not been interrupted; the state of the callbacks is resumed too. A training
            that a callback has stopped stays so, unless `epochs` is raised. Defaults to None.
        checkpoint_every: Number of steps after which the checkpoint is also written within an epoch. Defaults to None.
        jit_compile: Whether XLA compiles the calls, in place of the value that the model is compiled with. Defaults to
            "auto", which measures once per model and machine which is faster.

    Returns:
        Keras' history.

    Raises:
        InvalidValue: The model is not compiled, an argument does not suit the data, XLA cannot compile the step as
            `jit_compile=True` requires, or `checkpoint` is given for a training that needs `model.fit`.
        RunFailed: The checkpoint cannot be written or belongs to another training, or a callback has replaced the
            optimizer.

    >>> import keras, numpy as np
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, "softmax")])
    >>> model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    >>> x = np.random.default_rng(0).normal(size=(100, 2))
    >>> history = fit(model, x, x[:, 0] > 0, epochs=20, verbose=0)
    >>> sorted(history.history)
    ['accuracy', 'loss']
    """
    _check_model(model)
    check("batch_size", batch_size, Count | None)
    check("checkpoint_every", checkpoint_every, Count | None)
    epochs = _limit_epochs(check("epochs", epochs, Annotated[int, non_negative]))
    callbacks = _list_callbacks(callbacks, checkpoint)
    of_keras = {
        "epochs": epochs, "initial_epoch": initial_epoch, "callbacks": callbacks, "verbose": verbose,
        "has_checkpoint": checkpoint is not None, "validation_steps": validation_steps,
        "validation_batch_size": validation_batch_size or batch_size, "validation_freq": validation_freq,
    }  # fmt: skip
    kind = find_other_type(x, y, sample_weight)
    if kind or steps_per_epoch is not None:
        return fit_with_keras(
            model, x, f"its data are a {kind}, not arrays" if kind else f"steps_per_epoch is {steps_per_epoch}",
            y=y, sample_weight=sample_weight, class_weight=class_weight, batch_size=batch_size, shuffle=shuffle,
            steps_per_epoch=steps_per_epoch, validation_split=validation_split, validation_data=validation_data,
            **of_keras,
        )  # fmt: skip
    data, validation_data = _prepare(x, y, sample_weight, class_weight, validation_split, validation_data)
    batch_size, order_seed = batch_size or 32, seed if shuffle else None
    reason = find_fallback_reason(model, callbacks, validation_data)
    if not reason:
        if hasattr(model, "adapt"):
            model.adapt(data[0])
        try:
            session = Session(
                model, data, batch_size, callbacks, seed=order_seed, epochs=epochs, initial_epoch=initial_epoch,
                checkpoint=checkpoint, checkpoint_every=checkpoint_every, jit_compile=jit_compile,
            )  # fmt: skip
        except CANNOT_BE_COMPILED as error:
            reason = f"its step cannot be compiled ({get_first_line(error)})"
    if reason:
        batches = OrderedBatches(data, batch_size, seed=order_seed, epoch=initial_epoch)
        return fit_with_keras(model, batches, reason, shuffle=False, validation_data=validation_data, **of_keras)
    validation = {"batch_size": validation_batch_size or batch_size, "steps": validation_steps}
    return _train(session, callbacks, verbose, validation_data, validation, validation_freq)


def _train(
    session: Session, callbacks: Any, verbose: Any, validation_data: Any, validation: Any, validation_freq: Any
) -> keras.callbacks.History:
    """Runs the remaining epochs of a session."""
    model, position, logs = session.model, session.position, {}
    events = keras.callbacks.CallbackList(
        callbacks, add_history=True, add_progbar=verbose != 0, model=model, epochs=session.epochs, steps=session.steps,
        verbose=1 if verbose == "auto" else verbose,
    )  # fmt: skip
    validate = None if validation_data is None else make_validation(model, validation_data, events, **validation)
    model.stop_training = False
    session.restore()
    for callback in events.callbacks:
        if session.is_resumed and isinstance(callback, keras.callbacks.CSVLogger):
            callback.append = True  # otherwise it would overwrite the epochs before
    events.on_train_begin()
    session.begin(events.callbacks)
    session.restore()  # what `on_train_begin` has changed
    first = position.epoch
    if any(isinstance(callback, keras.callbacks.BackupAndRestore) for callback in events.callbacks):
        first = get_restored_epoch(model) or first
    for epoch in range(first, 0 if position.is_finished(session.epochs) else session.epochs):
        start = position.step if epoch == position.epoch else 0
        if not start:
            model.reset_metrics()
        events.on_epoch_begin(epoch)
        if start:
            session.restore()  # what callbacks have changed again at the beginning of this epoch
        session.check_model()
        logs = session.run_epoch(epoch, events, start=start)
        if validate and _is_validated(epoch, validation_freq):
            logs.update({f"val_{name}": value for name, value in validate().items()})
        events.on_epoch_end(epoch, logs)
        session.end_epoch(epoch)
        if model.stop_training:
            break
    if isinstance(model.optimizer, keras.Optimizer) and session.epochs > 0:
        model.optimizer.finalize_variable_values(model.trainable_weights)
    events.on_train_end(logs)
    return model.history


def _check_model(model: keras.Model) -> None:
    require_tensorflow("zoo.training.fit")
    if not isinstance(model, keras.Model):
        raise InvalidValue(f"model must be a Keras model; got {type(model).__name__}.")
    if not model.compiled:
        raise InvalidValue("fit trains by the model's loss; compile the model first.")


def _prepare(
    x: Any, y: Any, sample_weight: Any, class_weight: Any, validation_split: float, validation_data: Any
) -> tuple[tuple[Any, ...], Any]:
    """Returns the examples with their weights and the validation data, which class weights do not reach."""
    data = to_arrays(x, y, sample_weight)
    if validation_data is None and validation_split:
        data, validation_data = split_arrays(data, validation_split)
    return data if class_weight is None else weight_classes(data, class_weight), validation_data


def _limit_epochs(epochs: int) -> int:
    """Returns the epoch to train to under `keras.config.set_max_epochs`, with Keras' warning."""
    limit = keras.config.max_epochs()
    if limit and limit < epochs:
        warnings.warn(f"Limiting epochs to {limit}", stacklevel=3)
        return limit
    return epochs


def _list_callbacks(callbacks: Any, checkpoint: Any) -> list[keras.callbacks.Callback]:
    if isinstance(callbacks, keras.callbacks.CallbackList):
        callbacks = callbacks.callbacks
    listed = keras.tree.flatten(callbacks) if callbacks else []
    if checkpoint is not None and any(isinstance(each, keras.callbacks.BackupAndRestore) for each in listed):
        raise InvalidValue("Give checkpoint or the callback BackupAndRestore, not both: each restores a training.")
    return listed


def _is_validated(epoch: int, frequency: Any) -> bool:
    if isinstance(frequency, int):
        return (epoch + 1) % frequency == 0
    return epoch + 1 in frequency
