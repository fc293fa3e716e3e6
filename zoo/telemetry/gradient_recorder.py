"""A callback that records the size of the gradient in every layer."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import keras
import pandas as pd
import tensorflow as tf

from zoo.errors import InvalidValue
from zoo.telemetry.alarms import Alarm, GradientWarning
from zoo.telemetry.frames import ACTIVATION_COLUMNS, COLUMNS, Records, build_table, build_tables
from zoo.telemetry.schedule import Schedule
from zoo.telemetry.taps import Taps, check_loop
from zoo.telemetry.train_function import RecordingTrainFunction
from zoo.telemetry.weights import list_optimizers
from zoo.telemetry.writers import EventFileWriter
from zoo.utils.constraints import check


class GradientRecorder(keras.callbacks.Callback):
    """Records the size of the gradient of every trainable weight during `fit`.

    The gradients are those that the optimizer applies: of the loss with its penalties, after clipping, unscaled
    under mixed precision, summed over replicas. They are measured inside the compiled step; the device is waited for
    only when records are read, once per epoch. The model and its optimizer are left as they were.

    Args:
        every: `"epoch"` for one record per epoch, with the mean, minimum and maximum over its updates; or a number
            N for a record of the updates 1, 1 + N, 1 + 2N ... Defaults to `"epoch"`.
        samples: Largest number of updates that are measured in an epoch, spread evenly over it. `"auto"` measures
            about half a million gradient entries: 100 updates of a small model, five of a large one. None measures
            all updates. Ignored unless `every="epoch"`. Defaults to `"auto"`.
        alarms: Conditions that raise a warning or stop the training; see `Alarm`. Defaults to none.
        activations: Whether to record the layers' activations and the errors propagated back to them; see
            `activation_frame`. Defaults to False.
        histograms: Whether to count the gradients' entries by size; see `histogram_frame`. Defaults to False.
        log_dir: Folder for TensorBoard event files, or None for no files. A deep copy writes into a numbered folder
            inside it. Defaults to None.

    Raises:
        InvalidValue: An argument has another value than those above.

    >>> import numpy as np, zoo
    >>> model = zoo.create("deep_mlp", input_shape=(2,), classes=2, depth=2)
    >>> model.compile("sgd", "sparse_categorical_crossentropy")
    >>> recorder = GradientRecorder()
    >>> x = np.random.default_rng(0).normal(size=(64, 2))
    >>> _ = model.fit(x, x[:, 0] > 0, epochs=3, verbose=0, callbacks=[recorder])
    >>> recorder.frame()[["epoch", "step", "layer", "variable"]].head(3)
       epoch  step     layer variable
    0      1     2  hidden_1   kernel
    1      1     2  hidden_1     bias
    2      1     2  hidden_2   kernel
    """

    content_with_calls = restores_itself = True  # zoo.training.fit may run many steps in one call

    def __init__(
        self,
        *,
        every: int | Literal["epoch"] = "epoch",
        samples: int | Literal["auto"] | None = "auto",
        alarms: Sequence[Alarm] = (),
        activations: bool = False,
        histograms: bool = False,
        log_dir: str | Path | None = None,
    ) -> None:
        super().__init__()
        self._schedule = Schedule(every, samples)
        self.every, self.samples, self.alarms = every, samples, tuple(alarms)
        for alarm in self.alarms:
            if not isinstance(alarm, Alarm):
                raise InvalidValue(f"alarms must be a sequence of zoo.telemetry.Alarm; got {alarm!r} in it.")
        self._activations = check("activations", activations, bool)
        self._histograms = check("histograms", histograms, bool)
        self._writer = None if log_dir is None else EventFileWriter(log_dir)
        self._records = Records()
        self._taps = Taps(self._schedule)
        self._train_function = RecordingTrainFunction(self.attached)
        self._epoch, self._calls, self._max_calls = 0, 0, 1  # calls of the train function between two readings
        self._has_begun, self._is_in_fit, self._has_run = False, True, False
        self._recorded: tuple[Any, ...] = ()  # model and optimizers of a loop of one's own

    def __deepcopy__(self, memo: dict[int, Any]) -> GradientRecorder:
        """Returns a recorder with the same arguments and no records, as KerasTuner needs for every trial."""
        return type(self)(
            every=self.every, samples=self.samples, alarms=self.alarms, activations=self._activations,
            histograms=self._histograms, log_dir=self._writer.next_folder() if self._writer else None,
        )  # fmt: skip

    def frame(self, *, full: bool = False) -> pd.DataFrame:
        """Returns the records of the gradients, one row per weight and record.

        Args:
            full: Whether to return all statistics, and not only the magnitudes. Defaults to False.

        Returns:
            Table with the columns `epoch`, `step` (the update), both counted from 1, `layer`, `variable`, and

            - `l2`, `mean_abs`, `rms`: norm, mean absolute value and root mean square of the gradient. In records of
              an epoch, these and the following are means over its updates, and `step` is its last update.

            and with `full`

            - `max_abs`, `zeros`: largest absolute value; share of exact zeros.
            - `nans`, `infs`: number of NaN and of infinite values.
            - `update_ratio`: norm of the change of the weight over the norm of the weight.
            - `l2_unclipped`, `clipped`: norm before clipping and share of clipped updates, if the optimizer clips and
              there is one replica.
            - `l2_min`, `l2_max` and so on: minimum and maximum over the updates, in records of an epoch.

            If the training was interrupted, the last rows are of the updates of its last epoch so far.
        """
        table = self._build("gradients")
        return table if full else table[list(COLUMNS)]

    def activation_frame(self, *, full: bool = False) -> pd.DataFrame:
        """Returns the records of the activations, one row per layer with an activation function and record.

        Of a recurrent or `TimeDistributed` layer, the outputs are recorded, and not the errors.

        Args:
            full: Whether to return the minimum and maximum over an epoch's updates too. Defaults to False.

        Returns:
            Table with the columns `epoch`, `step` and `layer`, as in `frame`, and

            - `mean`, `std`: mean and standard deviation of the outputs.
            - `saturated`: share of outputs within 5 % of either end of the range of a sigmoid or tanh.
            - `delta_l2`: norm of an example's error at the pre-activation, dC/dz, averaged over the batch (the delta
              of Rumelhart, Hinton and Williams, 1986). The loss is assumed to be a mean over the examples.
            - `delta_rms`: root mean square of that error over units and examples, by which Glorot and Bengio (2010,
              figure 7) compare layers.
            - `dead`: share of rectified linear units, or channels, that were 0 for every example of all measured
              updates of the record.

            Values that a layer does not have are NaN.
        """
        table = self._build("activations")
        return table if full else table[list(ACTIVATION_COLUMNS)]

    def histogram_frame(self) -> pd.DataFrame:
        """Returns the distribution of the gradients' entries, one row per weight, record and bin that is not empty.

        Returns:
            Table with the columns `epoch`, `step`, `layer` and `variable`, as in `frame`, and `count`: number of
            entries, over the updates of the record, with `low` <= absolute value < `high`. All weights have the same
            bins, four per power of ten from 1e-12 to 1e4, one below with the zeros, and one above.
        """
        return self._build("histograms")

    def restore(
        self, frame: pd.DataFrame, *, activations: pd.DataFrame | None = None, histograms: pd.DataFrame | None = None
    ) -> None:
        """Prepends the records of an earlier part of the same training.

        Args:
            frame: Result of `frame()`, full or not. Steps are counted by the restored optimizer.
            activations: Result of `activation_frame()`. Defaults to None.
            histograms: Result of `histogram_frame()`. Defaults to None.
        """
        self._records.restore(gradients=frame, activations=activations, histograms=histograms)

    def first_broken(self) -> tuple[int, str, str] | None:
        """Returns the update, layer and variable where a gradient was first NaN or infinite, or None.

        Of several weights, it is the one nearest to the loss. The update is exact if all are measured, and nearly
        always if epochs are sampled; with `every=N` it is the first measured one.
        """
        return self._taps.first_broken()

    def begin(self, model: keras.Model, *, steps: int, steps_per_call: int = 1) -> None:
        """Prepares for a loop that runs its steps in `attached` blocks and calls the callback's methods.

        Args:
            model: A compiled model.
            steps: Number of steps in an epoch.
            steps_per_call: Largest number of steps between two calls of `on_train_batch_begin`. Defaults to 1.
        """
        self._read()
        self._create_taps(model, list_optimizers(model), steps_per_call)
        self._taps.start(steps)
        self._train_function.clear()
        self._has_begun = True

    @contextmanager
    def attached(self, *, due: bool | None = None) -> Iterator[None]:
        """Records the gradients of every step that is traced or run in this block, after `begin`.

        Args:
            due: Whether these steps are recorded, as `interval` says. Defaults to None: each step decides as it runs.
        """
        with self._taps.attached(due=due):
            yield

    @contextmanager
    def recording(
        self, model: keras.Model, optimizer: keras.Optimizer | Sequence[keras.Optimizer], *, steps: int | None = None
    ) -> Iterator[None]:
        """Records the updates of a training loop of your own. Each block counts as an epoch.

        A step in a `tf.function` must be traced within a block.

        Args:
            model: A built model, compiled or not.
            optimizer: Optimizer that the loop applies, or a list of several.
            steps: Number of updates in a block. Defaults to None, if `every="epoch"`, for measuring all of them.

        Raises:
            InvalidValue: The model is not built, `optimizer` is not an optimizer, or `steps` is None although `every`
                is a number.
        """
        optimizers = check_loop(model, optimizer)
        if self._schedule.interval and not steps:
            raise InvalidValue("steps must be the number of updates in the block where every is a number; got None.")
        if (model, *optimizers) != self._recorded:
            self._read()
            self._create_taps(model, optimizers, steps or 1)
            self._recorded, self._epoch = (model, *optimizers), 0
        self._epoch += 1
        self._taps.start(steps)
        with self.attached():
            yield
        self._read()
        self._warn_of_missing()

    @property
    def variables(self) -> list[tf.Variable]:
        """Variables that hold what has not been read yet, for a checkpoint within an epoch."""
        return self._taps.variables

    @property
    def interval(self) -> tuple[int, int] | None:
        """Steps from one recorded step to the next, and before the first; None where each step decides."""
        return self._taps.interval

    def on_train_begin(self, logs: Any = None) -> None:
        self._recorded = ()
        self._is_in_fit, self._has_begun = not self._has_begun, False
        if self._is_in_fit:
            self._read()
            if not self._train_function.is_for(self.model):
                self._create_taps(self.model, list_optimizers(self.model), self.model.steps_per_execution)
                self._train_function.prepare(self.model)
        self._has_run = False
        self._taps.start((self.params or {}).get("steps"))

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch + 1

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if (every := self._schedule.interval) and self._calls >= self._max_calls:
            self._max_calls = self._taps.capacity * every // max(1, -(-self._taps.unread // self._calls))
            self._read()
        self._calls, self._has_run = self._calls + 1, True
        if self._is_in_fit:
            self._train_function.replace(self.model)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._read()

    def on_train_end(self, logs: Any = None) -> None:
        if self._has_run:
            self._warn_of_missing()
        if self._writer:
            self._writer.close()

    def _create_taps(self, model: keras.Model, optimizers: Sequence[keras.Optimizer], steps_per_call: int) -> None:
        options = {"counts_entries": self._histograms, "activations": self._activations}
        self._taps = Taps(self._schedule, model, optimizers, steps_per_call=steps_per_call, **options)
        self._max_calls = 1

    def _read(self) -> None:
        self._calls = 0
        for readings in self._taps.read():
            self._records.add(self._epoch, readings)
            if self._writer:
                self._writer.write(build_tables(self._epoch, readings))
            if self.alarms:
                self._raise_alarms(build_table("gradients", [(self._epoch, readings["gradients"])]))

    def _warn_of_missing(self) -> None:
        for message in self._taps.describe_missing():
            warnings.warn(message, GradientWarning, stacklevel=3)

    def _raise_alarms(self, gradients: pd.DataFrame) -> None:
        for alarm in self.alarms:
            if message := alarm.raised_by(gradients):
                if alarm.action == "stop":
                    self.model.stop_training = True
                warnings.warn(message, GradientWarning, stacklevel=2)

    def _build(self, kind: str) -> pd.DataFrame:
        return self._records.build(kind, self._epoch, self._taps.peek())
