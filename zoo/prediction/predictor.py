"""Classes and probabilities of pictures and arrays, by a trained classifier."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.datasets.folders import SUFFIXES, open_picture, to_array
from zoo.datasets.tables import SUFFIXES as TABLES
from zoo.datasets.tables import encode_table, read_table
from zoo.errors import DataError, InvalidValue
from zoo.models.origin import Origin, origin_of
from zoo.prediction.handwriting import prepare_handwriting

if TYPE_CHECKING:
    import keras
    import pandas as pd

_CENTERED, _STRETCHED = ("mnist",), ("digits", "semeion")


def predict(model: keras.Model, inputs: Any, *, as_is: bool = False) -> pd.DataFrame:
    """Returns the class of each input and its probability.

    Args:
        model: Trained classifier of `zoo.train`, `zoo.load` or `zoo.create(..., weights=...)`.
        inputs: Path of a picture or of a folder of pictures, or a list of paths; or an array like the training inputs,
            `(examples, ...)`, in the numbers of the data set itself, such as bytes; or, for a model of a table, a data
            frame with its columns or the path of a `.csv` or `.parquet` file.
        as_is: Whether pictures are only resized. If not, a model of `mnist`, `digits` or `semeion` is shown handwriting
            as those data sets have it; see `prepare_handwriting`. Defaults to False.

    Returns:
        Table with one row per input: `input`, its path or number; `class`; `probability`; and a column per class with
        its probability (`p(class)` for a class called `class`, `input` or `probability`).

    Raises:
        InvalidValue: The model is not a trained classifier, or the inputs do not suit it.
        DataError: A file is missing, damaged or not a picture.

    >>> import zoo
    >>> images, _ = zoo.datasets.digits.read()
    >>> run = zoo.train("shallow_mlp", "digits", epochs=2, run_dir="run", progress=False)  # doctest: +SKIP
    >>> predict(run.model, images[:3] * 16)["class"].tolist()  # doctest: +SKIP
    ['0', '1', '2']
    """
    return classify(model, *read_inputs(model, inputs, as_is=as_is))


def classify(model: keras.Model, x: np.ndarray, names: Sequence[str]) -> pd.DataFrame:
    """Returns the table of `predict` for inputs that `read_inputs` has returned, with their names."""
    import pandas as pd

    from zoo.evaluation.measures import to_probabilities

    origin = _check(model)
    scale = origin.recipe.input_scale if origin.recipe else 1
    outputs = model.predict(np.multiply(x, scale, dtype=np.float32), batch_size=1000, verbose=0)
    probabilities = to_probabilities(outputs)
    classes = list(origin.data["class_names"])
    table = pd.DataFrame({"input": names})
    table["class"] = np.array(classes)[probabilities.argmax(axis=1)]
    table["probability"] = probabilities.max(axis=1)
    columns = [f"p({name})" if name in table else name for name in classes]
    return pd.concat([table, pd.DataFrame(probabilities, columns=columns)], axis=1)


def read_inputs(model: keras.Model, inputs: Any, *, as_is: bool = False) -> tuple[np.ndarray, list[str]]:
    """Returns inputs as a model is shown them, and their names; `predict` documents the arguments.

    Returns:
        float32, `(examples, *input_shape)`, and the path or number of each.
    """
    origin, shape = _check(model), tuple(model.input_shape[1:])
    if origin.data.get("columns"):
        return _read_table(inputs, origin)
    if isinstance(inputs, (str, Path)):
        inputs = [inputs]
    if isinstance(inputs, Sequence) and inputs and all(isinstance(each, (str, Path)) for each in inputs):
        paths = list_pictures(inputs)
        return np.stack([_read_picture(path, origin, shape, as_is) for path in paths]), list(map(str, paths))
    x = _to_array(inputs)
    if x.dtype.kind not in "biuf" or x.ndim < 1 or not len(x):
        raise InvalidValue(f"inputs must be paths of pictures or an array of numbers; got {type(inputs).__name__}.")
    if x.shape[1:] == shape[:-1] and shape[-1:] == (1,):
        x = x[..., None]
    if x.shape[1:] != shape:
        raise InvalidValue(f"inputs must have shape (examples, {', '.join(map(str, shape))}); got {x.shape}.")
    levels = origin.data["levels"]
    if levels > 1 and x.dtype.kind == "f" and np.abs(x).max() <= 1 and (x % 1).any():
        raise InvalidValue(f"inputs must be from 0 to {levels}, as in {origin.data['name']}; got fractions of 1.")
    x = x.astype(np.float32) / np.float32(levels)
    if not np.isfinite(x).all() or (np.abs(x).max() > 1 + 1e-6 and (levels > 1 or x.ndim > 2)):
        raise InvalidValue(
            f"inputs must be from 0 to {levels}, as in {origin.data['name']}; got values up to {x.max() * levels:g}."
        )
    return x, [str(number) for number in range(len(x))]


def _to_array(inputs: Any) -> np.ndarray:
    try:
        return np.asarray(inputs)
    except ValueError as error:  # rows of several lengths
        raise InvalidValue(f"inputs must be paths of pictures or an array of numbers: {error}") from error


def _read_table(inputs: Any, origin: Origin) -> tuple[np.ndarray, list[str]]:
    import pandas as pd

    if isinstance(inputs, Sequence) and len(inputs) == 1:
        inputs = inputs[0]
    if isinstance(inputs, (str, Path)):
        if not Path(inputs).is_file() or Path(inputs).suffix not in TABLES:
            raise DataError(f"A table must be a .csv or .parquet file; got {inputs}.")
        inputs = read_table(Path(inputs))
    if not isinstance(inputs, pd.DataFrame):
        names = ", ".join(str(column["name"]) for column in origin.data["columns"])
        raise InvalidValue(f"inputs must be a table with the columns {names}; got {type(inputs).__name__}.")
    return encode_table(inputs, origin.data["columns"]).astype(np.float32), list(map(str, inputs.index))


def list_pictures(paths: Sequence[str | Path]) -> list[Path]:
    """Returns the paths of pictures, with those in a folder in place of it.

    Raises:
        DataError: A path does not exist, or is a folder without pictures.
    """
    pictures: list[Path] = []
    for path in map(Path, paths):
        if not path.exists():
            raise DataError(f"No such picture: {path}.")
        found = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
        if not found:
            raise DataError(f"{path} has no pictures ({', '.join(SUFFIXES)}).")
        pictures += found
    return pictures


def _check(model: keras.Model) -> Origin:
    import keras

    if not isinstance(model, keras.Model):
        raise InvalidValue(f"model must be a Keras model, such as run.model; got {type(model).__name__}.")
    origin = origin_of(model)
    if origin is None or origin.recipe is None:
        raise InvalidValue(f"model must be a trained model of the zoo; {model.name} is none.")
    if origin.recipe.objective.targets not in ("labels", "one_hot"):
        raise InvalidValue(f"model must be a classifier; {origin.model} does not give a class.")
    return origin


def _read_picture(path: Path, origin: Origin, shape: tuple[int, ...], as_is: bool) -> np.ndarray:
    if len(shape) != 3 or shape[2] not in (1, 3):
        raise InvalidValue(f"{origin.model} takes inputs of shape {shape}, not pictures; pass an array.")
    height, width, channels = shape
    picture, name = open_picture(path), origin.loaded.get("name")
    if not as_is and channels == 1 and name in (*_CENTERED, *_STRETCHED):
        try:
            prepared = prepare_handwriting(to_array(picture)[..., 0], height, width, center=name in _CENTERED)
        except InvalidValue as error:
            raise InvalidValue(f"{path}: {error}") from error
        return prepared[..., None]
    invert = bool(origin.loaded.get("invert"))
    return to_array(picture, size=(height, width), color=channels == 3, invert=invert)
