"""Opens a trained model by its run folder, its file, or the name of a model with weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import InvalidValue, unknown
from zoo.models.catalogue import create, list_models
from zoo.models.weights import list_weights
from zoo.runs.run import open_run
from zoo.saving import load

if TYPE_CHECKING:
    import keras


def open_model(target: str | Path, *, weights: str | None = None) -> keras.Model:
    """Opens a trained model, safely.

    Args:
        target: Run folder, `.keras` file of the zoo, or name of a model that has pre-trained weights.
        weights: Name of the weights. Defaults to the model's first.

    Returns:
        The model, uncompiled.

    Raises:
        UnknownName: Unknown model, run or file.
        InvalidValue: The model has no pre-trained weights, the run has no model yet, or `weights` is given for a run
            or a file.
        UnsafeFile: The file is not a model of this zoo.

    >>> open_model("lenet5").name
    'lenet5'
    """
    path, is_name = Path(target), str(target) in list_models()
    if weights and not is_name and path.exists():
        raise InvalidValue(f"weights={weights!r} must come with the name of a model; {target} has weights of its own.")
    if (path / "config.json").is_file():
        return open_run(path).model
    if path.is_file():
        return load(path)
    if not is_name:
        if path.suffix == ".keras" or path.exists() or len(path.parts) > 1:
            raise InvalidValue(f"There is no model file or run {path}.")
        raise unknown("model, run or file", target, list_models())
    names = [card.name for card in list_weights(str(target))]
    if not names:
        raise InvalidValue(f"{target} has no pre-trained weights; train it and give its run folder.")
    return create(str(target), weights=weights or names[0])
