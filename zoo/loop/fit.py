"""`fit`, with the loop over the batches on the device instead of in Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import keras

from zoo.errors import InvalidValue
from zoo.loop.arrays import are_arrays, split_arrays, to_arrays
from zoo.loop.batches import OrderedBatches
from zoo.loop.checkpoint import Checkpoint
from zoo.loop.evaluating import Evaluation, compile_evaluation
from zoo.loop.fallback import CANNOT_BE_COMPILED, find_fallback_reason, fit_with_keras
from zoo.loop.session import Session
from zoo.utils.constraints import Count, check, non_negative

# Callbacks whose state follows from the metrics of the epochs.
_RESTORED_FROM_HISTORY = (keras.callbacks.History, keras.callbacks.EarlyStopping, keras.callbacks.ReduceLROnPlateau)


def fit(
    model: keras.Model,
    x: Any,
    y: Any = None,
    *,
    sample_weight: Any = None,
    class_weight: Mapping[int, float] | None = None,
    batch_size: int = 32,
    epochs: int = 1,
    initial_epoch: int = 0,
    shuffle: bool = True,
    seed: int = 0,
    validation_data: tuple[Any, ...] | None = None,
    validation_split: float = 0.0,
    validation_batch_size: int | None = None,
    validation_freq: int = 1,
    callbacks: Sequence[keras.callbacks.Callback] | None = None,
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

    `on_train_batch_begin` and `on_train_batch_end` of a callback are called once per call, as under
    `steps_per_execution`. If a callback of your own has such a method and does not set `content_with_calls = True`, if
    the data are not arrays, if the model runs eagerly, or if its step cannot be compiled, the model is trained by
    `model.fit` instead, with a `SlowFit` warning that states the reason.

    Args:
        model: A compiled model.
        x: Inputs: an array, or a structure of arrays with the same number of examples.
        y: Targets, in the same form. Defaults to None, for a model without targets.
        sample_weight: Weight of each example, `(examples,)`. Defaults to None.
        class_weight: Weight of each class by its label, in place of `sample_weight`. Defaults to None.
        batch_size: Number of examples in a batch, over all replicas. Defaults to 32.
        epochs: Epoch to train to, counted from 1. Defaults to 1.
        initial_epoch: Number of epochs that are finished already. Defaults to 0.
        shuffle: Whether to shuffle the examples. Defaults to True.
        seed: Random seed of the order of the examples, with the number of the epoch; see `draw_order`. Defaults to 0.
        validation_data: `(x, y)` or `(x, y, sample_weight)` to evaluate the model on. Defaults to None.
        validation_split: Fraction of the examples, at the end, to hold out for validation. Defaults to 0.
        validation_batch_size: Number of examples in a batch of the validation. Defaults to `batch_size`.
        validation_freq: Number of epochs from one validation to the next. Defaults to 1.
        callbacks: Keras callbacks. Defaults to None.
        verbose: As in `model.fit`. Defaults to "auto".
        checkpoint: File, `*.npz`, that is written after every epoch. If it exists, the training resumes from it, with
            the same numbers as if it had not been interrupted. Defaults to None.
        checkpoint_every: Number of steps after which the checkpoint is also written within an epoch. Defaults to None.
        jit_compile: Whether XLA compiles the calls. Defaults to "auto", which measures once per model and
            machine which is faster.

    Returns:
        Keras' history.

    Raises:
        InvalidValue: The model is not compiled, or the arrays differ in their number of examples.
        RunFailed: The checkpoint cannot be written or belongs to another training.

    >>> import keras, numpy as np
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, "softmax")])
    >>> model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    >>> x = np.random.default_rng(0).normal(size=(100, 2))
    >>> history = fit(model, x, x[:, 0] > 0, epochs=20, verbose=0)
    >>> sorted(history.history)
    ['accuracy', 'loss']
    """
    if not model.compiled:
        raise InvalidValue("fit trains by the model's loss; compile the model first.")
    batch_size = check("batch_size", batch_size, Count)
    epochs = check("epochs", epochs, Annotated[int, non_negative])
    validation_freq = check("validation_freq", validation_freq, Count)
    checkpoint_every = check("checkpoint_every", checkpoint_every, Count | None)
    validation_batch_size, order_seed = validation_batch_size or batch_size, seed if shuffle else None
    callbacks = list(callbacks or [])
    data = to_arrays(x, y, sample_weight, class_weight) if are_arrays(x) else None
    if data is not None and validation_data is None and validation_split:
        data, validation_data = split_arrays(data, validation_split)

    reason = find_fallback_reason(model, x, callbacks, has_checkpoint=checkpoint is not None)
    if data is not None and not reason:
        if hasattr(model, "adapt"):
            model.adapt(data[0])
        try:
            session = Session(
                model, data, batch_size, callbacks, seed=order_seed, epochs=epochs, initial_epoch=initial_epoch,
                checkpoint=checkpoint, checkpoint_every=checkpoint_every, jit_compile=jit_compile,
            )  # fmt: skip
        except CANNOT_BE_COMPILED as error:
            reason = f"its step cannot be compiled ({str(error).strip().splitlines()[0]})"
    if reason:
        batches = x if data is None else OrderedBatches(data, batch_size, seed=order_seed, epoch=initial_epoch)
        return fit_with_keras(
            model, batches, reason, epochs=epochs, initial_epoch=initial_epoch, validation_data=validation_data,
            validation_batch_size=validation_batch_size, validation_freq=validation_freq, callbacks=callbacks,
            verbose=verbose,
        )  # fmt: skip
    validate = None
    if validation_data is not None:
        validate = compile_evaluation(model, to_arrays(*validation_data), validation_batch_size)
    events = keras.callbacks.CallbackList(
        callbacks, add_history=True, add_progbar=verbose != 0, model=model, epochs=epochs, steps=session.steps,
        verbose=1 if verbose == "auto" else verbose,
    )  # fmt: skip
    return _train(session, events, validate, validation_freq)


def _train(
    session: Session, events: keras.callbacks.CallbackList, validate: Evaluation | None, validation_freq: int
) -> keras.callbacks.History:
    """Runs the remaining epochs of a session."""
    model, position, logs = session.model, session.position, {}
    model.stop_training = False
    session.restore()
    events.on_train_begin()
    _replay(position.history, events)
    session.restore()  # for example the learning rate, which the replay has reduced again
    for epoch in range(position.epoch, session.epochs):
        start = position.step if epoch == position.epoch else 0
        if not start:
            model.reset_metrics()
        events.on_epoch_begin(epoch)
        if start:
            session.restore()  # undoes what callbacks changed again at the beginning of this epoch
        logs = session.run_epoch(epoch, events, start=start)
        if validate and (epoch + 1) % validation_freq == 0:
            logs.update({f"val_{name}": value for name, value in validate().items()})
        events.on_epoch_end(epoch, logs)
        session.end_epoch(epoch, logs)
        if model.stop_training:
            break
    if isinstance(model.optimizer, keras.Optimizer) and session.epochs > position.epoch:
        model.optimizer.finalize_variable_values(model.trainable_weights)
    events.on_train_end(logs)
    return model.history


def _replay(history: Sequence[Mapping[str, float]], events: keras.callbacks.CallbackList) -> None:
    """Replays past epochs to the callbacks whose state follows from the metrics."""
    for callback in events.callbacks:
        if isinstance(callback, _RESTORED_FROM_HISTORY):
            for epoch, logs in enumerate(history):
                callback.on_epoch_end(epoch, dict(logs))
