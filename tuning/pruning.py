"""Stopping a trial early: the median rule, and a loss that breaks."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import pandas as pd

from zoo.telemetry import GradientRecorder, one_a_layer
from zoo.tuning.failures import make_objective_error
from zoo.tuning.plan import RATIO

MIN_TRIALS = 5  # ended trials before the first is compared with their median
MIN_SHARE = 5  # a trial is not compared in the first 1 / 5 of its epochs


class EarlyStop(keras.callbacks.Callback):
    """Ends a training whose loss is not finite or whose objective is worse than the median of earlier trials.

    Args:
        recorder: Gradient recorder of the training.
        objective: Metric and its direction.
        epochs: Number of epochs of the training.
        others: Objective of earlier trials by epoch; none for no comparison.
        report: Function that is called after each epoch with the epoch and their number.
        required: Whether the objective must be among the metrics of each epoch; a callback may add it to some.
            Defaults to True.
    """

    restores_itself = True

    def __init__(
        self,
        recorder: GradientRecorder,
        objective: tuple[str, str],
        epochs: int,
        others: Sequence[Sequence[float]],
        report: Callable[[int, int], None],
        *,
        required: bool = True,
    ) -> None:
        super().__init__()
        self._required = required
        self._recorder, self._epochs, self._report = recorder, epochs, report
        self._metric, self._maximize = objective[0], objective[1] == "max"
        self._others = others if len(others) >= MIN_TRIALS else []
        self._values: list[float] = []
        self.reason = ""

    def restore(self, history: Sequence[Mapping[str, float]]) -> None:
        """Restores the objective of the epochs of a resumed training, once the recorder is restored.

        Args:
            history: Metrics of these epochs.
        """
        if self._metric == RATIO:
            self._values = gradient_ratios(self._recorder).tolist()
        else:
            self._values = [metrics.get(self._metric, float("nan")) for metrics in history]

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._report(epoch + 1, self._epochs)
        logs, self.reason = logs or {}, ""  # a loop of one's own may go on
        if not abs(logs.get("loss", 0.0)) < float("inf"):
            self.model.stop_training = True
        if self._required and self._metric != RATIO and self._metric not in logs:
            raise make_objective_error(self._metric, logs)
        if not self._others:
            return
        self._values.append(read_objective(self._metric, self._recorder, logs))
        if epoch + 1 < max(2, self._epochs // MIN_SHARE) or epoch + 1 == self._epochs:
            return
        if is_worse_than_median(self._values, self._others, maximize=self._maximize):
            self.reason = f"worse than the median of {len(self._others)} trials at epoch {epoch + 1}"
            self.model.stop_training = True


def gradient_ratios(recorder: GradientRecorder) -> pd.Series:
    """Returns the ratio of the first layer's RMS gradient to the last layer's, by epoch."""
    frame, _ = one_a_layer(recorder.frame())
    by_epoch = frame.drop_duplicates(["epoch", "layer"]).groupby("epoch")["rms"]
    return by_epoch.first() / by_epoch.last()


def read_objective(name: str, recorder: GradientRecorder, logs: Mapping[str, Any]) -> float:
    """Returns the objective of the last epoch, NaN if it has none.

    Args:
        name: Metric, or `gradient_ratio`.
        recorder: Gradient recorder of the training.
        logs: Metrics of the epoch.
    """
    if name != RATIO:
        return float(logs.get(name, float("nan")))
    ratios = gradient_ratios(recorder)
    return float(ratios.iloc[-1]) if len(ratios) else float("nan")


def is_worse_than_median(values: Sequence[float], others: Sequence[Sequence[float]], *, maximize: bool) -> bool:
    """Returns whether a trial's best value so far is worse than the median of the other trials' means so far.

    The median stopping rule of Vizier (Golovin et al., KDD 2017, section 3.2.2). Epochs without a finite objective do
    not count.

    Args:
        values: Objective of the trial by epoch.
        others: Objective of earlier trials by epoch.
        maximize: Whether a larger objective is better.

    >>> is_worse_than_median([0.2, 0.3], [[0.4, 0.6], [0.1, 0.2], [0.5, 0.7]], maximize=True)
    True
    """
    epochs = len(values)
    finite = [[value for value in other[:epochs] if math.isfinite(value)] for other in others if len(other) >= epochs]
    means, values = [statistics.fmean(other) for other in finite if other], [v for v in values if math.isfinite(v)]
    if len(means) < 2 or not values:
        return False
    median = statistics.median(means)
    return max(values) < median if maximize else min(values) > median
