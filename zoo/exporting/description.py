"""The description of an exported model: its signatures, data, recipe, metrics, licenses and versions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from zoo.errors import InvalidValue, RunFailed
from zoo.exporting.data import ServedData
from zoo.exporting.graphs import trace
from zoo.exporting.interfaces import shorten
from zoo.exporting.signatures import Signature
from zoo.models.origin import Origin

LICENCE = "Apache-2.0"  # of the code


def describe(
    model: keras.Model, signatures: Mapping[str, Signature], origin: Origin | None, data: ServedData, scale: float
) -> dict[str, Any]:
    """Returns the content of `description.json`.

    Args:
        model: The model.
        signatures: Its signatures.
        origin: Where it comes from, if it is a model of the zoo.
        data: The data that it is served with.
        scale: Factor by which its recipe multiplies the inputs.

    Raises:
        InvalidValue: The data set has another number of classes than the model.
        RunFailed: TensorFlow cannot trace a signature.
    """
    functions: dict[str, dict[str, Any]] = {}
    for name, signature in signatures.items():
        specs = [tf.TensorSpec(spec.shape, spec.dtype, key) for key, spec in signature.inputs.items()]
        try:
            outputs = trace(signature.call, specs).structured_outputs
        except Exception as error:  # whatever the code of a model raises
            raise RunFailed(f"Cannot trace the signature {name} of {model.name}: {shorten(error)}.") from error
        functions[name] = {
            "description": signature.description,
            "inputs": _to_dict(signature.inputs),
            "outputs": _to_dict(outputs),
        }
    _check_classes(functions["serve"]["outputs"], data)
    steps = [f"{data.dtype} / {data.levels}"] if data.levels != 1 else []
    return {
        "model": origin.model if origin else model.name,
        "options": dict(origin.options) if origin else {},
        "signatures": functions,
        "preprocessing": {
            "serve": " * ".join([*steps, f"{scale:g}"] if scale != 1 else steps) or "none",
            "included": "scaling, padding and resizing" if origin else "the layers of the model",
        },
        "classes": list(data.class_names),
        "data": {name: value for name, value in data.description.items() if name != "class_names"},
        "recipe": origin.recipe.to_dict() if origin and origin.recipe else None,
        # JSON has no NaN.
        "metrics": {name: x if math.isfinite(x) else None for name, x in origin.test.items()} if origin else {},
        "licence": {"code": LICENCE, "data": data.description.get("licence", "unknown")},
        "versions": {"tensorflow": tf.__version__, "keras": keras.__version__},
    }


def _to_dict(specs: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: {"dtype": spec.dtype.name, "shape": spec.shape.as_list() if spec.shape.rank is not None else None}
        for name, spec in specs.items()
    }


def _check_classes(outputs: Mapping[str, Any], data: ServedData) -> None:
    if "classes" not in outputs or not data.class_names:
        return
    units = next(iter(outputs.values()))["shape"][-1]
    if len(data.class_names) != max(units, 2):
        raise InvalidValue(
            f"The model has {max(units, 2)} classes; {data.description['name']} has {len(data.class_names)}."
        )
