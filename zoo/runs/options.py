"""How a training is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from zoo.utils.constraints import Count
from zoo.utils.records import Record, check_keys

Extra = Literal["activations", "histograms", "tensorboard"]
_STORED = ("mixed_precision", "checkpoint_every", "record")


@dataclass(frozen=True, kw_only=True)
class RunOptions(Record):
    """Options of a run that do not change what is trained.

    Args:
        mixed_precision: Whether to compute in half precision where that is safe. Defaults to False.
        checkpoint_every: Number of steps between checkpoints within an epoch. Defaults to None: one per epoch.
        record: Records besides the size of the gradients: `"activations"`, `"histograms"`, `"tensorboard"`.
        watch: Whether to show the gradient of every layer below the progress bar. Defaults to False.
        progress: Whether to show the progress on standard error. Defaults to True.
    """

    mixed_precision: bool = False
    checkpoint_every: Count | None = None
    record: Sequence[Extra] = ()
    watch: bool = False
    progress: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Returns the options that a resumed run keeps, as plain values."""
        return {name: getattr(self, name) for name in _STORED}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], *, watch: bool = False, progress: bool = True) -> RunOptions:
        """Returns the options that `to_dict` was called on; other keys are ignored.

        Args:
            content: Content of `config.json`.
            watch: As in `RunOptions`.
            progress: As in `RunOptions`.

        Raises:
            InvalidValue: A key is missing, or a value is invalid.
        """
        check_keys("The options of a run", content, _STORED)
        return cls(**{name: content[name] for name in _STORED}, watch=watch, progress=progress)
