"""What to look out for in gradient records, and what to do about it."""

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
    """A gradient that an `Alarm` looks out for."""


@dataclass(frozen=True)
class Alarm:
    """Looks out for a kind of gradient in the records of a `GradientRecorder`.

    Args:
        kind: `"vanishing"`: the first layer's RMS gradient over the last one's is below the threshold,
            of the weights that `one_a_layer` picks. `"exploding"`: a norm reaches it. `"dead"`: at
            least that share of a gradient is exactly zero. `"nan"`: a gradient has a value that is NaN
            or infinite.
        threshold: The limit; None takes 1e-4, 1000 and 1.
        action: `"warn"` warns with a `GradientWarning`; `"stop"` ends the training as well.

    Raises:
        InvalidValue: Another kind or action, or a threshold that is not above 0.

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
        """Returns what is wrong in the first record that raises the alarm, or an empty text.

        Args:
            frame: Records of `GradientRecorder.frame(full=True)`.
        """
        if self.kind == "vanishing":
            return self._vanishing(frame)
        column, words = {
            "exploding": ("l2", "exploded: its norm is {:.3g}, the limit {limit:g}"),
            "dead": ("zeros", "is dead: {:.0%} of it is exactly zero, the limit {limit:.0%}"),
            "nan": ("nans", "broke: it has values that are NaN or infinite"),
        }[self.kind]
        if self.kind == "nan":
            found = frame[frame["nans"] + frame["infs"] > 0]
        else:
            column = "l2_max" if self.kind == "exploding" and "l2_max" in frame else column
            found = frame[frame[column] >= self.threshold]
        if found.empty:
            return ""
        # Of several at once, the one nearest to the loss: the others have theirs from it.
        row = found[found["step"] == found["step"].iloc[0]].iloc[-1]
        what = words.format(row[column], limit=self.threshold)
        return (
            f"The gradient of {row['layer']} ({row['variable']}) {what}, at epoch {row['epoch']}, step {row['step']}."
        )

    def _vanishing(self, frame: pd.DataFrame) -> str:
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
