"""A trained model by what the command line calls it: a run, a file, or a name with weights that ship with the zoo."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import InvalidValue, unknown
from zoo.models.catalogue import create, list_models
from zoo.models.origin import origin_of, remember
from zoo.models.weights import list_weights
from zoo.saving.keras_files import load

if TYPE_CHECKING:
    import keras


def open_model(what: str | Path, *, weights: str | None = None) -> keras.Model:
    """Opens a trained model, safely.

    Args:
        what: A run's folder, a `.keras` file of the zoo, or the name of a model that has pre-trained weights.
        weights: Which of them; None takes the first.

    Returns:
        The model, uncompiled.

    Raises:
        UnknownName: There is no such thing.
        InvalidValue: The model has no pre-trained weights, the run no model, or weights are named of a run or file.
        UnsafeFile: The file is not one of this zoo.

    >>> open_model("lenet5").name
    'lenet5'
    """
    path = Path(what)
    if weights and str(what) not in list_models() and path.exists():
        raise InvalidValue(f"weights={weights!r} goes with a model's name; {what} has its own.")
    if path.is_dir() and (path / "config.json").is_file():
        if not (path / "model.keras").is_file():
            raise InvalidValue(f"The run {path} has no model.keras yet; zoo train --resume {path} goes on with it.")
        return _with_test(load(path / "model.keras"), path / "result.json")
    if path.is_file():
        return load(path)
    if str(what) not in list_models():
        if path.suffix == ".keras" or path.exists() or len(path.parts) > 1:
            raise InvalidValue(f"There is no model file or run {path}.")
        raise unknown("model, run or file", what, list_models())
    there = [card.name for card in list_weights(str(what))]
    if not there:
        raise InvalidValue(f"{what} has no pre-trained weights; train it, and name its run.")
    return create(str(what), weights=weights or there[0])


def _with_test(model: keras.Model, result: Path) -> keras.Model:
    origin = origin_of(model)
    if origin is not None and result.is_file():
        remember(model, replace(origin, test=json.loads(result.read_text()).get("test", {})))
    return model
