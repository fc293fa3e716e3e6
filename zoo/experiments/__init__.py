"""The questions of the lecture, answered by experiments: each returns tables and figures."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import typing
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from zoo.errors import unknown
from zoo.utils.tensorflow_import import import_tensorflow, require_tensorflow

if TYPE_CHECKING:
    from zoo.experiments.result import Result

_MODULES = {
    "depth": "depth",
    "dropout": "dropout.study",
    "feature-maps": "feature_maps",
    "few-labels": "pretraining.few_labels",
    "hidden-space": "hidden_space.study",
    "pretraining": "pretraining.study",
    "rbm": "rbm.study",
    "semeion-codes": "semeion_codes",
    "shift": "shift",
    "vanishing-gradient": "vanishing_gradient.study",
}


class Card(NamedTuple):
    """An experiment's question, its default data set, and its settings with their defaults."""

    question: str
    dataset: str
    settings: Mapping[str, Any]


def names() -> list[str]:
    """Returns the names of the experiments.

    >>> names()
    ['depth', 'dropout', 'feature-maps', 'few-labels', ..., 'shift', 'vanishing-gradient']
    """
    return sorted(_MODULES)


def card(name: str) -> Card:
    """Returns an experiment's question and settings. Imports TensorFlow.

    >>> card("shift").question
    'Which networks still recognize a digit that was moved by a few pixels?'
    >>> card("shift").settings
    {'updates': None, 'seeds': 1, 'furthest': 6}
    """
    module = _load_module(name)
    parameters = inspect.signature(module.run).parameters
    settings = {keyword: parameters[keyword].default for keyword in options_of(name)}
    return Card((inspect.getdoc(module) or "").splitlines()[0], parameters["dataset"].default, settings)


def options_of(name: str) -> Mapping[str, Any]:
    """Returns the settings of an experiment and their annotations. Imports TensorFlow.

    >>> from zoo.utils.constraints import describe
    >>> describe(options_of("few-labels")["seeds"])
    'an integer >= 1'
    """
    hints = typing.get_type_hints(_load_module(name).run, include_extras=True)
    return {keyword: hint for keyword, hint in hints.items() if keyword not in ("dataset", "progress", "return")}


def run(
    name: str, dataset: str | None = None, *, run_dir: str | Path | None = None, **settings: Any
) -> tuple[Result, Path]:
    """Runs an experiment and writes its results.

    Args:
        name: Name of the experiment, one of `names()`.
        dataset: Name of the data set, one of `datasets.names()`. Defaults to the experiment's own, mostly MNIST.
        run_dir: Folder for the tables (CSV) and figures (PNG), which must not exist. Defaults to
            `runs/NAME-DATASET-DATE-TIME`.
        **settings: Settings of the experiment, as in `seeds=100`; see `options_of`.

    Returns:
        The result and the folder.

    Raises:
        UnknownName: Unknown experiment, setting or data set; the message has the nearest name.
        InvalidValue: A setting is out of range, or the folder exists.
        DataError: The data cannot be loaded.
    """
    from zoo import datasets
    from zoo.runs.folder import RunFolder

    check_arguments(name, dataset, run_dir=run_dir)
    dataset = card(name).dataset if dataset is None else dataset
    datasets.load(dataset)  # before TensorFlow is imported, and before a folder is made
    module = _load_module(name)
    valid = [*options_of(name), "progress"]
    for setting in settings:
        if setting not in valid:
            raise unknown("setting", setting, valid, of=name)
    folder = RunFolder.create(run_dir, name=f"{name}-{dataset}")
    try:
        result = module.run(dataset, **settings)
    except BaseException:
        with contextlib.suppress(OSError):
            folder.path.rmdir()  # it is empty
        raise
    return result, result.write(folder)


def check_arguments(name: str, dataset: str | None, *, run_dir: str | Path | None) -> None:
    """Checks the arguments of `run` that are known before TensorFlow is imported.

    Raises:
        UnknownName: Unknown experiment or data set.
        InvalidValue: The folder exists.
        RunFailed: The folder cannot be created.
    """
    from zoo import datasets
    from zoo.runs.folder import RunFolder

    if name not in _MODULES:
        raise unknown("experiment", name, _MODULES)
    if dataset is not None:
        datasets.check_name(dataset)
    RunFolder.check_new(run_dir)


def _load_module(name: str) -> ModuleType:
    if name not in _MODULES:
        raise unknown("experiment", name, _MODULES)
    require_tensorflow("An experiment")
    import_tensorflow()
    return importlib.import_module(f"zoo.experiments.{_MODULES[name]}")
