"""A callback that records how large the gradient was in every layer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Annotated, Any, Literal

import keras
import numpy as np
import pandas as pd

from zoo.constraints import at_least, check
from zoo.telemetry.layout import trainable_weights
from zoo.telemetry.statistics import STATISTICS
from zoo.telemetry.tap import Reading, Tap

COLUMNS = ("epoch", "step", "layer", "variable", *STATISTICS)


class GradientRecorder(keras.callbacks.Callback):
    """Records the magnitude of the gradient of every trainable weight, while `fit` runs.

    The gradients are those that the optimiser applies: of the whole loss with its penalties,
    clipped where the optimiser clips, unscaled under mixed precision, added up over replicas. They
    are measured inside the compiled step, also under `steps_per_execution` and `jit_compile`; the
    device is waited for when records are fetched, once an epoch. The model and its optimiser are
    left as they were found.

    Args:
        every: `"epoch"` for one record an epoch, the mean over its steps; or a number N for a
            record of the updates 1, 1 + N, 1 + 2N ...

    Raises:
        InvalidValue: `every` is neither `"epoch"` nor a whole number of at least 1.

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

    def __init__(self, *, every: int | Literal["epoch"] = "epoch") -> None:
        super().__init__()
        self.every = check("every", every, Annotated[int, at_least(1)] | Literal["epoch"])
        self._records: list[pd.DataFrame] = []
        self._taps: list[Tap] = []
        self._found: Callable[..., Any] | None = None
        self._instrumented: Callable[..., Any] = lambda _: None
        self._epoch = 0
        self._calls = 0
        self._calls_that_fit = 1

    def frame(self) -> pd.DataFrame:
        """Returns the records, one row a weight and record.

        Returns:
            Columns `epoch` and `step` (counted from 1; the update that the gradient made, or the
            last one of the epoch), `layer`, `variable`, `l2`, `mean_abs`, `rms`. After a training
            that was broken off, the last rows are of the steps that its last epoch had.
        """
        unread = [self._table(tap, tap.peek()) for tap in self._taps]
        tables = [table for table in (*self._records, *unread) if len(table)]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(COLUMNS))

    def first_broken(self) -> tuple[int, str, str] | None:
        """Returns where a gradient was first NaN or infinite: the update, the layer, the variable.

        Of several at the same update it is the one nearest to the loss, from which the others had it.
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

    def on_train_begin(self, logs: Any = None) -> None:
        self._read()
        if self._found is None or self._found is not self.model.train_function:
            self._instrument()
        for tap in self._taps:
            tap.start()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch + 1

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if self.every != "epoch" and self._calls >= self._calls_that_fit:
            most = max((tap.unread for tap in self._taps), default=0)
            self._calls_that_fit = self._capacity * self.every // max(1, -(-most // self._calls))
            self._read()
        found = self.model.train_function
        call = found if isinstance(found, _Substitute) else self._instrumented
        object.__setattr__(self.model, "train_function", _Substitute(self.model, found, call, self._taps))
        self._calls += 1

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._read()

    def _instrument(self) -> None:
        # Keras keeps a compiled step. One that was traced without the taps would not fill them, so
        # another is made, and stands in for the model's own for the length of each call.
        model = self.model
        every = None if self.every == "epoch" else self.every
        self._capacity = 256 + 8 * model.steps_per_execution // (every or 1)
        optimizers = [value for value in vars(model).values() if isinstance(value, keras.Optimizer)]
        with model.distribute_strategy.scope():
            self._taps = [
                Tap(optimizer, lambda: trainable_weights(model), every=every, capacity=self._capacity)
                for optimizer in optimizers
            ]
        self._found = model.train_function
        model.make_train_function(force=True)
        self._instrumented = model.train_function
        object.__setattr__(model, "train_function", self._found)

    def _read(self) -> None:
        self._records += [self._table(tap, tap.read()) for tap in self._taps]
        self._calls = 0

    def _table(self, tap: Tap, reading: Reading) -> pd.DataFrame:
        weights = [weight for weight, present in zip(tap.weights, reading.present, strict=True) if present]
        values = reading.values[:, reading.present].reshape(-1, len(STATISTICS))
        return pd.DataFrame(
            {
                "epoch": self._epoch,
                "step": np.repeat(reading.steps, len(weights)),
                "layer": [weight.layer for weight in weights] * len(reading.steps),
                "variable": [weight.variable for weight in weights] * len(reading.steps),
                **dict(zip(STATISTICS, values.T, strict=True)),
            },
            columns=list(COLUMNS),
        )


class _Substitute:
    """A train function for one call: it puts the model's own back, then runs with the taps attached.

    Whatever ends a training, an exception in another callback included, finds the model restored.
    """

    def __init__(
        self, model: keras.Model, found: Callable[..., Any], call: Callable[..., Any], taps: list[Tap]
    ) -> None:
        self._model, self._found, self._call, self._taps = model, found, call, taps

    def __call__(self, iterator: Any) -> Any:
        object.__setattr__(self._model, "train_function", self._found)
        with ExitStack() as stack:
            for tap in self._taps:
                stack.enter_context(tap.attached())
            return self._call(iterator)
