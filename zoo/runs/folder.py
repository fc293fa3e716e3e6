"""A run is a folder that holds all that is needed to read it again."""

from __future__ import annotations

import json
import platform
import shutil
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import InvalidValue, RunFailed
from zoo.models.origin import origin_of
from zoo.saving.keras_files import save
from zoo.utils.files import replacing

if TYPE_CHECKING:
    import keras
    import pandas as pd
    from matplotlib.figure import Figure

PACKAGES = ("keras-classic-zoo", "tensorflow", "keras", "numpy", "pandas", "scikit-learn")


class RunFolder:
    """A folder that one run writes into, each file whole or not at all.

    Args:
        path: A folder that there is not yet; None makes `runs/NAME-DATE-TIME`.
        name: What the run is called in that case.
        writes: Whether it is this process that writes; another worker of the same training does not.

    Raises:
        InvalidValue: The folder exists already.
        RunFailed: It cannot be made.
    """

    def __init__(self, path: str | Path | None, *, name: str, writes: bool = True) -> None:
        self.writes = writes
        stem = Path("runs", f"{name}-{time.strftime('%Y%m%d-%H%M%S')}")
        number = 1
        self.path = stem if path is None else Path(path)
        while writes:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            except FileExistsError as error:
                parent = self.path.parent
                raise RunFailed(f"The run folder {self.path} cannot be made: {parent} is not a folder.") from error
            except OSError as error:
                raise RunFailed(f"The run folder {self.path} cannot be made: {error.strerror}.") from error
            try:
                self.path.mkdir()
                return
            except FileExistsError:
                if path is not None:
                    raise InvalidValue(
                        f"The run folder {self.path} exists already; name another, or remove it."
                    ) from None
                number += 1
                self.path = stem.with_name(f"{stem.name}-{number}")
            except OSError as error:
                raise RunFailed(f"The run folder {self.path} cannot be made: {error.strerror}.") from error

    @classmethod
    def reopen(cls, path: str | Path, *, writes: bool = True) -> RunFolder:
        """Opens the folder of a run that was broken off.

        Raises:
            InvalidValue: There is no run there.
        """
        if not Path(path, "config.json").is_file():
            raise InvalidValue(f"There is no run in {path}: it has no config.json.")
        return cls.at(path, writes=writes)

    @classmethod
    def at(cls, path: str | Path, *, writes: bool = True) -> RunFolder:
        """Takes a folder that is there."""
        folder = cls(path, name="", writes=False)
        folder.writes = writes
        return folder

    def withdraw(self) -> None:
        """Removes the folder if it holds no more than its configuration: nothing was trained."""
        if self.writes and [each.name for each in self.path.iterdir()] == ["config.json"]:
            shutil.rmtree(self.path)

    def read_json(self, name: str) -> dict[str, Any]:
        """Reads a file of `write_json`; empty if there is none.

        Raises:
            RunFailed: It is damaged.
        """
        path = self.path / name
        try:
            return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        except ValueError as error:
            raise RunFailed(f"{path} is damaged: {error}.") from error

    def read_table(self, name: str) -> pd.DataFrame | None:
        """Reads a table of `write_table`, number for number; None if there is none, or nothing in it."""
        import pandas as pd

        path = self.path / name
        if not path.is_file():
            return None
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        for column in table.columns.difference(["layer", "variable"]):
            whole = column in ("epoch", "step", "count")
            table[column] = table[column].astype("int64") if whole else table[column].replace("", "nan").map(float)
        return None if table.empty else table

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Writes `content` as JSON."""
        self._write(name, lambda path: path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8"))

    def write_table(self, name: str, table: pd.DataFrame) -> None:
        """Writes a table as CSV."""
        self._write(name, lambda path: table.to_csv(path, index=False))

    def write_figure(self, name: str, figure: Figure) -> None:
        """Writes a figure as PNG."""
        self._write(name, lambda path: figure.savefig(path, dpi=150))

    def write_model(self, name: str, model: keras.Model) -> None:
        """Writes a model as a `.keras` file, which tells where a model of the zoo comes from."""
        self._write(name, lambda path: save(model, path) if origin_of(model) else model.save(path))

    def _write(self, name: str, write: Callable[[Path], Any]) -> None:
        if not self.writes:
            return
        try:
            with replacing(self.path / name) as temporary:
                write(temporary)
        except OSError as error:
            reason = error.strerror or str(error)
            raise RunFailed(f"{self.path / name} cannot be written: {reason}. What was there before stands.") from error


def versions() -> dict[str, str]:
    """Returns the versions of Python, of this package and of what its numbers depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found
