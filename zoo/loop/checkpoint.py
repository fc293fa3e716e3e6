"""All that a training needs to go on after it was killed, in one file that is there whole or not at all."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from zoo.errors import RunFailed
from zoo.utils.files import replacing


@dataclass(frozen=True)
class Position:
    """Where a training stands.

    Args:
        epoch: Epochs that are done.
        step: Steps of the next one that are done.
        history: The metrics of each epoch that is done.
        way: How the steps were compiled, a `Way`; in another one the numbers would differ in the last bit.
        seconds: How long all of it took.
    """

    epoch: int = 0
    step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    way: tuple[bool, bool] | None = None
    seconds: float = 0.0


class Checkpoint:
    """The values of the variables of a training, and its position.

    Args:
        path: The file, `*.npz`.
        writes: Whether it is this process that writes; the other workers of a training read only.
    """

    def __init__(self, path: str | Path, *, writes: bool = True) -> None:
        self.path, self._writes = Path(path), writes

    def save(self, variables: Sequence[tf.Variable], position: Position) -> None:
        """Writes the checkpoint over the one before, which stands until this one is whole.

        Raises:
            RunFailed: It cannot be written.
        """
        # Several workers add up what is read: all of them have to come here, though one writes.
        values: dict[str, Any] = {
            f"{number}": np.asarray(variable.numpy()) for number, variable in enumerate(variables)
        }
        if not self._writes:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self.path) as temporary:
                np.savez(temporary, position=np.array(json.dumps(vars(position))), **values)
        except OSError as error:
            stands = " The one before it stands." if self.path.exists() else ""
            raise RunFailed(
                f"The checkpoint {self.path} cannot be written: {error.strerror or error}.{stands}"
            ) from error

    def position(self) -> Position | None:
        """Returns where the checkpoint stands, or None if there is none.

        Raises:
            RunFailed: The file is not a checkpoint.
        """
        if not self.path.is_file():
            return None
        try:
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as content:
                return Position(**json.loads(str(content["position"])))
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise RunFailed(f"{self.path} is not a checkpoint: {error}.") from error

    def load(self, variables: Sequence[tf.Variable]) -> None:
        """Puts the values back.

        Raises:
            RunFailed: They are those of another model, optimiser or recorder.
        """
        with np.load(self.path, allow_pickle=False) as content:
            values: list[Any] = [content[name] for name in sorted(set(content.files) - {"position"}, key=int)]
        shapes, needed = [value.shape for value in values], [tuple(variable.shape) for variable in variables]
        if shapes != needed:
            raise RunFailed(
                f"{self.path} is the checkpoint of another training: it has {len(shapes)} variables of "
                f"{sum(map(np.prod, shapes)):.0f} numbers, this one {len(needed)} of {sum(map(np.prod, needed)):.0f}."
            )
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
