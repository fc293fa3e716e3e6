"""Measures the gradients of a saved model on a data set, without training it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from zoo.constraints import at_least, check
from zoo.errors import InvalidValue, RunFailed
from zoo.packages import our_datasets
from zoo.tensorflow_import import import_tensorflow

if TYPE_CHECKING:
    import pandas as pd

ONE_HOT = ("binary_crossentropy", "categorical_crossentropy")


def probe(path: str | Path, dataset: str = "digits", *, examples: int = 1000) -> pd.DataFrame:
    """Measures the gradient of a saved model's loss in every layer, on the first training examples.

    Where the run's `config.json` is beside the model, inputs are scaled and the data split as it says.

    Args:
        path: A `.keras` file of a compiled model that classifies.
        dataset: A name of `datasets.names()`.
        examples: How many of the first training examples are measured.

    Returns:
        What `GradientProbe.measure` returns: one row a weight.

    Raises:
        UnknownName: No such data set; the message has the nearest name.
        InvalidValue: There is no such file, it has no loss, or it takes inputs of another shape.
        RunFailed: The file cannot be opened as a Keras model.
    """
    path = Path(path)
    if not path.is_file():
        raise InvalidValue(f"There is no model file {path}.")
    examples = check("examples", examples, Annotated[int, at_least(1)])
    run = _run_of(path)
    data = our_datasets().load(dataset, **_as_split_for(run, dataset))
    import_tensorflow()
    import keras
    import numpy as np

    import zoo.layers  # noqa: F401  (their files open once it is imported)
    from zoo.telemetry import GradientProbe

    try:
        model = keras.saving.load_model(path)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RunFailed(f"{path} cannot be opened as a Keras model: {str(error).partition(chr(10))[0]}") from error
    if not model.compiled:
        raise InvalidValue(f"{path} holds a model that is not compiled: it has no loss to measure.")
    if model.input_shape[1:] != data.input_shape:
        raise InvalidValue(f"{path} takes inputs of shape {model.input_shape[1:]}; {dataset} has {data.input_shape}.")
    if model.output_shape[-1] != data.classes:
        raise InvalidValue(f"{path} tells {model.output_shape[-1]} classes apart; {dataset} has {data.classes}.")
    x, y = data.train.x[:examples], data.train.y[:examples]
    x = x * np.float32(run["recipe"]["input_scale"] if run else 1)
    one_hot = getattr(model.loss, "name", model.loss) in ONE_HOT
    return GradientProbe(x, keras.utils.to_categorical(y, data.classes) if one_hot else y).measure(model)


def _run_of(path: Path) -> dict[str, Any]:
    config = path.with_name("config.json")
    content = json.loads(config.read_text()) if config.is_file() else {}
    return content if {"model", "dataset", "recipe", "seed"} <= set(content) else {}


def _as_split_for(run: dict[str, Any], dataset: str) -> dict[str, Any]:
    if not run or run["dataset"]["name"] != dataset:
        return {}
    return {"seed": run["seed"], "validation": run["dataset"]["examples"].get("validation", 0)}
