"""Measures the gradient on a fixed batch, outside training or between its steps."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from zoo.errors import InvalidValue
from zoo.telemetry.statistics import STATISTICS, measure
from zoo.telemetry.weights import Weight, trainable_weights
from zoo.utils.constraints import at_least, check

COLUMNS = ("epoch", "step", "layer", "variable", *STATISTICS)


class GradientProbe(keras.callbacks.Callback):
    """Measures the gradient of the loss on a fixed batch, before the update that comes next.

    Training noise does not reach it: the batch is always the same, dropout is off, and nothing of
    the model changes. This is how Nielsen (2015, chapter 5) measures the speed of learning: the norm
    of the bias gradient of 1,000 examples.

    Args:
        x: Inputs of the batch.
        y: Targets of the batch, as the model is fitted to them.
        every: As a callback, `"epoch"` to measure before each epoch, or a number N to measure before
            the steps 1, 1 + N, 1 + 2N ... of each epoch. Under `steps_per_execution` it is measured
            between two calls, before the first step of the next one.

    Raises:
        InvalidValue: `every` is neither `"epoch"` nor an integer >= 1.

    Example:

    >>> import numpy as np, zoo
    >>> model = zoo.create("shallow_mlp", input_shape=(2,), classes=2)
    >>> model.compile("sgd", "sparse_categorical_crossentropy")
    >>> x = np.random.default_rng(0).normal(size=(64, 2))
    >>> probe = GradientProbe(x, (x[:, 0] > 0).astype(int))
    >>> probe.measure(model)["layer"].tolist()
    ['hidden_1', 'hidden_1', 'output', 'output']
    """

    content_with_calls = True  # zoo.training.fit may run many steps in one call

    def __init__(self, x: Any, y: Any, *, every: int | Literal["epoch"] = "epoch") -> None:
        super().__init__()
        self.every = check("every", every, Annotated[int, at_least(1)] | Literal["epoch"])
        self._x, self._y = x, y
        self._records: list[pd.DataFrame] = []
        self._epoch = self._due = 0
        self._measured: tuple[Any, Any] = (None, None)

    def __deepcopy__(self, memo: dict[int, Any]) -> GradientProbe:
        """Returns a probe with the same batch and no records, as a tuner wants for each trial."""
        return type(self)(self._x, self._y, every=self.every)

    @property
    def steps_between_stops(self) -> int | None:
        """The steps from one measurement to the next; None to measure before each epoch."""
        return None if self.every == "epoch" else self.every

    def frame(self) -> pd.DataFrame:
        """Returns the records made during training, one row a weight and record.

        Returns:
            The columns that `measure` returns; `epoch` counts from 1, `step` is the number of updates
            made before the measurement.
        """
        return pd.concat(self._records, ignore_index=True) if self._records else pd.DataFrame(columns=list(COLUMNS))

    def measure(self, model: keras.Model) -> pd.DataFrame:
        """Measures a compiled model as it is now.

        Args:
            model: A compiled model, trained or not.

        Returns:
            `epoch` and `step`, both 0 outside training; `layer`, `variable`; and the statistics of the
            gradient: `l2`, `mean_abs`, `rms`, `max_abs`, `zeros`, `nans`, `infs`.

        Raises:
            InvalidValue: The model is not compiled: it has no loss.
        """
        if not model.compiled:
            raise InvalidValue("GradientProbe measures the gradient of the loss; compile the model first.")
        weights = trainable_weights(model)
        traced_for = (id(model), id(model.loss), id(model.optimizer), [id(weight.value) for weight in weights])
        if self._measured[0] != traced_for:
            # As a partial: of one function for all models, TensorFlow would warn that it is traced too often.
            self._measured = (traced_for, tf.function(partial(self._gradients, model, weights), autograph=False))
        # The loss of each output is tracked while it is computed: what training has tracked is put back.
        trackers = [variable for metric in model.metrics for variable in metric.variables]
        tracked = [tracker.numpy() for tracker in trackers]
        rows = self._measured[1]().numpy()
        for metric in model.metrics:  # among them those that came with the first measurement
            metric.reset_state()
        for tracker, value in zip(trackers, tracked, strict=True):
            tracker.assign(value)
        names = [(0, 0, weight.layer, weight.variable) for weight in weights]
        labels = pd.DataFrame(names, columns=list(COLUMNS[:4]))
        table = pd.concat([labels, pd.DataFrame(rows, columns=list(STATISTICS))], axis=1)
        return table[table["zeros"].notna()].reset_index(drop=True)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch, self._due = epoch + 1, 0
        if self.every == "epoch":
            self._record()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if self.every != "epoch" and batch >= self._due:
            self._due = (batch // self.every + 1) * self.every
            self._record()

    def _record(self) -> None:
        optimizer = getattr(self.model, "optimizer", None)
        steps = int(optimizer.iterations.numpy()) if optimizer is not None else 0
        self._records.append(self.measure(self.model).assign(epoch=self._epoch, step=steps))

    def _gradients(self, model: keras.Model, weights: list[Weight]) -> tf.Tensor:
        with tf.GradientTape() as tape:
            outputs = model(self._x, training=False)
            loss = model.compute_loss(self._x, self._y, outputs, training=False)
        values = [weight.value.value for weight in weights]
        absent = tf.fill([len(STATISTICS)], tf.constant(np.nan, tf.float64))
        return tf.stack([absent if g is None else measure(g) for g in tape.gradient(loss, values)])
