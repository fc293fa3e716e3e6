"""The folder of a search: its configuration, its lock and the results of its trials."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from zoo import datasets
from zoo.errors import InvalidValue, RunFailed
from zoo.runs.folder import RunFolder, versions
from zoo.tuning.failures import find_disk_failure

if TYPE_CHECKING:
    from zoo.datasets import Dataset
    from zoo.tuning.plan import Plan

ADDED: dict[str, Any] = {"executions_per_trial": 1, "callbacks": []}  # values of a search of version 0.1.0


def trial_folder(project: Path, trial_id: str) -> RunFolder:
    """Returns the folder of a trial."""
    return RunFolder(project / f"trial_{trial_id}")


def read_results(project: Path, known: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Reads the result of each trial by its id, or of a running trial how it began.

    Args:
        project: Folder of the search.
        known: Results of an earlier call, which are not read again. Defaults to none.
    """
    results: dict[str, Any] = {}
    for path in sorted(project.glob("trial_*"), key=lambda path: int(path.name.removeprefix("trial_"))):
        trial_id = path.name.removeprefix("trial_")
        folder = RunFolder(path)
        if known and "status" in known.get(trial_id, {}):
            results[trial_id] = known[trial_id]
        elif result := folder.read_json("result.json") or folder.read_json("begun.json"):
            results[trial_id] = result
    return results


def read_search(project: str | Path) -> dict[str, Any]:
    """Reads the configuration of a search.

    Raises:
        InvalidValue: There is no search in the folder.
        RunFailed: The file is damaged.
    """
    content = RunFolder(project).read_json("search.json")
    if not content:
        raise InvalidValue(f"There is no search in {project}: it has no search.json.")
    dataset = content["dataset"]
    loaded = dataset.get("loaded", {"name": dataset["name"], "seed": content["seed"]})
    return {**ADDED, **content, "dataset": {**dataset, "loaded": loaded}}


def load_dataset(content: Mapping[str, Any]) -> Dataset:
    """Loads the dataset of a search.

    Args:
        content: Result of `read_search`.

    Raises:
        InvalidValue: It was not loaded by a name or a path, or it has changed.
    """
    dataset = content["dataset"]
    if not dataset["loaded"]:
        raise InvalidValue(f"The dataset {dataset['name']} of the search was not loaded by a name or a path.")
    data = datasets.load(**dataset["loaded"])
    if data.digest != dataset["digest"]:
        raise InvalidValue(f"The dataset {dataset['name']} is not the one that the search was run on: it has changed.")
    return data


def write_search(plan: Plan, folder: RunFolder) -> None:
    """Writes the configuration of a search, or compares it with that of the search in the folder.

    Raises:
        InvalidValue: The folder holds another search or other files.
    """
    path = folder.path
    content = json.loads(json.dumps(plan.to_dict()))
    if (path / "search.json").is_file():
        before = read_search(path)
        _check_equal(path, {key: before.get(key) for key in content}, content)
        content = {**before, **content}
    else:
        path.mkdir(parents=True, exist_ok=True)
        if any(file.name != ".lock" for file in path.iterdir()):
            raise InvalidValue(f"{path} holds files of something else; name another folder.")
    folder.write_json("search.json", {**content, "versions": versions()})


@contextlib.contextmanager
def withdrawing(project: Path) -> Iterator[None]:
    """Removes the files of a new search if it is refused inside the block before any trial has a result.

    Args:
        project: Folder of the search, locked; a new search has found it empty.
    """
    is_new = not (project / "search.json").is_file()
    try:
        yield
    except (InvalidValue, RunFailed) as error:
        is_written = is_new and (project / "search.json").is_file()
        if is_written and not any(project.glob("trial_*/result.json")) and not find_disk_failure(error):
            kept = {".lock", "logs"} if isinstance(error, RunFailed) else {".lock"}  # the message may name a log
            for path in project.iterdir():
                if path.name not in kept:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
        raise


@contextlib.contextmanager
def making_folder(project: Path) -> Iterator[None]:
    """Creates the folder of a search, and removes it if the search is refused inside the block and leaves no files.

    Args:
        project: Folder of the search.

    Raises:
        RunFailed: The folder cannot be created.
    """
    existed, was_locked = project.is_dir(), (project / ".lock").exists()
    try:
        project.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFailed(f"The folder {project} cannot be created: {error.strerror}.") from error
    try:
        yield
    except (InvalidValue, RunFailed):
        if not was_locked and not (project / "search.json").exists():
            (project / ".lock").unlink(missing_ok=True)
        if not existed and not any(project.iterdir()):
            project.rmdir()
        raise


def write_parameters(project: Path, parameters: dict[str, Any]) -> None:
    """Writes or compares the hyperparameters of a custom builder, which are known once it has built a model."""
    content, parameters = read_search(project), json.loads(json.dumps(parameters))
    if "parameters" in content:
        _check_equal(project, content["parameters"], parameters)
    RunFolder(project).write_json("search.json", {**content, "parameters": parameters})


def _check_equal(path: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    if differences := list(_find_differences(before, now)):
        raise InvalidValue(
            f"{path} holds another search: {'; '.join(differences)}. Ask for the same, or name another folder."
        )


def _find_differences(before: dict[str, Any], now: dict[str, Any], path: str = "") -> Iterator[str]:
    for key in dict.fromkeys([*before, *now]):
        name = f"{path}{key}"
        if key not in before or key not in now:
            yield f"{name} is {'new' if key in now else 'gone'}"
        elif isinstance(before[key], dict) and isinstance(now[key], dict):
            yield from _find_differences(before[key], now[key], f"{name}.")
        elif before[key] != now[key] and key != "max_trials":
            yield f"{name} was {before[key]}, is now {now[key]}"


@contextlib.contextmanager
def lock(project: Path) -> Iterator[None]:
    """Locks the folder of a search for this process; the operating system unlocks it when the process ends.

    Raises:
        InvalidValue: Another process has locked it.
    """
    try:
        with FileLock(project / ".lock", timeout=0):
            yield
    except Timeout:
        raise InvalidValue(f"Another process is searching in {project}; wait for it, or end it.") from None
