"""The state of a training in one file, complete at every moment, from which a killed training resumes."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from zoo.errors import RunFailed
from zoo.loop.callback_state import CallbackState, decode
from zoo.utils.files import replacing


@dataclass(frozen=True)
class Position:
    """The progress of a training.

    Args:
        epoch: Number of finished epochs. Defaults to 0.
        step: Number of finished steps in the next epoch. Defaults to 0.
        callbacks: State of each callback, as `capture_states` returns it. Defaults to none.
        arrays: Arrays that these refer to. Defaults to none.
        stopped: Epoch to train to of a training that a callback has stopped earlier. Defaults to 0.
        compile_mode: `CompileMode` of the steps, since another one would change the last bit of the numbers.
            Defaults to None, for a training that has not begun.
        seconds: Duration so far. Defaults to 0.
        training: What was trained; see `zoo.loop.session.describe_training`. Defaults to nothing, unknown.
    """

    epoch: int = 0
    step: int = 0
    callbacks: list[CallbackState] = field(default_factory=list)
    arrays: list[np.ndarray] = field(default_factory=list)
    stopped: int = 0
    compile_mode: tuple[bool, bool] | None = None
    seconds: float = 0.0
    training: dict[str, Any] = field(default_factory=dict)

    @property
    def history(self) -> list[dict[str, Any]]:
        """Metrics of each finished epoch."""
        state: dict[str, Any] = next((each["state"] for each in self.callbacks if each["class"] == "History"), {})
        columns = decode(state.get("history", {"dict": {}}), self.arrays)
        rows: list[dict[str, Any]] = [{} for _ in range(self.epoch)]
        for name, values in columns.items():
            for row, value in zip(rows, values, strict=False):
                row[name] = value
        return rows

    def is_finished(self, epochs: int) -> bool:
        """Returns whether a training to an epoch, counted from 1, has ended."""
        return max(self.epoch, self.stopped) >= epochs


class Checkpoint:
    """A file with the variables of a training and its position.

    Args:
        path: File, `*.npz`.
        writes: Whether this process writes the file; the other workers of a training only read it. Defaults to True.
        compile_mode: `CompileMode` of a training that begins; that of the file has precedence. The training replaces it
            by the one that it uses. Defaults to None, for the fastest.
    """

    def __init__(self, path: str | Path, *, writes: bool = True, compile_mode: tuple[bool, bool] | None = None) -> None:
        self.path, self._writes, self.compile_mode = Path(path), writes, compile_mode

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
        values |= {f"callbacks {number}": array for number, array in enumerate(position.arrays)}
        facts = {name: value for name, value in vars(position).items() if name != "arrays"}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self.path) as temporary:
                np.savez(temporary, position=np.array(json.dumps(facts)), **values)
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
                count = sum(name.startswith("callbacks ") for name in content.files)
                arrays = [content[f"callbacks {number}"] for number in range(count)]
            return Position(**_read_older(position), arrays=arrays)
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise RunFailed(f"{self.path} is damaged, or is not a checkpoint.") from error

    def check_training(self, position: Position, training: Mapping[str, Any]) -> None:
        """Checks that a checkpoint belongs to a training.

        Raises:
            RunFailed: Another training has written it.
        """
        for name, before in position.training.items():
            if training.get(name, before) != before:
                raise RunFailed(
                    f"{self.path} is the checkpoint of another training: its {name} was {before}, that of this one is "
                    f"{training[name]}. Name another file, or remove it."
                )

    def load(self, variables: Sequence[tf.Variable]) -> None:
        """Assigns the saved values to the variables.

        Raises:
            RunFailed: They belong to another model, optimizer or recorder.
        """
        with np.load(self.path, allow_pickle=False) as content:
            values: list[Any] = [content[name] for name in sorted(filter(str.isdigit, content.files), key=int)]
        shapes, needed = [value.shape for value in values], [tuple(variable.shape) for variable in variables]
        if shapes != needed:
            raise RunFailed(
                f"{self.path} is the checkpoint of another training: it has {len(shapes)} variables of "
                f"{sum(map(np.prod, shapes)):.0f} numbers, this one {len(needed)} of {sum(map(np.prod, needed)):.0f}."
            )
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


def _read_older(position: dict[str, Any]) -> dict[str, Any]:
    """Returns the position of a checkpoint of version 0.1.0 as this version writes it; others as they are."""
    if "way" in position:
        position["compile_mode"] = position.pop("way")
    if "history" in position:
        epochs = position.pop("history")
        history = {name: {"list": [logs[name] for logs in epochs if name in logs]} for name in (epochs or [{}])[-1]}
        state = {"history": {"dict": history}, "epoch": {"list": list(range(len(epochs)))}}
        position["callbacks"] = [{"class": "History", "state": state}]
    return position
