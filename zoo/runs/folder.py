"""The folder of a run: its configuration, tables, figures and model."""

from __future__ import annotations

import itertools
import json
import os
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
from zoo.utils.files import find_obstacle, replacing

if TYPE_CHECKING:
    import keras
    import pandas as pd
    from matplotlib.figure import Figure

PACKAGES = ("keras-classic-zoo", "tensorflow", "keras", "numpy", "pandas", "scikit-learn")


class RunFolder:
    """An existing folder that a run is written to and read from. Each file is complete or absent.

    Args:
        path: The folder.
        writes: Whether this process writes; the other workers of a training do not. Defaults to True.
    """

    def __init__(self, path: str | Path, *, writes: bool = True) -> None:
        self.path, self.writes = Path(path), writes

    @classmethod
    def create(cls, path: str | Path | None, *, name: str, writes: bool = True) -> RunFolder:
        """Creates the folder of a new run.

        Args:
            path: The folder, which must not exist; None for `runs/NAME-DATE-TIME`.
            name: Name of the run, for a folder without a path.
            writes: Whether this process writes. If not, the folder is not created. Defaults to True.

        Raises:
            InvalidValue: The folder exists.
            RunFailed: The folder cannot be created.
        """
        stem = f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
        numbered = (Path("runs", stem if number == 1 else f"{stem}-{number}") for number in itertools.count(1))
        for candidate in numbered if path is None else [Path(path)]:
            try:
                if writes:
                    candidate.parent.mkdir(parents=True, exist_ok=True)
                    candidate.mkdir()
                return cls(candidate, writes=writes)
            except FileExistsError as error:
                if not (parent := candidate.parent).is_dir():
                    raise RunFailed(
                        f"The run folder {candidate} cannot be created: {parent} is not a folder."
                    ) from error
            except OSError as error:
                raise RunFailed(f"The run folder {candidate} cannot be created: {error.strerror}.") from error
        raise _exists(path)

    @staticmethod
    def check_new(path: str | Path | None) -> None:
        """Checks that `create` can create a folder, and leaves nothing behind.

        Args:
            path: The folder; None for `runs/NAME-DATE-TIME`.

        Raises:
            InvalidValue: The folder exists.
            RunFailed: The folder cannot be created.
        """
        if path is not None and os.path.lexists(path):
            raise _exists(path)
        if reason := find_obstacle(Path("runs", "new") if path is None else path):
            raise RunFailed(f"The run folder {path or 'runs'} cannot be created: {reason}.")

    @classmethod
    def reopen(cls, path: str | Path) -> RunFolder:
        """Opens the folder of an earlier run.

        Raises:
            InvalidValue: There is no run in the folder.
        """
        if not Path(path, "config.json").is_file():
            raise InvalidValue(f"There is no run in {path}: it has no config.json.")
        return cls(path)

    def withdraw(self) -> None:
        """Removes the folder if it holds nothing but configurations, because the training did not start."""
        if self.writes and {file.name for file in self.path.rglob("*") if file.is_file()} == {"config.json"}:
            shutil.rmtree(self.path)

    def read_json(self, name: str) -> dict[str, Any]:
        """Reads a file of `write_json`; returns an empty dictionary if it does not exist.

        Raises:
            RunFailed: The file is damaged.
        """
        path = self.path / name
        try:
            return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        except ValueError as error:
            raise RunFailed(f"{path} is damaged: {error}.") from error

    def read_table(self, name: str) -> pd.DataFrame | None:
        """Reads a table of `write_table` with exactly the same numbers; returns None if it is empty or absent."""
        import pandas as pd

        path = self.path / name
        if not path.is_file():
            return None
        table = pd.read_csv(path, dtype=str, keep_default_na=False).replace("", "nan")
        if table.empty:
            return None
        numbers = table.columns.difference(["layer", "variable"])
        return table.astype({name: "int64" if name in ("epoch", "step", "count") else float for name in numbers})

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
        """Writes a model as a `.keras` file; that of a model of the zoo records where it comes from."""
        self._write(name, lambda path: save(model, path) if origin_of(model) else model.save(path))

    def _write(self, name: str, write: Callable[[Path], Any]) -> None:
        if not self.writes:
            return
        try:
            with replacing(self.path / name) as temporary:
                write(temporary)
        except OSError as error:
            reason = error.strerror or str(error)
            raise RunFailed(
                f"{self.path / name} cannot be written: {reason}. An earlier version of it is intact."
            ) from error


def _exists(path: object) -> InvalidValue:
    return InvalidValue(f"The run folder {path} exists already; name another, or remove it.")


def versions() -> dict[str, str]:
    """Returns the versions of Python, of this package and of the packages that its numbers depend on."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions
