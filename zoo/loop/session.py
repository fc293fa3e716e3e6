"""State of one training: its compiled steps, their division into calls, and its checkpoint."""

from __future__ import annotations

import time
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from zoo.errors import RunFailed
from zoo.loop.acceleration import CompileMode, choose_compile_mode
from zoo.loop.arrays import count_examples
from zoo.loop.batches import draw_order
from zoo.loop.callback_state import CallbackStates
from zoo.loop.checkpoint import Checkpoint, Position
from zoo.loop.convolutions import as_matrix_products
from zoo.loop.evaluating import read_metrics
from zoo.loop.steps import Steps, compute_steps_per_call, make_variables, separate_replica_seeds
from zoo.telemetry.instrument import Instrument, Probe
from zoo.telemetry.weights import list_optimizers
from zoo.utils.tensorflow_import import require_synchronous

CHECKED_BYTES = 64 * 2**20  # of the data whose checksum a checkpoint keeps; every so many examples of larger data


class Session:
    """A training in compiled calls of many steps.

    Args:
        model: A compiled model.
        data: Its examples, as `Steps` takes them.
        batch_size: Number of examples in a batch.
        callbacks: Callbacks; the instruments among them record inside the calls, and the probes between them.
        seed: Random seed of the order of the examples, as in `draw_order`.
        epochs: Epoch to train to, counted from 1.
        initial_epoch: Number of epochs that are finished already. Defaults to 0.
        checkpoint: Checkpoint to write; if its file exists, the training resumes from it. Defaults to None.
        checkpoint_every: Number of steps after which the checkpoint is also written within an epoch. Defaults to None.
        jit_compile: Whether XLA compiles the calls. Defaults to "auto", for the fastest mode.
    """

    def __init__(
        self,
        model: keras.Model,
        data: tuple[Any, ...],
        batch_size: int,
        callbacks: Sequence[keras.callbacks.Callback],
        *,
        seed: int | None,
        epochs: int,
        initial_epoch: int = 0,
        checkpoint: str | Path | Checkpoint | None = None,
        checkpoint_every: int | None = None,
        jit_compile: bool | Literal["auto"] = "auto",
    ) -> None:
        self._start_time = time.perf_counter()
        self._checkpoint = Checkpoint(checkpoint) if isinstance(checkpoint, (str, Path)) else checkpoint
        position = (self._checkpoint and self._checkpoint.read_position()) or Position(epoch=initial_epoch)
        require_synchronous(model.distribute_strategy)
        self._training = describe_training(model, data, batch_size) if self._checkpoint else {}
        if self._checkpoint:
            self._checkpoint.check_training(position, self._training)
        make_variables(model, data, batch_size)
        separate_replica_seeds(model)
        self.model, self.epochs, self.position = model, epochs, position
        self._data, self._batch_size, self._seed = data, batch_size, seed
        self._checkpoint_every, self._callback_states = checkpoint_every, CallbackStates([])
        self._compiled_with = (model.optimizer, model.loss)
        self._trained = [variable.path for variable in model.trainable_variables]
        self._examples = count_examples(data)
        self._full_steps = self._examples // batch_size
        self.steps = -(-self._examples // batch_size)
        self._steps_per_call = compute_steps_per_call(data, batch_size, self._full_steps)
        stops = [callback.steps_between_stops for callback in callbacks if isinstance(callback, Probe)]
        self._stops = [stop for stop in (*stops, checkpoint_every) if stop]
        self._instruments = [callback for callback in callbacks if isinstance(callback, Instrument)]
        for instrument in self._instruments:
            instrument.begin(model, steps=self.steps, steps_per_call=self._steps_per_call)
        # On several replicas each step decides as it runs whether it is recorded: TensorFlow 2.21 cannot find the
        # inputs of a conditional step there.
        is_single_replica = model.distribute_strategy.num_replicas_in_sync == 1
        self._separates_recorded_steps = (
            is_single_replica and len(self._instruments) == 1 and self._instruments[0].interval is not None
        )
        fixed = position.compile_mode or (self._checkpoint and self._checkpoint.compile_mode)
        mode = CompileMode(*fixed) if fixed else None
        if mode is None and jit_compile != "auto":
            mode = CompileMode(jit_compile)
        with self._attached():
            rows = np.resize(np.arange(self._examples), (self._steps_per_call, batch_size))
            steps = self.steps * (epochs - position.epoch)
            self._run, self._mode = choose_compile_mode(
                self._compile_steps, rows, model=model, steps=steps, mode=mode, interval=self._interval
            )
        if self._checkpoint:
            self._checkpoint.compile_mode = self._mode

    def run_epoch(self, epoch: int, events: keras.callbacks.CallbackList, *, start: int = 0) -> dict[str, float]:
        """Runs the steps of an epoch and returns the metrics.

        Args:
            epoch: Number of the epoch, counted from 0.
            events: Callbacks to call.
            start: Number of steps that are finished already. Defaults to 0.
        """
        rows = draw_order(self._examples, seed=self._seed, epoch=epoch)
        metrics: dict[str, float] = {}
        for begin, end in self._split_into_calls(start):
            events.on_train_batch_begin(begin)
            with self._attached():
                logs = self._run(self._arrange(rows, begin, end), end - begin, interval=self._interval)
            metrics = read_metrics(self.model, logs)
            events.on_train_batch_end(end - 1, metrics)
            if self._checkpoint_every and end % self._checkpoint_every == 0 and end < self.steps:
                self._save(epoch, end)
            if self.model.stop_training:
                break
        return dict(metrics)

    def begin(self, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        """Keeps the state of the callbacks in the checkpoint from now on. Call it after `on_train_begin`.

        Args:
            callbacks: All callbacks of the training.
        """
        if self._checkpoint:
            self._callback_states = CallbackStates(callbacks)

    def end_epoch(self, epoch: int) -> None:
        """Writes the checkpoint after an epoch, counted from 0."""
        self._save(epoch + 1, 0)

    @property
    def is_resumed(self) -> bool:
        """Whether the training resumes from a checkpoint."""
        return self._checkpoint is not None and self.position.compile_mode is not None

    def restore(self) -> None:
        """Restores the variables and the callbacks from the checkpoint, if the training resumes from one."""
        if self._checkpoint and self.is_resumed:
            self._checkpoint.load(self._variables)
            separate_replica_seeds(self.model)
            self._callback_states.restore(self.position.callbacks, self.position.arrays)

    def check_model(self) -> None:
        """Checks that no callback has changed what the steps were compiled with.

        Raises:
            RunFailed: The model has another optimizer or loss.
        """
        for name, value, now in zip(
            ("optimizer", "loss"), self._compiled_with, (self.model.optimizer, self.model.loss), strict=True
        ):
            if value is not now:
                raise RunFailed(f"A callback has replaced the {name} of {self.model.name}; call fit again instead.")
        if self._trained != (trained := [variable.path for variable in self.model.trainable_variables]):
            self._trained = trained
            warnings.warn(
                f"A callback has changed which weights of {self.model.name} are trainable. This has no effect before "
                "the model is compiled and fit is called again.",
                stacklevel=4,
            )

    def _save(self, epoch: int, step: int) -> None:
        if self._checkpoint:
            seconds = self.position.seconds + time.perf_counter() - self._start_time
            states, arrays = self._callback_states.capture()
            stopped = self.epochs if self.model.stop_training else 0
            self._checkpoint.save(
                self._variables,
                Position(epoch, step, states, arrays, stopped, self._mode, seconds, self._training),
            )

    @property
    def _variables(self) -> list[tf.Variable]:
        """All variables that the steps read or change: weights, optimizer, metrics, random state, records."""
        owners = [self.model, *list_optimizers(self.model), *self.model.metrics]
        variables = [variable.value for owner in owners for variable in owner.variables]
        variables += [variable for instrument in self._instruments for variable in instrument.variables]
        return list({id(variable): variable for variable in variables}.values())

    @property
    def _interval(self) -> tuple[int, int]:
        return (self._instruments[0].interval if self._separates_recorded_steps else None) or (1, 0)

    @contextmanager
    def _attached(self) -> Iterator[None]:
        with ExitStack() as stack:
            for instrument in [] if self._separates_recorded_steps else self._instruments:
                stack.enter_context(instrument.attached())
            yield

    def _compile_steps(self, mode: CompileMode) -> Steps:
        kinds = (False, True) if self._separates_recorded_steps else (None,)
        return Steps(
            self.model, [partial(self._run_step, mode, due) for due in kinds], self._data, jit_compile=mode.jit_compile
        )

    def _run_step(self, mode: CompileMode, due: bool | None, data: Any) -> Any:
        convolutions = as_matrix_products(self.model) if mode.products else nullcontext()
        recording = nullcontext() if due is None else self._instruments[0].attached(due=due)
        with convolutions, recording:
            return self.model.train_step(data)

    def _split_into_calls(self, start: int) -> Iterator[tuple[int, int]]:
        step = start
        while step < self._full_steps:
            stops = [step - step % stop + stop for stop in self._stops]
            end = min(step + self._steps_per_call, self._full_steps, *stops)
            yield step, end
            step = end
        if step < self.steps:
            yield step, self.steps

    def _arrange(self, rows: np.ndarray, begin: int, end: int) -> np.ndarray:
        rows = rows[begin * self._batch_size : end * self._batch_size]
        if end > self._full_steps:
            return rows[None]
        # All calls have the same shape, so that they are compiled once; the steps beyond `end` are not run.
        return np.resize(rows, (self._steps_per_call, self._batch_size))


def describe_training(model: keras.Model, data: tuple[Any, ...], batch_size: int) -> dict[str, Any]:
    """Returns what must not change while a training is interrupted.

    Args:
        model: A compiled model.
        data: Examples, as `Steps` takes them.
        batch_size: Number of examples in a batch.
    """
    # A schedule may depend on the number of epochs; the parts of a MultiOptimizer have rates of their own.
    is_divided = isinstance(model.optimizer, keras.optimizers.MultiOptimizer)
    rate = None if is_divided else model.optimizer.get_config().get("learning_rate")
    checksum = 0
    for array in map(np.asarray, keras.tree.flatten(data)):
        rows = array[:: max(1, array.nbytes // CHECKED_BYTES)]
        checksum = zlib.crc32(np.ascontiguousarray(rows).tobytes(), checksum)
    return {
        "optimizer": type(model.optimizer).__name__,
        **({"learning rate": float(np.float32(rate))} if isinstance(rate, (int, float)) else {}),
        "batch size": batch_size,
        "number of examples": count_examples(data),
        "data": f"{checksum:08x}",
    }
