"""How a training is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from zoo.errors import InvalidValue
from zoo.utils.constraints import at_least, check

Extra = Literal["activations", "histograms", "tensorboard"]


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Options of a run that do not change what is trained.

    Args:
        mixed_precision: Whether to compute in half precision where that is safe. Defaults to False.
        checkpoint_every: Number of steps between checkpoints within an epoch. Defaults to None: one per epoch.
        record: Records besides the size of the gradients: `"activations"`, `"histograms"`, `"tensorboard"`.
        watch: Whether to show the gradient of every layer below the progress bar. Defaults to False.
        progress: Whether to show the progress on standard error. Defaults to True.
    """

    mixed_precision: bool = False
    checkpoint_every: int | None = None
    record: Sequence[Extra] = ()
    watch: bool = False
    progress: bool = True

    def __post_init__(self) -> None:
        check("mixed_precision", self.mixed_precision, bool)
        check("checkpoint_every", self.checkpoint_every, Annotated[int, at_least(1)] | None)
        object.__setattr__(self, "record", tuple(check("record", extra, Extra) for extra in self.record))

    def to_dict(self) -> dict[str, Any]:
        """Returns what a resumed run keeps, as plain values."""
        return {
            "mixed_precision": self.mixed_precision,
            "checkpoint_every": self.checkpoint_every,
            "record": self.record,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], *, watch: bool = False, progress: bool = True) -> RunOptions:
        """Returns the options that `to_dict` was called on.

        Args:
            content: What `to_dict` returned; other keys are left alone.
            watch: As in `RunOptions`.
            progress: As in `RunOptions`.

        Raises:
            InvalidValue: A key is missing, or a value is invalid.
        """
        names = list(cls().to_dict())
        if missing := [name for name in names if name not in content]:
            raise InvalidValue(f"The options of a run must have {', '.join(names)}; {missing[0]} is missing.")
        return cls(**{name: content[name] for name in names}, watch=watch, progress=progress)
