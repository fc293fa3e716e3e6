"""`fit`, with the loop over the mini-batches on the device instead of in Python."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import keras
import numpy as np
import tensorflow as tf

from zoo.errors import InvalidValue
from zoo.loop.acceleration import Way, choose
from zoo.loop.batches import OrderedBatches, order
from zoo.loop.checkpoint import Checkpoint, Position
from zoo.loop.convolutions import as_matrix_products
from zoo.loop.steps import Steps, draw_apart, make_variables, steps_per_call
from zoo.telemetry.instrument import Instrument, Probe
from zoo.telemetry.weights import optimizers_of
from zoo.utils.constraints import at_least, check, probability

_BATCH_HOOKS = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")
_FROM_HISTORY = (keras.callbacks.History, keras.callbacks.EarlyStopping, keras.callbacks.ReduceLROnPlateau)
_CONTENT_WITH_CALLS = (keras.callbacks.ProgbarLogger, keras.callbacks.TerminateOnNaN)


class SlowFit(UserWarning):
    """A training runs step by step in Keras' own `fit`, and why."""


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
    """Trains a compiled model as `model.fit` does, many steps at a time in one compiled call.

    The examples lie on the device, and up to 1,000 steps run before Python is asked again: for
    networks of this size, most of the time of `model.fit` goes by between its steps. The steps are
    the model's own `train_step`, with its optimiser, losses and metrics; the mini-batches are drawn
    anew in every epoch, and the last one of an epoch may be smaller. It works under a
    `tf.distribute` strategy too, the model having been built and compiled in its scope.

    A model that has a method `adapt`, as an RBM has, is given all inputs first.

    A callback's `on_train_batch_begin` and `on_train_batch_end` come once a call, as they do under
    `steps_per_execution`. Where a callback of one's own has such a method, and does not say
    `content_with_calls = True`, where the data are not arrays, or where the model runs eagerly or its
    step cannot be compiled, `model.fit` trains it, and a `SlowFit` warning says why.

    Args:
        model: A compiled model.
        x: Inputs: an array, or a structure of arrays with the same number of examples.
        y: Targets likewise, or None for a model that has none.
        sample_weight: A weight for each example, `(examples,)`.
        class_weight: A weight for each class instead, by label.
        batch_size: Examples in a mini-batch, of all replicas together.
        epochs: The epoch to train to, counted from 1.
        initial_epoch: Epochs that are done already.
        shuffle: Whether to shuffle the examples.
        seed: Decides the orders, with the epoch's number; see `order`.
        validation_data: `(x, y)` or `(x, y, sample_weight)` to evaluate the model on.
        validation_split: In its stead, the share of the examples at the end to hold out.
        validation_batch_size: Examples in a mini-batch there.
        validation_freq: Epochs from one validation to the next.
        callbacks: Keras callbacks.
        verbose: As in `model.fit`.
        checkpoint: A file, `*.npz`, that is written after every epoch. If it is there already, the
            training goes on from it, with the same numbers as if it had not been broken off.
        checkpoint_every: Steps after which it is written within an epoch, too.
        jit_compile: Whether XLA compiles the calls; `"auto"` measures what is faster, once for a
            model on a machine.

    Returns:
        Keras' history.

    Raises:
        InvalidValue: The model is not compiled, or the arrays do not fit together.
        RunFailed: The checkpoint cannot be written, or is another training's.

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
    batch_size = check("batch_size", batch_size, Annotated[int, at_least(1)])
    epochs = check("epochs", epochs, Annotated[int, at_least(0)])
    validation_freq = check("validation_freq", validation_freq, Annotated[int, at_least(1)])
    checkpoint_every = check("checkpoint_every", checkpoint_every, Annotated[int, at_least(1)] | None)
    if checkpoint is not None and not isinstance(checkpoint, Checkpoint):
        checkpoint = Checkpoint(checkpoint)
    began = time.perf_counter()
    stands = (checkpoint.position() if checkpoint else None) or Position(epoch=initial_epoch)
    callbacks = list(callbacks or [])
    data = _arrays(x, y, sample_weight, class_weight) if _are_arrays(x) else None
    if data is not None and validation_data is None and validation_split:
        check("validation_split", validation_split, Annotated[float, probability])
        held_out = int(_examples(data) * (1 - validation_split))
        data, validation_data = _rows(data, slice(held_out)), _rows(data, slice(held_out, None))

    def slowly(reason: str) -> keras.callbacks.History:
        warnings.warn(f"{model.name} is trained step by step by Keras' own fit: {reason}.", SlowFit, stacklevel=3)
        same = {
            "epochs": epochs,
            "initial_epoch": initial_epoch,
            "validation_data": validation_data,
            "validation_freq": validation_freq,
            "callbacks": callbacks,
            "verbose": verbose,
        }
        if data is None:
            return model.fit(x, shuffle=None, **same)  # of anything else Keras says that it ignores it
        batches = OrderedBatches(data, batch_size, seed=seed if shuffle else None, epoch=initial_epoch)
        return model.fit(batches, shuffle=False, validation_batch_size=validation_batch_size or batch_size, **same)

    reason = f"its data are a {type(x).__name__}, not arrays" if data is None else _why_slow(model, callbacks)
    if reason or data is None:
        if checkpoint:
            raise InvalidValue(f"A training with a checkpoint runs in compiled calls; this one cannot: {reason}.")
        return slowly(reason)
    if hasattr(model, "adapt"):
        model.adapt(data[0])
    try:
        make_variables(model, data)
        draw_apart(model)
        training = Training(
            model,
            data,
            batch_size,
            callbacks,
            way=Way(*stands.way) if stands.way else None if jit_compile == "auto" else Way(jit_compile),
            epochs=epochs - stands.epoch,
            stop_every=checkpoint_every,
        )
    except _CANNOT_BE_COMPILED as error:
        return slowly(f"its step cannot be compiled ({str(error).strip().splitlines()[0]})")
    validate: Callable[[], dict[str, float]] | None = None
    if validation_data is not None:
        validate = evaluation(model, _arrays(*validation_data), validation_batch_size or batch_size)

    events = keras.callbacks.CallbackList(
        callbacks, add_history=True, add_progbar=verbose != 0, model=model,
        verbose=1 if verbose == "auto" else verbose, epochs=epochs, steps=training.steps,
    )  # fmt: skip

    def put_back() -> None:
        if checkpoint and stands.way:
            checkpoint.load(training.variables)
            draw_apart(model)

    def save(epoch: int, step: int = 0) -> None:
        if checkpoint:
            seconds = stands.seconds + time.perf_counter() - began
            checkpoint.save(training.variables, Position(epoch, step, past, training.way, seconds))

    past, logs = list(stands.history), {}
    model.stop_training = False
    put_back()
    events.on_train_begin()
    for callback in events.callbacks if past else ():
        if isinstance(callback, _FROM_HISTORY):
            for epoch, each in enumerate(past):
                callback.on_epoch_end(epoch, dict(each))
    put_back()  # a learning rate that was reduced is reduced already
    for epoch in range(stands.epoch, epochs):
        start = stands.step if epoch == stands.epoch else 0
        if not start:
            model.reset_metrics()
        events.on_epoch_begin(epoch)
        if start:
            put_back()  # what callbacks do when an epoch begins was done in its time
        rows = order(_examples(data), seed=seed if shuffle else None, epoch=epoch)
        logs = training.epoch(rows, events, start=start, save=partial(save, epoch))
        if validate and (epoch + 1) % validation_freq == 0:
            logs.update({f"val_{name}": value for name, value in validate().items()})
        events.on_epoch_end(epoch, logs)
        past.append(dict(logs))
        save(epoch + 1)
        if model.stop_training:
            break
    if isinstance(model.optimizer, keras.Optimizer) and epochs > stands.epoch:
        model.optimizer.finalize_variable_values(model.trainable_weights)
    events.on_train_end(logs)
    return model.history


class Training:
    """The compiled steps of a training, and where the calls begin and end.

    Args:
        model: A compiled model with all its variables made.
        data: Its examples, as `Steps` takes them.
        batch_size: Examples in a mini-batch.
        callbacks: The callbacks; gradient recorders among them see into the calls.
        way: How they are compiled; None for the fastest way.
        epochs: How many epochs the training has.
        stop_every: Steps after which a call ends in any case.
    """

    def __init__(
        self,
        model: keras.Model,
        data: tuple[Any, ...],
        batch_size: int,
        callbacks: Sequence[keras.callbacks.Callback],
        *,
        way: Way | None,
        epochs: int,
        stop_every: int | None = None,
    ) -> None:
        self._model, self._batch_size = model, batch_size
        self.steps = -(-_examples(data) // batch_size)
        self._whole_steps = _examples(data) // batch_size
        self._longest = steps_per_call(data, batch_size, self._whole_steps)
        self._recorders = [callback for callback in callbacks if isinstance(callback, Instrument)]
        for recorder in self._recorders:
            recorder.begin(model, steps=self.steps, steps_per_call=self._longest)
        probes = [callback for callback in callbacks if isinstance(callback, Probe)]
        self._stops = [probe.steps_between_stops for probe in probes if probe.steps_between_stops]
        self._save_every = stop_every
        if stop_every:
            self._stops.append(stop_every)
        batches = np.resize(np.arange(_examples(data)), (self._longest, batch_size))
        step, recorded = self._kinds_of_step()

        def make(way: Way) -> Steps:
            lowered = partial(_with_products, model) if way.products else lambda each: each
            kinds = lowered(step), recorded and lowered(recorded)
            return Steps(model, kinds[0], data, jit_compile=way.jit_compile, recorded=kinds[1])

        with self._attached():
            self._run, self.way = choose(
                make,
                batches,
                model=model,
                steps=self.steps * epochs,
                way=way,
                interval=self._interval() if self._recorders else None,
            )

    def _kinds_of_step(self) -> tuple[Callable[..., Any], Callable[..., Any] | None]:
        def step(due: bool) -> Callable[..., Any]:
            def attached(data: Any) -> Any:
                with self._recorders[0].attached(due=due):
                    return self._model.train_step(data)

            return attached

        # TensorFlow 2.21 does not find the values that a conditional step on several replicas is given.
        alone = self._model.distribute_strategy.num_replicas_in_sync == 1
        self._tells = alone and len(self._recorders) == 1 and self._recorders[0].interval is not None
        return (step(False), step(True)) if self._tells else (self._model.train_step, None)

    @contextlib.contextmanager
    def _attached(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            for recorder in [] if self._tells else self._recorders:
                stack.enter_context(recorder.attached())
            yield

    @property
    def variables(self) -> list[tf.Variable]:
        """All variables that the steps read or change: weights, optimiser, metrics, random state, records."""
        model = self._model
        owners = [model, *optimizers_of(model), *model.metrics]
        known = [variable.value for owner in owners for variable in owner.variables]
        known += [variable for recorder in self._recorders for variable in recorder.variables]
        return list({id(variable): variable for variable in known}.values())

    def epoch(
        self,
        rows: np.ndarray,
        events: keras.callbacks.CallbackList,
        *,
        start: int = 0,
        save: Callable[[int], None] = lambda step: None,
    ) -> dict[str, float]:
        """Runs the steps of an epoch from `start` on and returns the metrics.

        Args:
            rows: The order of the examples, `(examples,)`.
            events: The callbacks to be told.
            start: Steps that are done already.
            save: Called with the number of steps that are done, wherever a checkpoint is due.
        """
        logs: Any = {}
        for begin, end in self._calls(start):
            events.on_train_batch_begin(begin)
            with self._attached():
                logs = self._run(self._laid_out(rows, begin, end), end - begin, interval=self._interval())
            logs = _metrics(self._model, logs)
            events.on_train_batch_end(end - 1, logs)
            if self._save_every and end % self._save_every == 0 and end < self.steps:
                save(end)
            if self._model.stop_training:
                break
        return dict(logs)

    def _interval(self) -> tuple[int, int]:
        return (self._recorders[0].interval if self._tells else None) or (1, 0)

    def _calls(self, start: int) -> Iterator[tuple[int, int]]:
        step = start
        while step < self._whole_steps:
            stops = [step - step % every + every for every in self._stops]
            end = min(step + self._longest, self._whole_steps, *stops)
            yield step, end
            step = end
        if step < self.steps:
            yield step, self.steps

    def _laid_out(self, rows: np.ndarray, begin: int, end: int) -> np.ndarray:
        taken = rows[begin * self._batch_size : end * self._batch_size]
        if end > self._whole_steps:
            return taken[None]
        # All calls have the same shape, so that they are compiled once: what is too much is not run.
        return np.resize(taken, (self._longest, self._batch_size))


def _with_products(model: keras.Model, step: Callable[..., Any]) -> Callable[..., Any]:
    def with_products(data: Any) -> Any:
        with as_matrix_products(model):
            return step(data)

    return with_products


def evaluate(model: keras.Model, x: Any, y: Any = None, *, batch_size: int = 1000) -> dict[str, float]:
    """Evaluates a compiled model on arrays, as `model.evaluate` does; also on several workers.

    Args:
        model: A compiled model.
        x: Inputs.
        y: Targets.
        batch_size: Examples in a mini-batch.
    """
    data = _arrays(x, y)
    make_variables(model, data)
    return evaluation(model, data, batch_size)()


def evaluation(model: keras.Model, data: tuple[Any, ...], batch_size: int) -> Callable[[], dict[str, float]]:
    """Returns a function that evaluates a model on examples, as `model.evaluate` does.

    Args:
        model: A compiled model with all its variables made.
        data: `(x, y)` or `(x, y, sample_weight)`, arrays or structures of arrays.
        batch_size: Examples in a mini-batch; more of them are faster and change nothing.
    """
    examples = _examples(data)
    replicas = model.distribute_strategy.num_replicas_in_sync
    whole = examples // batch_size
    if 0 < examples - whole * batch_size < replicas and whole:
        whole -= 1  # so that each replica has an example of the last mini-batch
    run = Steps(model, model.test_step, data, jit_compile=False, updates=False)
    rows = np.arange(examples)

    def evaluate() -> dict[str, float]:
        model.reset_metrics()
        logs: Any = {}
        if whole:
            logs = run(rows[: whole * batch_size].reshape(whole, batch_size), whole)
        if whole * batch_size < examples:
            logs = run(rows[None, whole * batch_size :], 1)
        return _metrics(model, logs)

    return evaluate


_CANNOT_BE_COMPILED = (
    TypeError,
    NotImplementedError,
    tf.errors.InvalidArgumentError,
    tf.errors.UnimplementedError,
    tf.errors.OperatorNotAllowedInGraphError,
)


def _why_slow(model: keras.Model, callbacks: Sequence[keras.callbacks.Callback]) -> str:
    if model.run_eagerly:
        return "it is compiled with run_eagerly=True"
    for callback in callbacks:
        if _needs_every_step(callback):
            return f"the callback {type(callback).__name__} is to be called at every step"
    return ""


def _needs_every_step(callback: keras.callbacks.Callback) -> bool:
    if isinstance(callback, _CONTENT_WITH_CALLS) or getattr(callback, "content_with_calls", False):
        return False
    frequency = getattr(callback, "save_freq", getattr(callback, "update_freq", None))
    if frequency is not None:  # Keras' own, which do something at the end of an epoch otherwise
        return frequency != "epoch"
    kind, base = type(callback), keras.callbacks.Callback
    return any(hook in vars(callback) or getattr(kind, hook) is not getattr(base, hook) for hook in _BATCH_HOOKS)


def _arrays(x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None) -> tuple[Any, ...]:
    if class_weight is not None:
        if sample_weight is not None:
            raise InvalidValue("Give class_weight or sample_weight, not both.")
        labels = np.asarray(y)
        labels = labels.argmax(axis=-1) if labels.ndim > 1 and labels.shape[-1] > 1 else labels.reshape(-1)
        sample_weight = np.array([class_weight.get(int(label), 1.0) for label in labels], "float32")
    given = (x,) if y is None and sample_weight is None else (x, y) if sample_weight is None else (x, y, sample_weight)
    floats = keras.config.floatx()

    def as_keras_has_it(values: Any) -> Any:
        values = values if tf.is_tensor(values) else np.asarray(values)
        if not tf.is_tensor(values) and np.issubdtype(values.dtype, np.floating):
            values = values.astype(floats, copy=False)
        return values

    data = keras.tree.map_structure(as_keras_has_it, given)
    counts = {len(each) for each in keras.tree.flatten(data)}
    if len(counts) != 1 or 0 in counts:
        raise InvalidValue(
            "x, y and sample_weight need the same number of examples, 1 or more; "
            f"got {', '.join(map(str, sorted(counts)))}."
        )
    return data


def _rows(data: tuple[Any, ...], rows: slice) -> tuple[Any, ...]:
    return keras.tree.map_structure(lambda values: values[rows], data)


def _examples(data: tuple[Any, ...]) -> int:
    return len(keras.tree.flatten(data)[0])


def _are_arrays(x: Any) -> bool:
    if isinstance(x, (tf.data.Dataset, keras.utils.PyDataset)):
        return False
    return all(
        values is None or isinstance(values, (np.ndarray, tf.Tensor)) or hasattr(values, "__array__")
        for values in keras.tree.flatten(x)
    )


def _metrics(model: keras.Model, logs: Any) -> dict[str, float]:
    # What a step of one's own returns stands for itself, as in Keras' own fit.
    results = model.get_metrics_result()
    if isinstance(logs, dict) and set(logs) != set(results):
        results = logs
    return {name: float(value) for name, value in results.items()}
