"""The lecture's questions, answered by running something: each gives tables and figures."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import typing
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from zoo import datasets
from zoo.errors import unknown
from zoo.utils.tensorflow_import import import_tensorflow

if TYPE_CHECKING:
    from zoo.experiments.result import Result


class _Home(NamedTuple):
    module: str
    dataset: str = "mnist"


class Card(NamedTuple):
    """What an experiment asks, the data set it is asked of, and its settings with their defaults."""

    question: str
    dataset: str
    settings: Mapping[str, Any]


_homes = {
    "depth": _Home("depth", "mnist_sequences"),
    "dropout": _Home("dropout.study"),
    "feature-maps": _Home("feature_maps"),
    "few-labels": _Home("pretraining.few_labels"),
    "hidden-space": _Home("hidden_space.study", "semeion"),
    "pretraining": _Home("pretraining.study"),
    "rbm": _Home("rbm.study"),
    "semeion-codes": _Home("semeion_codes", "semeion"),
    "shift": _Home("shift"),
    "vanishing-gradient": _Home("vanishing_gradient.study"),
}


def names() -> list[str]:
    """Returns the names of the experiments.

    >>> names()
    ['depth', 'dropout', 'feature-maps', 'few-labels', ..., 'shift', 'vanishing-gradient']
    """
    return sorted(_homes)


def card(name: str) -> Card:
    """Returns what an experiment asks, and what can be set. Imports TensorFlow.

    >>> card("shift").question
    'Who still reads a digit that is moved by a few pixels?'
    >>> card("shift").settings
    {'updates': None, 'seeds': 1, 'furthest': 6}
    """
    module = _module(name)
    question = (inspect.getdoc(module) or "").splitlines()[0]
    parameters = inspect.signature(module.run).parameters
    return Card(question, _home(name).dataset, {keyword: parameters[keyword].default for keyword in options_of(name)})


def options_of(name: str) -> Mapping[str, Any]:
    """Returns the keywords that an experiment takes, and the type of each. Imports TensorFlow.

    >>> options_of("few-labels")["seeds"]
    <class 'int'>
    """
    hints = typing.get_type_hints(_module(name).run, include_extras=True)
    return {keyword: hint for keyword, hint in hints.items() if keyword not in ("dataset", "progress", "return")}


def run(
    name: str, dataset: str | None = None, *, run_dir: str | Path | None = None, **settings: Any
) -> tuple[Result, Path]:
    """Runs an experiment and writes what it found.

    Args:
        name: A name of `names()`.
        dataset: A name of `datasets.names()`; None takes the experiment's own, MNIST for most.
        run_dir: The folder for its tables (CSV) and figures (PNG), which must not exist; None makes
            `runs/NAME-DATASET-DATE-TIME`.
        **settings: The experiment's own keywords, as in `seeds=100`; see `options_of`.

    Returns:
        What it found, and the folder.

    Raises:
        UnknownName: No such experiment or data set; the message has the nearest name.
        InvalidValue: A setting out of range, or a folder that exists.
        DataError: The data cannot be had.
    """
    from zoo.runs.folder import RunFolder

    home = _home(name)
    dataset = home.dataset if dataset is None else dataset
    datasets.load(dataset)
    module = _module(name)
    known = [*options_of(name), "progress"]
    for setting in settings:
        if setting not in known:
            raise unknown("setting", setting, known, of=name)
    folder = RunFolder(run_dir, name=f"{name}-{dataset}")
    try:
        result = module.run(dataset, **settings)
    except BaseException:
        with contextlib.suppress(OSError):
            folder.path.rmdir()  # it is empty
        raise
    return result, result.write(folder)


def _home(name: str) -> _Home:
    if name not in _homes:
        raise unknown("experiment", name, _homes)
    return _homes[name]


def _module(name: str) -> ModuleType:
    home = _home(name)
    import_tensorflow()
    return importlib.import_module(f"zoo.experiments.{home.module}")
