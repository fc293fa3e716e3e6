"""A callback that records how large the gradient was in every layer."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Literal

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from zoo.errors import InvalidValue
from zoo.telemetry import activations as activity
from zoo.telemetry import histograms as bins
from zoo.telemetry.alarms import Alarm, GradientWarning
from zoo.telemetry.statistics import STATISTICS
from zoo.telemetry.tap import Records, Tap, innermost
from zoo.telemetry.tensorboard import EventFiles
from zoo.telemetry.weights import optimizers_of, trainable_weights
from zoo.utils.constraints import at_least, check

LABELS = ("epoch", "step", "layer", "variable")
COLUMNS = (*LABELS, "l2", "mean_abs", "rms")
ACTIVATION_COLUMNS = (*LABELS[:3], *activity.NAMES, "dead")
HISTOGRAM_COLUMNS = (*LABELS, "low", "high", "count")
_EMPTY = {
    "gradients": (*LABELS, *STATISTICS),
    "activations": ACTIVATION_COLUMNS,
    "histograms": HISTOGRAM_COLUMNS,
}


class GradientRecorder(keras.callbacks.Callback):
    """Records the magnitude of the gradient of every trainable weight, while `fit` runs.

    The gradients are those that the optimiser applies: of the whole loss with its penalties,
    clipped where the optimiser clips, unscaled under mixed precision, added up over replicas. They
    are measured inside the compiled step, also under `steps_per_execution` and `jit_compile`; the
    device is waited for when records are fetched, once an epoch. The model and its optimiser are
    left as they were found.

    Args:
        every: `"epoch"` for one record an epoch: the mean, the smallest and the largest over its
            updates; or a number N for a record of the updates 1, 1 + N, 1 + 2N ...
        samples: How many updates of an epoch are measured at most, spread evenly over it. `"auto"`
            measures half a million entries of gradients: twenty updates of a small model, five of a large
            one. None measures all updates. Only for `every="epoch"`.
        alarms: What to look out for in the records; see `Alarm`.
        activations: Whether to record the layers' activations as well, and the error that is
            back-propagated to them; see `activation_frame`.
        histograms: Whether to count the gradients' entries by size; see `histogram_frame`.
        log_dir: Where to write all of it for TensorBoard, or None. A deep copy writes into a numbered
            folder inside it.

    Raises:
        InvalidValue: `every` is neither `"epoch"` nor an integer >= 1, `samples` is
            none of its values, or `alarms` holds something else.

    Example:

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

    content_with_calls = True  # zoo.training.fit may run many steps in one call

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
        self.every = check("every", every, Annotated[int, at_least(1)] | Literal["epoch"])
        self.samples = check("samples", samples, Annotated[int, at_least(1)] | Literal["auto"] | None)
        self.alarms = tuple(alarms)
        for alarm in self.alarms:
            if not isinstance(alarm, Alarm):
                raise InvalidValue(f"alarms must be a sequence of zoo.telemetry.Alarm; got {alarm!r} in it.")
        self._activations = check("activations", activations, bool)
        self._histograms = check("histograms", histograms, bool)
        self._event_files = None if log_dir is None else EventFiles(log_dir)
        self._records: dict[str, list[pd.DataFrame]] = {kind: [] for kind in _EMPTY}
        self._readings: list[_Reading] = []  # come after those; a table is made of them when it is asked for
        self._taps: list[Tap] = []
        self._found: Callable[..., Any] | None = None
        self._instrumented: Callable[..., Any] | None = None
        self._epoch = 0
        self._calls = 0
        self._calls_that_fit = 1
        self._is_begun, self._is_in_fit = False, True

    def __deepcopy__(self, memo: dict[int, Any]) -> GradientRecorder:
        """Returns a recorder of the same kind without records, as a tuner wants for each trial."""
        return type(self)(
            every=self.every,
            samples=self.samples,
            alarms=self.alarms,
            activations=self._activations,
            histograms=self._histograms,
            log_dir=self._event_files.next_inside() if self._event_files else None,
        )

    def frame(self, *, full: bool = False) -> pd.DataFrame:
        """Returns the records, one row a weight and record.

        Args:
            full: Whether to return all that was measured, and not just the magnitudes.

        Returns:
            `epoch` and `step`: counted from 1; the update that the gradient made, or the last one
            of the epoch. `layer`, `variable`: whose gradient it is. `l2`, `mean_abs`, `rms`: its
            norm, and the mean and root mean square of its absolute values. In records of an epoch
            these are means over its updates.

            With `full` also `max_abs`: its largest absolute value. `zeros`: the share of exact
            zeros. `nans`, `infs`: how many such values it has. `update_ratio`: the norm of what the
            update changed in the weight over the weight's own. Where the optimiser clips,
            on one device, `l2_unclipped`: the norm before, and `clipped`: the share of updates that
            were clipped.
            In records of an epoch each number comes with its smallest and largest over the updates,
            `l2_min`, `l2_max` and so on.

            After a training that was broken off, the last rows are of the updates that its last
            epoch had.
        """
        whole = self._whole("gradients")
        return whole if full else whole[list(COLUMNS)]

    def activation_frame(self, *, full: bool = False) -> pd.DataFrame:
        """Returns the records of the activations, one row a layer with an activation function and record.

        Args:
            full: Whether to return the smallest and the largest over an epoch's updates as well.

        Returns:
            `epoch`, `step` and `layer`, as in `frame`. Of the layer's outputs, `mean` and `std`.
            `saturated`: the share that is within 5 % of an end of the range of a sigmoid or tanh.
            `delta_l2`: the norm of an example's error at the layer's pre-activation, dC/dz, the mean
            over the mini-batch (the delta of Rumelhart, Hinton and Williams, 1986); `delta_rms`: the
            root mean square over units and examples, as Glorot and Bengio (2010, figure 7) compare
            layers. The loss is taken to be a mean over the examples, as Keras' losses are.
            `dead`: the share of rectified linear units, channels of a convolution, that were 0 for
            every example of every update measured, in an epoch or in the record's one.
            NaN stands for what a layer does not have.
        """
        whole = self._whole("activations")
        return whole if full else whole[list(ACTIVATION_COLUMNS)]

    def histogram_frame(self) -> pd.DataFrame:
        """Returns how large the entries of the gradients were, one row a weight, record and bin that is not empty.

        Returns:
            `epoch`, `step`, `layer` and `variable`, as in `frame`. `count`: how many entries, over the
            updates of the record, had an absolute value of at least `low` and below `high`. The bins
            are the same for all: a quarter of a power of ten wide, from 1e-12 to 1e4, with one below
            that has the zeros, and one above.
        """
        return self._whole("histograms")

    def restore(
        self,
        frame: pd.DataFrame,
        *,
        activations: pd.DataFrame | None = None,
        histograms: pd.DataFrame | None = None,
    ) -> None:
        """Puts the records of an earlier part of the same training before one's own.

        Args:
            frame: What `frame()` returned there, full or not. Steps go on by themselves where a
                restored optimiser stands.
            activations: What `activation_frame()` returned there.
            histograms: What `histogram_frame()` returned there.
        """
        given = {"gradients": frame, "activations": activations, "histograms": histograms}
        needed = {**_EMPTY, "gradients": COLUMNS}
        for kind, table in given.items():
            if missing := [name for name in needed[kind] if table is not None and name not in table]:
                raise InvalidValue(
                    f"restore takes records; of the {kind}, the columns {', '.join(missing)} are missing."
                )
        for kind, table in given.items():
            if table is not None:
                self._records[kind].insert(0, table.copy())

    def first_broken(self) -> tuple[int, str, str] | None:
        """Returns where a gradient was first NaN or infinite: the update, the layer, the variable.

        Of several at the same update it is the one nearest to the loss, from which the others had it.
        The update is exact where every update is measured, and nearly always where an epoch is
        sampled, since a bias that breaks has its update measured; with `every=N` it is the first of
        the measured ones.
        """
        breaks = [
            (int(update), -number, tap.weights[number])
            for tap in self._taps
            for number, update in enumerate(tap.broken)
            if update
        ]
        if not breaks:
            return None
        update, _, weight = min(breaks, key=lambda each: each[:2])
        return update, weight.layer, weight.variable

    def begin(self, model: keras.Model, *, steps: int, steps_per_call: int = 1) -> None:
        """Prepares the recorder for a training loop that is not Keras' own.

        The loop traces and runs its steps in blocks of `attached`, and calls the hooks of a callback
        from `on_train_begin` on.

        Args:
            model: A compiled model, whose optimisers make the updates.
            steps: Steps in an epoch.
            steps_per_call: How many steps may run between two calls of `on_train_batch_begin`.
        """
        self._read()
        self._make_taps(model, steps_per_call)
        for tap in self._taps:
            tap.start(self._updates_per_record(steps))
        self._found = None
        self._is_begun = True

    @contextmanager
    def attached(self, *, due: bool | None = None) -> Iterator[None]:
        """Records the gradients of every step that is traced or run in this block, after `begin`.

        Args:
            due: None lets each step decide, as it runs, whether it is one to record. A loop that knows
                (see `interval`) saves that, and traces a step to record, True, and one not to, False.
        """
        with ExitStack() as stack:
            for tap in self._taps:
                stack.enter_context(tap.attached(due=due))
            yield

    @property
    def variables(self) -> list[tf.Variable]:
        """The variables that hold what is not read yet, for a checkpoint within an epoch."""
        return [variable for tap in self._taps for variable in tap.variables]

    @property
    def interval(self) -> tuple[int, int] | None:
        """How many steps there are from one to record to the next, and before the first; None if steps tell.

        They tell where a step is not an update: with several optimisers, or accumulated gradients.
        """
        return self._taps[0].interval if len(self._taps) == 1 else None

    def on_train_begin(self, logs: Any = None) -> None:
        self._is_in_fit, self._is_begun = not self._is_begun, False
        if self._is_in_fit:
            self._read()
        if self._is_in_fit and (self._found is None or self._found is not self.model.train_function):
            self._instrument()
        for tap in self._taps:
            tap.start(self._updates_per_record((self.params or {}).get("steps")))

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch + 1

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if self.every != "epoch" and self._calls >= self._calls_that_fit:
            most = max((tap.unread for tap in self._taps), default=0)
            self._calls_that_fit = self._capacity * self.every // max(1, -(-most // self._calls))
            self._read()
        self._calls += 1
        if not self._is_in_fit:
            return
        found = self.model.train_function
        call = found if isinstance(found, _Substitute) else self._instrumented
        assert call is not None  # made when training began
        object.__setattr__(self.model, "train_function", _Substitute(self.model, found, call, self.attached))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._read()

    def on_train_end(self, logs: Any = None) -> None:
        if self._event_files:
            self._event_files.close()

    def _updates_per_record(self, steps: int | None) -> int:
        if self.samples is None or not steps:
            return 1
        entries = sum(int(np.prod(weight.value.shape)) for tap in self._taps for weight in tap.weights)
        affordable = min(100, max(5, 500_000 // max(1, entries)))
        return -(-steps // (affordable if self.samples == "auto" else self.samples))

    def _instrument(self) -> None:
        # Keras keeps a compiled step. One that was traced without the taps would not fill them, so
        # another is made, and stands in for the model's own for the length of each call.
        model = self.model
        self._make_taps(model, model.steps_per_execution)
        self._found = model.train_function
        model.make_train_function(force=True)
        self._instrumented = model.train_function
        object.__setattr__(model, "train_function", self._found)

    def _make_taps(self, model: keras.Model, steps_per_call: int) -> None:
        every = None if self.every == "epoch" else self.every
        self._capacity = 256 + 8 * steps_per_call // (every or 1)
        self._calls_that_fit = 1
        optimizers = {id(innermost(optimizer)): optimizer for optimizer in optimizers_of(model)}.values()
        with model.distribute_strategy.scope():
            self._taps = [
                Tap(
                    optimizer,
                    lambda: trainable_weights(model),
                    every=every,
                    capacity=self._capacity,
                    histograms=self._histograms,
                    watch=model if self._activations and not number else None,
                )
                for number, optimizer in enumerate(optimizers)
            ]

    def _read(self) -> None:
        self._calls = 0
        for tap in self._taps:
            reading = _Reading.of(tap, tap.read(), self._epoch)
            self._readings.append(reading)
            if self._event_files:
                self._event_files.write(**_tables([reading]))
            gradients = _gradients([reading]) if self.alarms else pd.DataFrame()
            for alarm in self.alarms:
                if message := alarm.raised_by(gradients):
                    if alarm.action == "stop":
                        self.model.stop_training = True
                    warnings.warn(message, GradientWarning, stacklevel=2)

    def _whole(self, kind: str) -> pd.DataFrame:
        if self._readings:
            for name, table in _tables(self._readings).items():
                self._records[name].append(table)
            self._readings = []
        unread = _tables([_Reading.of(tap, tap.peek(), self._epoch) for tap in self._taps])[kind]
        self._records[kind] = [_joined(kind, self._records[kind])]
        return _joined(kind, [*self._records[kind], unread])


@dataclass(frozen=True)
class _Reading:
    """What a tap had recorded when it was read in an epoch, and what the numbers are of."""

    epoch: int
    records: Records
    weights: tuple[tuple[str, str], ...]
    columns: tuple[str, ...]
    layers: tuple[tuple[str, str], ...] = ()
    layer_columns: tuple[str, ...] = ()

    @classmethod
    def of(cls, tap: Tap, records: Records, epoch: int) -> _Reading:
        weights = tuple((weight.layer, weight.variable) for weight in tap.weights)
        if records.activations is None or tap.activations is None:
            return cls(epoch, records, weights, tap.columns)
        layers = tuple((name, "") for name in tap.activations.layers)
        return cls(epoch, records, weights, tap.columns, layers, tap.activations.columns)

    @property
    def kind(self) -> tuple[Any, ...]:
        """What is alike in readings whose numbers stand in the same columns."""
        return self.weights, self.columns, self.layers, self.layer_columns, self.records.histograms is None


def _tables(readings: Sequence[_Reading]) -> dict[str, pd.DataFrame]:
    """Returns what was read as tables, by kind; readings of the same weights become rows of one table."""
    parts: dict[str, list[pd.DataFrame]] = {kind: [] for kind in _EMPTY}
    for _, alike in groupby(readings, lambda reading: reading.kind):
        group = list(alike)
        first = group[0]
        records = [(reading.epoch, reading.records) for reading in group]
        parts["gradients"].append(_gradients(group))
        if first.records.histograms is not None:
            counts = _table(
                [(epoch, each.updates, each.histograms) for epoch, each in records], first.weights, bins.BINS
            )
            counts = counts.melt(id_vars=list(LABELS), var_name="low", value_name="count", ignore_index=False)
            number = counts["low"].map(bins.BINS.index)
            counts = counts.assign(low=bins.LOWS[number], high=bins.HIGHS[number])
            counts = counts[counts["count"] > 0].sort_index(kind="stable")
            parts["histograms"].append(counts.astype({"count": "int64"})[list(HISTOGRAM_COLUMNS)])
        if first.layers:
            activations = [(epoch, *each.activations) for epoch, each in records if each.activations is not None]
            parts["activations"].append(_table(activations, first.layers, first.layer_columns).drop(columns="variable"))
    return {kind: _joined(kind, found) for kind, found in parts.items()}


def _gradients(alike: Sequence[_Reading]) -> pd.DataFrame:
    weights, columns = alike[0].weights, alike[0].columns
    records = [(reading.epoch, reading.records.updates, reading.records.gradients) for reading in alike]
    table = _table(records, weights, columns)
    summaries = [name for name in columns if name.endswith(("_min", "_max"))]
    table = table[[name for name in table if name not in summaries] + summaries]
    return table[table["zeros"].notna()].reset_index(drop=True)


def _joined(kind: str, tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=list(_EMPTY[kind]))


def _table(
    records: Sequence[tuple[int, np.ndarray, Any]], owners: Sequence[tuple[str, str]], columns: Sequence[str]
) -> pd.DataFrame:
    names = [(epoch, update, *owner) for epoch, updates, _ in records for update in updates for owner in owners]
    values = np.concatenate([values.reshape(-1, len(columns)) for _, _, values in records])
    return pd.concat([pd.DataFrame(names, columns=list(LABELS)), pd.DataFrame(values, columns=list(columns))], axis=1)


class _Substitute:
    """A train function for one call: it puts the model's own back, then runs with the taps attached.

    Whatever ends a training finds the model restored, but for an exception in `on_train_batch_begin`
    of a callback that comes later in the list: then the next step restores it.
    """

    def __init__(
        self,
        model: keras.Model,
        found: Callable[..., Any],
        call: Callable[..., Any],
        attached: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._model, self._found, self._call, self._attached = model, found, call, attached

    def __call__(self, iterator: Any) -> Any:
        object.__setattr__(self._model, "train_function", self._found)
        with self._attached():
            return self._call(iterator)
