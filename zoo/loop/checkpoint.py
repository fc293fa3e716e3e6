"""The state of a training in one file, complete at every moment, from which a killed training resumes."""

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
    """The progress of a training.

    Args:
        epoch: Number of finished epochs. Defaults to 0.
        step: Number of finished steps in the next epoch. Defaults to 0.
        history: Metrics of each finished epoch. Defaults to none.
        compile_mode: `CompileMode` of the steps, since another one would change the last bit of the numbers.
            Defaults to None, for a training that has not begun.
        seconds: Duration so far. Defaults to 0.
    """

    epoch: int = 0
    step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    compile_mode: tuple[bool, bool] | None = None
    seconds: float = 0.0


class Checkpoint:
    """A file with the variables of a training and its position.

    Args:
        path: File, `*.npz`.
        writes: Whether this process writes the file; the other workers of a training only read it. Defaults to True.
    """

    def __init__(self, path: str | Path, *, writes: bool = True) -> None:
        self.path, self._writes = Path(path), writes

    def save(self, variables: Sequence[tf.Variable], position: Position) -> None:
        """Writes the checkpoint; the previous one is replaced once the new one is complete.

        Raises:
            RunFailed: The file cannot be written.
        """
        # Reading sums a variable over the workers: every worker must do it, also one that writes nothing.
        values: dict[str, Any] = {
            str(number): np.asarray(variable.numpy()) for number, variable in enumerate(variables)
        }
        if not self._writes:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self.path) as temporary:
                np.savez(temporary, position=np.array(json.dumps(vars(position))), **values)
        except OSError as error:
            previous = " The previous one is intact." if self.path.exists() else ""
            raise RunFailed(
                f"The checkpoint {self.path} cannot be written: {error.strerror or error}.{previous}"
            ) from error

    def read_position(self) -> Position | None:
        """Returns the position of the checkpoint, or None if there is no file.

        Raises:
            RunFailed: The file is not a checkpoint.
        """
        if not self.path.is_file():
            return None
        try:
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as content:
                position = json.loads(str(content["position"]))
            if "way" in position:  # in files of version 0.1.0
                position["compile_mode"] = position.pop("way")
            return Position(**position)
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise RunFailed(f"{self.path} is not a checkpoint: {error}.") from error

    def load(self, variables: Sequence[tf.Variable]) -> None:
        """Assigns the saved values to the variables.

        Raises:
            RunFailed: They belong to another model, optimizer or recorder.
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
