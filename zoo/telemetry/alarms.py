"""Conditions of gradient records that raise a warning or stop the training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np

from zoo.utils.constraints import check, positive

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["vanishing", "exploding", "dead", "nan"]
_THRESHOLDS = {"vanishing": 1e-4, "exploding": 1e3, "dead": 1.0, "nan": None}


class GradientWarning(UserWarning):
    """Warning of a gradient that meets the condition of an `Alarm`, or of one that is not recorded."""


@dataclass(frozen=True)
class Alarm:
    """Condition of the records of a `GradientRecorder`, and the action that it leads to.

    Args:
        kind: `"vanishing"`: the RMS of the first layer's gradient over the last layer's is below the threshold, of the
            weights that `one_a_layer` selects. `"exploding"`: a norm reaches the threshold. `"dead"`: the share of
            exact zeros in a gradient reaches it. `"nan"`: a gradient has NaN or infinite values.
        threshold: Limit of the condition. Defaults to 1e-4 for `"vanishing"`, 1000 for `"exploding"`, 1 for `"dead"`.
        action: `"warn"` for a `GradientWarning`, `"stop"` to end the training too. Defaults to `"warn"`.

    Raises:
        InvalidValue: The kind or action is unknown, or the threshold is not positive.

    >>> Alarm("vanishing", 0.01).threshold
    0.01
    """

    kind: Kind
    threshold: float | None = None
    action: Literal["warn", "stop"] = "warn"

    def __post_init__(self) -> None:
        check("kind", self.kind, Kind)
        check("action", self.action, Literal["warn", "stop"])
        threshold = check("threshold", self.threshold, Annotated[float, positive] | None)
        object.__setattr__(self, "threshold", _THRESHOLDS[self.kind] if threshold is None else threshold)

    def raised_by(self, frame: pd.DataFrame) -> str:
        """Returns a message about the first record that meets the condition, or an empty string.

        Args:
            frame: Result of `GradientRecorder.frame(full=True)`.
        """
        if self.kind == "vanishing":
            return self._check_vanishing(frame)
        column, problem = {
            "exploding": ("l2", "exploded: its norm is {:.3g}, the limit {limit:g}"),
            "dead": ("zeros", "is dead: {:.0%} of it is exactly zero, the limit {limit:.0%}"),
            "nan": ("nans", "broke: it has values that are NaN or infinite"),
        }[self.kind]
        if self.kind == "nan":
            rows = frame[frame["nans"] + frame["infs"] > 0]
        else:
            column = "l2_max" if self.kind == "exploding" and "l2_max" in frame else column
            rows = frame[frame[column] >= self.threshold]
        if rows.empty:
            return ""
        # Of several rows, the one nearest to the loss, from which the others follow.
        row = rows[rows["step"] == rows["step"].iloc[0]].iloc[-1]
        problem = problem.format(row[column], limit=self.threshold)
        return (
            f"The gradient of {row['layer']} ({row['variable']}) {problem}, "
            f"at epoch {row['epoch']}, step {row['step']}."
        )

    def _check_vanishing(self, frame: pd.DataFrame) -> str:
        from zoo.telemetry.plots import one_a_layer

        frame = one_a_layer(frame)[0]
        layers, rms, epochs, steps = (frame[name].to_numpy() for name in ("layer", "rms", "epoch", "step"))
        for record in np.split(np.arange(len(frame)), np.flatnonzero(np.diff(steps)) + 1) if len(frame) else ():
            first, last = record[0], record[layers[record] == layers[record[-1]]][0]
            if first != last and rms[first] < self.threshold * rms[last]:
                ratio = rms[first] / rms[last]
                return (
                    f"The gradient vanished on its way to {layers[first]}: its RMS is {ratio:.3g} times that of "
                    f"{layers[last]}, the limit {self.threshold:g}, at epoch {epochs[first]}, step {steps[first]}."
                )
        return ""
