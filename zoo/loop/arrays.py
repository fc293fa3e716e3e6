"""The examples of a training as arrays: conversion, class weights, the validation split."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

import keras
import numpy as np
import tensorflow as tf

from zoo.errors import InvalidValue
from zoo.utils.constraints import check, probability


def find_other_type(x: Any, y: Any = None, sample_weight: Any = None) -> str:
    """Returns the type of the first data that are not arrays with a row per example; an empty string if all are."""
    data = (x,) if y is None and sample_weight is None else (x, y) if sample_weight is None else (x, y, sample_weight)
    return next((type(values).__name__ for values in keras.tree.flatten(data) if not _is_array(values)), "")


def to_arrays(x: Any, y: Any = None, sample_weight: Any = None) -> tuple[Any, ...]:
    """Returns `(x,)`, `(x, y)` or `(x, y, sample_weight)` with floating-point numbers as Keras computes with them.

    Args:
        x: Inputs, an array or a structure of arrays.
        y: Targets, in the same form. Defaults to None.
        sample_weight: Weight of each example. Defaults to None.

    Raises:
        InvalidValue: The arrays differ in their number of examples, or hold no numbers.
    """
    arguments = (x,) if y is None and sample_weight is None else (x, y)
    if sample_weight is not None:
        arguments += (sample_weight,)
    data = keras.tree.map_structure(_to_array, arguments)
    counts = {len(array) for array in keras.tree.flatten(data)}
    if len(counts) != 1 or 0 in counts:
        raise InvalidValue(
            "x, y and sample_weight need the same number of examples, 1 or more; "
            f"got {', '.join(map(str, sorted(counts)))}."
        )
    return data


def split_arrays(data: tuple[Any, ...], validation_split: float) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Returns the examples to train on and those at the end that are held out.

    Args:
        data: Arrays, as `to_arrays` returns them.
        validation_split: Fraction of the examples to hold out.
    """
    check("validation_split", validation_split, Annotated[float, probability])
    examples = count_examples(data)
    split = math.floor(examples * (1 - validation_split))
    if split in (0, examples):
        raise InvalidValue(
            f"validation_split must leave examples for training and for validation; got {validation_split:g} of "
            f"{examples} examples."
        )
    training = keras.tree.map_structure(lambda values: values[:split], data)
    return training, keras.tree.map_structure(lambda values: values[split:], data)


def weight_classes(data: tuple[Any, ...], class_weight: Mapping[int, float]) -> tuple[Any, ...]:
    """Returns `(x, y, sample_weight)` with the weight of each example's class; that of other classes is 1.

    Args:
        data: `(x, y)`; the targets are labels or one-hot.
        class_weight: Weight of each class by its label.

    Raises:
        InvalidValue: There are weights of the examples already, or no or several targets.
    """
    if not isinstance(class_weight, Mapping):
        raise InvalidValue(f"class_weight must be a dictionary of weights by label; got {class_weight!r}.")
    if len(data) == 3:
        raise InvalidValue("Give class_weight or sample_weight, not both.")
    if len(data) == 1 or keras.tree.is_nested(data[1]):
        raise InvalidValue("class_weight needs one array of labels; give sample_weight for several outputs or none.")
    labels = np.asarray(data[1])
    if labels.ndim > 1:
        labels = labels.squeeze(-1) if labels.shape[-1] == 1 else labels.argmax(axis=-1)
    if labels.ndim != 1:
        raise InvalidValue(
            f"class_weight needs one label per example, (examples,) or one-hot; got shape {np.shape(data[1])}. "
            "Give sample_weight instead."
        )
    weights = [class_weight.get(int(label), 1.0) for label in np.round(labels)]
    return *data, np.array(weights, keras.config.floatx())


def count_examples(data: tuple[Any, ...]) -> int:
    """Returns the number of examples in arrays, as `to_arrays` returns them."""
    return len(keras.tree.flatten(data)[0])


def _to_array(values: Any) -> Any:
    if tf.is_tensor(values):
        return values
    values = np.asarray(values)
    if values.dtype == object:
        raise InvalidValue("Arrays must hold numbers of one type; got objects, such as text or rows of unequal length.")
    return values.astype(keras.config.floatx(), copy=False) if np.issubdtype(values.dtype, np.floating) else values


def _is_array(values: Any) -> bool:
    if isinstance(values, (tf.data.Dataset, keras.utils.PyDataset, tf.SparseTensor, tf.RaggedTensor)):
        return False
    return hasattr(values, "__array__") and len(getattr(values, "shape", ())) > 0
