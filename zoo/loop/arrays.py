"""The examples of a training as arrays: conversion, class weights, the validation split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import keras
import numpy as np
import tensorflow as tf

from zoo.errors import InvalidValue
from zoo.utils.constraints import check, probability


def are_arrays(x: Any) -> bool:
    """Returns whether inputs are arrays or structures of arrays, and not a data set that yields batches."""
    is_dataset = isinstance(x, (tf.data.Dataset, keras.utils.PyDataset))
    return not is_dataset and all(values is None or hasattr(values, "__array__") for values in keras.tree.flatten(x))


def to_arrays(
    x: Any, y: Any = None, sample_weight: Any = None, class_weight: Mapping[int, float] | None = None
) -> tuple[Any, ...]:
    """Returns `(x,)`, `(x, y)` or `(x, y, sample_weight)` with floating-point numbers as Keras computes with them.

    Args:
        x: Inputs, an array or a structure of arrays.
        y: Targets, in the same form. Defaults to None.
        sample_weight: Weight of each example. Defaults to None.
        class_weight: Weight of each class by its label, in place of `sample_weight`. Defaults to None.

    Raises:
        InvalidValue: Both weights are given, or the arrays differ in their number of examples.
    """
    if class_weight is not None:
        if sample_weight is not None:
            raise InvalidValue("Give class_weight or sample_weight, not both.")
        labels = np.asarray(y)
        labels = labels.argmax(axis=-1) if labels.ndim > 1 and labels.shape[-1] > 1 else labels.reshape(-1)
        sample_weight = np.array([class_weight.get(int(label), 1.0) for label in labels], "float32")
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
    split = int(count_examples(data) * (1 - validation_split))
    training = keras.tree.map_structure(lambda values: values[:split], data)
    return training, keras.tree.map_structure(lambda values: values[split:], data)


def count_examples(data: tuple[Any, ...]) -> int:
    """Returns the number of examples in arrays, as `to_arrays` returns them."""
    return len(keras.tree.flatten(data)[0])


def _to_array(values: Any) -> Any:
    if tf.is_tensor(values):
        return values
    values = np.asarray(values)
    return values.astype(keras.config.floatx(), copy=False) if np.issubdtype(values.dtype, np.floating) else values
