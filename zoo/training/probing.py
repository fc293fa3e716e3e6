"""Measures the gradients of a saved model on a data set, without training it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from zoo.constraints import at_least, check
from zoo.errors import InvalidValue, RunFailed
from zoo.packages import our_datasets
from zoo.tensorflow_import import import_tensorflow

if TYPE_CHECKING:
    import pandas as pd

ONE_HOT = ("binary_crossentropy", "categorical_crossentropy")


def probe(path: str | Path, dataset: str = "digits", *, examples: int = 1000) -> pd.DataFrame:
    """Measures the gradient of a saved model's loss in every layer, on the first training examples.

    Inputs are scaled as the run's `config.json` says, where there is one beside the model.

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
    data = our_datasets().load(dataset)
    import_tensorflow()
    import keras
    import numpy as np

    from zoo.telemetry import GradientProbe

    try:
        model = keras.saving.load_model(path)
    except (OSError, ValueError, TypeError) as error:
        raise RunFailed(f"{path} cannot be opened as a Keras model: {str(error).splitlines()[0]}") from error
    if model.input_shape[1:] != data.input_shape:
        raise InvalidValue(f"{path} takes inputs of shape {model.input_shape[1:]}; {dataset} has {data.input_shape}.")
    x, y = data.train.x[:examples], data.train.y[:examples]
    x = x * np.float32(_input_scale(path))
    return GradientProbe(x, keras.utils.to_categorical(y, data.classes) if model.loss in ONE_HOT else y).measure(model)


def _input_scale(path: Path) -> float:
    config = path.with_name("config.json")
    return json.loads(config.read_text())["recipe"]["input_scale"] if config.is_file() else 1.0
