"""Evaluation of a trained model on a test set: accuracy, errors and confidence."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix

from zoo import datasets
from zoo.datasets import Dataset
from zoo.errors import InvalidValue
from zoo.evaluation.measures import Interval, calibration, mean_interval, to_probabilities, wilson
from zoo.models.origin import Origin, origin_of


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluation:
    """Results of a model on a test set.

    Args:
        model: Name of the model.
        dataset: Name of the data set.
        metrics: Metrics by name, with their 95 % intervals: `accuracy`, for sequences that of whole sequences;
            `squared_error` of a model that reconstructs its inputs, summed over the pixels of an example.
        outputs: Outputs of the model.
        data: Data set.
        confidence: Probability of each prediction, for sequences that of the whole sequence; or the squared error of
            each reconstruction.
        order: Rows of the worst examples, the worst first: errors from the highest confidence down, or all
            reconstructions from the largest squared error down.
        calibration_error: Expected calibration error. Defaults to None, for reconstructions.
        calibration: Accuracy by confidence, one row per bin; empty for reconstructions.
        confusion: Number of examples by class (row) and predicted class (column); empty for sequences and
            reconstructions.
    """

    model: str
    dataset: str
    metrics: dict[str, Interval]
    outputs: np.ndarray
    data: Dataset
    confidence: np.ndarray
    order: np.ndarray
    calibration_error: float | None = None
    calibration: pd.DataFrame = field(default_factory=pd.DataFrame)
    confusion: pd.DataFrame = field(default_factory=pd.DataFrame)


def evaluate(model: keras.Model, dataset: str | Path | Dataset | None = None) -> Evaluation:
    """Evaluates a model of the zoo on the test set of a data set.

    Args:
        model: Trained model of `zoo.train`, `zoo.load` or `zoo.create(..., weights=...)`.
        dataset: Name or path of the data set, as in `datasets.load`, or a loaded data set. Defaults to the one that the
            model was trained on. Loaded by that name, it is split as for the training.

    Raises:
        InvalidValue: The model was not trained, or its inputs or outputs do not fit the data set.
        UnknownName: Unknown data set.
        DataError: The data cannot be loaded.

    >>> import zoo
    >>> result = evaluate(zoo.create("shallow_mlp", weights="semeion"), "semeion")  # doctest: +SKIP
    >>> result.metrics["accuracy"].low > 0.85  # doctest: +SKIP
    True
    """
    origin = origin_of(model)
    if origin is None or origin.recipe is None:
        raise InvalidValue(f"{model.name} was not trained by the zoo; the meaning of its outputs is unknown.")
    data = dataset
    if dataset is None and not origin.loaded:
        raise InvalidValue(
            f"dataset must be given: {origin.data.get('name', '')}, the data that {origin.model} was trained on, were "
            "not loaded by a name or a path."
        )
    if not isinstance(data, Dataset):
        data = datasets.load(**(origin.loaded if data is None else origin.load_options(data)))
    _check_classes(origin, data)
    if dataset is None and origin.data.get("test_digest", data.test.digest) != data.test.digest:
        raise InvalidValue(
            f"{data.name} must be as it was when {origin.model} was trained; it has changed, and its new test examples "
            "may have been trained on. Pass a data set."
        )
    input_shape = tuple(model.input_shape[1:])
    if input_shape != data.input_shape:
        raise InvalidValue(
            f"{origin.model}, trained on {origin.data.get('name', 'other data')}, takes inputs of shape "
            f"{input_shape}; {data.name} has {data.input_shape}."
        )
    x = data.test.x * np.float32(origin.recipe.input_scale)
    objective = origin.recipe.objective
    names: dict[str, Any] = {"model": origin.model, "dataset": data.name}
    if not objective.needs_labels:
        outputs = _predict(model, x) if objective.targets == "inputs" else _reconstruct(model, x)
        errors = np.square(outputs - x).reshape(len(x), -1).sum(axis=1)
        metrics, order = {"squared_error": mean_interval(errors)}, np.argsort(-errors, kind="stable")
        return Evaluation(**names, metrics=metrics, outputs=outputs, data=data, confidence=errors, order=order)
    outputs = _predict(model, x)
    compare = _compare_labels if data.longest is None else _compare_sequences
    correct, confidence, confusion = compare(origin.model, outputs, data)
    errors = np.flatnonzero(~correct)
    error, table = calibration(confidence, correct)
    return Evaluation(
        **names,
        metrics={"accuracy": wilson(int(correct.sum()), len(correct))},
        outputs=outputs,
        data=data,
        confidence=confidence,
        order=errors[np.argsort(-confidence[errors], kind="stable")],
        calibration_error=error,
        calibration=table,
        confusion=confusion,
    )


def _check_classes(origin: Origin, data: Dataset) -> None:
    expected, names = tuple(origin.data.get("class_names", ())), data.source.class_names
    if expected and names != expected:
        raise InvalidValue(
            f"{data.name} must have the classes {', '.join(expected)}, as {origin.model} has; got {', '.join(names)}."
        )


def _predict(model: keras.Model, x: np.ndarray) -> np.ndarray:
    return model.predict(x, batch_size=1000, verbose=0)


def _reconstruct(model: keras.Model, x: np.ndarray) -> np.ndarray:
    """Returns the reconstructions of an RBM, which `predict` does not return."""
    rows = x.reshape(len(x), -1)
    parts = [np.asarray(model.rbm.reconstruct(rows[start : start + 1000])) for start in range(0, len(rows), 1000)]
    return np.concatenate(parts).reshape(x.shape)


def _compare_labels(model: str, outputs: np.ndarray, data: Dataset) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """Returns whether each prediction is correct, its probability, and the confusion matrix."""
    if outputs.ndim != 2 or outputs.shape[-1] != data.classes:
        raise InvalidValue(f"{model} has outputs of shape {outputs.shape[1:]}; {data.name} has {data.classes} classes.")
    probabilities = to_probabilities(outputs)
    y, predicted, names = data.test.y, outputs.argmax(axis=-1), data.source.class_names
    confidence = np.take_along_axis(probabilities, predicted[:, None], axis=-1)[:, 0]
    counts = confusion_matrix(y, predicted, labels=range(data.classes))
    return predicted == y, confidence, pd.DataFrame(counts, pd.Index(names, name="class"), list(names))


def _compare_sequences(model: str, outputs: np.ndarray, data: Dataset) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """Returns whether each sequence is read correctly, its probability, and no confusion matrix."""
    y = data.test.y
    if outputs.ndim != 3:
        raise InvalidValue(f"{model} reads one class; {data.name} has up to {data.longest} digits per image.")
    if outputs.shape[:2] != y.shape:
        raise InvalidValue(f"{model} reads {outputs.shape[1] - 1} digits; {data.name} has {data.longest}.")
    predicted = outputs.argmax(axis=-1)
    # The length, and as many digits as it says.
    counts = np.arange(y.shape[1]) <= predicted[:, :1] + 1
    correct = ((predicted == y) | ~counts).all(axis=1)
    return correct, np.where(counts, outputs.max(axis=-1), 1).prod(axis=1), pd.DataFrame()
