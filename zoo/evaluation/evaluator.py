"""Evaluates a trained model on a data set: how often it is right, where it is wrong, how sure it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zoo import datasets
from zoo.errors import InvalidValue
from zoo.evaluation.measures import Interval, calibration, mean_interval, wilson
from zoo.models.origin import Origin, origin_of

if TYPE_CHECKING:
    import keras
    import pandas as pd

    from zoo.datasets import Dataset


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What was found on the test set.

    Args:
        model: The model's name.
        dataset: The data set's.
        metrics: By name, each with its 95 % interval: `accuracy`, of sequences as a whole; `squared_error` of a
            model that gives back its input, summed over the pixels of an example.
        calibration_error: Of a classifier; None of others.
        calibration: Its reliability, a row a bin; empty of others.
        confusion: How many of each class, by row, are taken for each, by column; empty where there is none.
        outputs: What the model gave.
        data: What it was given.
        confidence: How sure it was of each prediction, of sequences as a whole, or the error of each reconstruction.
        order: The examples, the worst first: the mistakes that it was surest of, the worst reconstructions.
    """

    model: str
    dataset: str
    metrics: dict[str, Interval]
    calibration_error: float | None
    calibration: pd.DataFrame
    confusion: pd.DataFrame
    outputs: np.ndarray
    data: Dataset
    confidence: np.ndarray
    order: np.ndarray


def evaluate(model: keras.Model, dataset: str | Dataset | None = None) -> Evaluation:
    """Evaluates a model of the zoo on the test set of a data set.

    Args:
        model: A trained model, of `zoo.train`, `zoo.load` or `zoo.create(..., weights=...)`.
        dataset: A name of `datasets.names()`, or a loaded data set; None takes the one it was trained on. Where it is
            that one, it is split as it was for the training.

    Raises:
        InvalidValue: The model was not trained, or takes or gives something else than the data set has.
        UnknownName: No such data set.
        DataError: The data cannot be had.

    >>> import zoo
    >>> result = evaluate(zoo.create("shallow_mlp", weights="semeion"), "semeion")  # doctest: +SKIP
    >>> result.metrics["accuracy"].low > 0.85  # doctest: +SKIP
    True
    """
    origin = origin_of(model)
    if origin is None or origin.recipe is None:
        raise InvalidValue(f"{model.name} was not trained by the zoo: what its outputs mean is not known.")
    data = origin.data.get("name", "") if dataset is None else dataset
    if isinstance(data, str):
        data = datasets.load(data, **origin.split_of(data))
    if tuple(model.input_shape[1:]) != data.input_shape:
        raise InvalidValue(
            f"{origin.model}, trained on {origin.data.get('name', 'other data')}, takes inputs of shape "
            f"{tuple(model.input_shape[1:])}; {data.name} has {data.input_shape}."
        )
    x, y = data.test.x * np.float32(origin.recipe.input_scale), data.test.y
    if not origin.recipe.objective.needs_labels:
        return _of_reconstructions(origin, data, x, _reconstruct(model, origin, x))
    outputs = model.predict(x, batch_size=1000, verbose=0)
    if data.longest is not None:
        return _of_sequences(origin, data, outputs)
    if outputs.ndim != 2 or outputs.shape[-1] != data.classes:
        raise InvalidValue(f"{origin.model} gives {outputs.shape[1:]}; {data.name} has {data.classes} classes.")
    predicted = outputs.argmax(axis=-1)
    confidence = np.take_along_axis(_probabilities(outputs), predicted[:, None], axis=-1)[:, 0]
    confusion = _confusion(y, predicted, data.source.class_names)
    return _of_answers(origin, data, outputs, predicted == y, confidence, confusion)


def _probabilities(outputs: np.ndarray) -> np.ndarray:
    """Returns the outputs, or of scores, as LeNet-5's, the softmax."""
    if (outputs >= 0).all():
        return outputs
    grown = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
    return grown / grown.sum(axis=-1, keepdims=True)


def _confusion(y: np.ndarray, predicted: np.ndarray, names: tuple[str, ...]) -> pd.DataFrame:
    import pandas as pd

    counts = np.zeros((len(names), len(names)), int)
    np.add.at(counts, (y, predicted), 1)
    return pd.DataFrame(counts, pd.Index(names, name="class"), list(names))


def _of_sequences(origin: Origin, data: Dataset, outputs: np.ndarray) -> Evaluation:
    import pandas as pd

    y = data.test.y
    if outputs.ndim != 3:
        raise InvalidValue(f"{origin.model} reads one class; {data.name} has up to {data.longest} digits an image.")
    if outputs.shape[:2] != y.shape:
        raise InvalidValue(f"{origin.model} reads {outputs.shape[1] - 1} digits; {data.name} has {data.longest}.")
    predicted = outputs.argmax(axis=-1)
    # The length itself, and the digits that it says there are.
    there = np.arange(y.shape[1]) <= predicted[:, :1] + 1
    right = ((predicted == y) | ~there).all(axis=1)
    sure = np.where(there, outputs.max(axis=-1), 1).prod(axis=1)
    return _of_answers(origin, data, outputs, right, sure, pd.DataFrame())


def _of_answers(
    origin: Origin,
    data: Dataset,
    outputs: np.ndarray,
    right: np.ndarray,
    confidence: np.ndarray,
    confusion: pd.DataFrame,
) -> Evaluation:
    error, table = calibration(confidence, right)
    wrong = np.flatnonzero(~right)
    return Evaluation(
        model=origin.model,
        dataset=data.name,
        metrics={"accuracy": wilson(int(right.sum()), len(right))},
        calibration_error=error,
        calibration=table,
        confusion=confusion,
        outputs=outputs,
        data=data,
        confidence=confidence,
        order=wrong[np.argsort(-confidence[wrong], kind="stable")],
    )


def _reconstruct(model: keras.Model, origin: Origin, x: np.ndarray) -> np.ndarray:
    if origin.recipe is None or origin.recipe.objective.targets != "none":
        return model.predict(x, batch_size=1000, verbose=0)
    flat = x.reshape(len(x), -1)
    parts = [np.asarray(model.rbm.reconstruct(flat[start : start + 1000])) for start in range(0, len(flat), 1000)]
    return np.concatenate(parts).reshape(x.shape)


def _of_reconstructions(origin: Origin, data: Dataset, x: np.ndarray, outputs: np.ndarray) -> Evaluation:
    import pandas as pd

    errors = np.square(outputs - x).reshape(len(outputs), -1).sum(axis=1)
    return Evaluation(
        model=origin.model,
        dataset=data.name,
        metrics={"squared_error": mean_interval(errors)},
        calibration_error=None,
        calibration=pd.DataFrame(),
        confusion=pd.DataFrame(),
        outputs=outputs,
        data=data,
        confidence=errors,
        order=np.argsort(-errors, kind="stable"),
    )
