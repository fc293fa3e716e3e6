"""A callback that measures the gradient on a fixed batch, between training steps or outside training."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from zoo.errors import InvalidValue
from zoo.telemetry.frames import build_table, concatenate
from zoo.telemetry.schedule import Every
from zoo.telemetry.statistics import STATISTICS, measure
from zoo.telemetry.stores import Reading
from zoo.telemetry.weights import Weight, list_trainable_weights
from zoo.utils.constraints import check
from zoo.utils.tensorflow_import import require_tensorflow


class GradientProbe(keras.callbacks.Callback):
    """Measures the gradient of the loss on a fixed batch, before an update.

    The measurement is free of training noise: the batch is always the same, dropout is off, and the model does not
    change. Nielsen (2015, chapter 5) measures the speed of learning in this way, by the norm of the bias gradient of
    1,000 examples.

    Args:
        x: Inputs of the batch.
        y: Targets of the batch, in the form in which the model is fitted to them.
        every: `"epoch"` to measure before each epoch, or a number N to measure before the steps 1, 1 + N, 1 + 2N ...
            of each epoch. With `steps_per_execution` it is measured before the next call. Defaults to `"epoch"`.

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
    restores_itself = True  # a checkpoint need not keep its attributes

    def __init__(self, x: Any, y: Any, *, every: int | Literal["epoch"] = "epoch") -> None:
        super().__init__()
        require_tensorflow("GradientProbe")
        self.every = check("every", every, Every)
        self._x, self._y = x, y
        self._records: list[pd.DataFrame] = []
        self._epoch = self._next = 0
        self._traced: tuple[Any, Any] = (None, None)

    def __deepcopy__(self, memo: dict[int, Any]) -> GradientProbe:
        """Returns a probe with the same batch and no records, as KerasTuner needs for every trial."""
        return type(self)(self._x, self._y, every=self.every)

    @property
    def steps_between_stops(self) -> int | None:
        """Steps from one measurement to the next; None to measure before each epoch."""
        return None if self.every == "epoch" else self.every

    def frame(self) -> pd.DataFrame:
        """Returns the records of the training, one row per weight and record.

        Returns:
            Table with the columns of `measure`; `epoch` is counted from 1, `step` is the number of updates before
            the measurement.
        """
        return concatenate("gradients", self._records)

    def measure(self, model: keras.Model) -> pd.DataFrame:
        """Measures the gradient of a model in its current state.

        Args:
            model: A compiled model.

        Returns:
            Table with the columns `epoch` and `step`, both 0; `layer`, `variable`; and the statistics of the
            gradient: `l2`, `mean_abs`, `rms`, `max_abs`, `zeros`, `nans`, `infs`.

        Raises:
            InvalidValue: The model is not compiled.
        """
        if not model.compiled:
            raise InvalidValue("GradientProbe measures the gradient of the loss; compile the model first.")
        weights = list_trainable_weights(model)
        key = (id(model), id(model.loss), id(model.optimizer), [id(weight.value) for weight in weights])
        if self._traced[0] != key:
            # A partial, since TensorFlow would warn that one function for all models is traced too often.
            self._traced = (key, tf.function(partial(self._gradients, model, weights), autograph=False))
        # Computing the loss updates the metrics; their values are restored.
        variables = [variable for metric in model.metrics for variable in metric.variables]
        values = [variable.numpy() for variable in variables]
        rows = self._traced[1]().numpy()
        for metric in model.metrics:  # including those that the first measurement created
            metric.reset_state()
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        names = tuple((weight.layer, weight.variable) for weight in weights)
        return build_table("gradients", [(0, Reading(np.array([0]), rows[None], names, STATISTICS))])

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch, self._next = epoch + 1, 0
        if self.every == "epoch":
            self._record()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if self.every != "epoch" and batch >= self._next:
            self._next = (batch // self.every + 1) * self.every
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
