"""The gradients of a saved model on a data set, measured without training it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zoo import datasets
from zoo.errors import InvalidValue
from zoo.models.origin import origin_of
from zoo.runs.opening import open_model
from zoo.utils.constraints import Count, check

if TYPE_CHECKING:
    import pandas as pd


def probe(path: str | Path, dataset: str | Path | None = None, *, examples: int = 1000) -> pd.DataFrame:
    """Measures the gradient of a saved model's loss in every layer, on the first training examples.

    Inputs are scaled, and the data split, as they were when the model was trained.

    Args:
        path: Run folder, `.keras` file, or name of a model that has pre-trained weights.
        dataset: Name or path of the data set, as in `datasets.load`. Defaults to the one that the model was trained on.
        examples: Number of training examples. Defaults to 1000.

    Returns:
        The table of `GradientProbe.measure`, with one row per weight.

    Raises:
        UnknownName: Unknown data set; the message has the closest name.
        InvalidValue: The file does not exist, the model was not trained, or it takes inputs of another shape.
        UnsafeFile: The file is not a model of this zoo, or was changed.
    """
    examples = check("examples", examples, Count)
    if dataset is not None:
        datasets.check_name(dataset)  # an unknown name is reported before TensorFlow is imported
    model = open_model(path)
    origin = origin_of(model)
    if origin is None or origin.recipe is None:
        raise InvalidValue(f"The model in {path} was not trained: it has no loss to measure.")
    if dataset is None and not origin.loaded:
        raise InvalidValue(f"dataset must be given: {origin.data.get('name')} was not loaded by a name or a path.")
    data = datasets.load(**(origin.loaded if dataset is None else origin.load_options(dataset)))
    if model.input_shape[1:] != data.input_shape:
        raise InvalidValue(
            f"The model in {path} takes inputs of shape {model.input_shape[1:]}; {data.name} has {data.input_shape}."
        )
    if origin.recipe.objective.needs_labels and model.output_shape[-1] != data.classes:
        raise InvalidValue(f"The model in {path} has {model.output_shape[-1]} classes; {data.name} has {data.classes}.")

    from zoo.recipes.compiling import prepare
    from zoo.telemetry import GradientProbe
    from zoo.training.in_memory import compile_model

    compile_model(model)
    x, y = prepare(origin.recipe, data.train.x[:examples], data.train.y[:examples], classes=data.classes)
    return GradientProbe(x, y).measure(model)
