"""Compares the outputs of an exported model with those of the model, in a process that cannot import this package."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.errors import RunFailed
from zoo.exporting.data import ServedData
from zoo.exporting.graphs import Outputs
from zoo.exporting.samples import Arrays, Sampler, draw_accepted
from zoo.exporting.signatures import Signature
from zoo.utils.keras_private import list_layers

TOLERANCE = {"saved_model": 1e-5, "onnx": 1e-4, "litert": 1e-4}
HALF_PRECISION = {"float16": 4e-3, "bfloat16": 3e-2}  # four times the distance of two neighboring numbers around 1
EXAMPLES = (1, 3)


def compute_cases(
    model: keras.Model,
    signatures: Mapping[str, Signature],
    names: Iterable[str],
    *,
    data: ServedData,
    scale: float,
) -> dict[str, np.ndarray]:
    """Returns inputs of each signature and the outputs of the model for them, for batches of one and of more.

    Numbers as in the data set are those of its own examples, where it is on this machine. What is expected of them
    comes from the examples as in training.

    Args:
        model: The trained model.
        signatures: Its signatures.
        names: Names of the signatures to compare.
        data: The data that it is served with.
        scale: Factor by which its recipe multiplies the inputs.
    """
    limits = {"classes": model.output_shape[-1], "seed": 1000} if "sample" in signatures else {}
    sampler = Sampler(model, limits=limits)
    arrays: dict[str, np.ndarray] = {}
    with tf.device("CPU:0"):  # the other process cannot have a GPU that this one has taken
        for name in names:
            for examples in EXAMPLES:
                inputs, outputs = _compute_case(model, signatures, name, sampler, examples, data=data, scale=scale)
                for side, values in (("in", inputs), ("out", outputs)):
                    arrays |= {f"{name}|{examples}|{side}|{key}": _to_array(value) for key, value in values.items()}
    return arrays


def _compute_case(
    model: keras.Model,
    signatures: Mapping[str, Signature],
    name: str,
    sampler: Sampler,
    examples: int,
    *,
    data: ServedData,
    scale: float,
) -> tuple[Arrays, Outputs]:
    """Returns inputs of a signature and the outputs of the model for them."""
    takes_raw = name == "serve" and data.levels != 1
    signature = signatures["serve_float" if takes_raw else name]
    inputs, outputs = draw_accepted(signature.call, signature.inputs, sampler, examples)
    if name not in ("serve", "serve_float") or len(inputs) > 1:
        return inputs, outputs
    key, x = next(iter(inputs.items()))
    if data.examples is not None:
        x = data.examples[:1] if examples == 1 else data.examples
    elif takes_raw:
        x = np.round(x * data.levels) / np.float32(data.levels)
    return {key: data.to_raw(x) if takes_raw else x}, _call(signature, x, model, scale)


def _call(signature: Signature, x: np.ndarray, model: keras.Model, scale: float) -> Outputs:
    """Returns the outputs of a signature, the first of them as the model itself computes it."""
    tensor = tf.cast(x, next(iter(signature.inputs.values())).dtype)
    outputs = signature.call(tensor)
    y = keras.tree.flatten(model(tensor * scale if scale != 1 else tensor, training=False))
    return {name: y[0] if len(y) == 1 and not number else value for number, (name, value) in enumerate(outputs.items())}


def _to_array(value: Any) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind == "O":  # text
        return array.astype("S")
    return array.astype("float32") if array.dtype.name == "bfloat16" else array


def verify(
    format: str, path: Path, cases: Mapping[str, np.ndarray], *, tolerance: float | None = None
) -> dict[str, float]:
    """Returns the largest difference of each signature to the model.

    Args:
        format: Format of the exported model.
        path: Its folder or file.
        cases: Result of `compute_cases`.
        tolerance: Largest difference that is allowed. Defaults to that of the format.

    Raises:
        RunFailed: The exported model cannot be opened, or a difference exceeds the tolerance.
    """
    tolerance = TOLERANCE[format] if tolerance is None else tolerance
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder, "cases.npz"), **cases)  # type: ignore[arg-type]
        command = [sys.executable, "-I", str(Path(__file__).with_name("standalone.py"))]
        done = subprocess.run(
            [*command, format, str(path.absolute()), str(Path(folder, "cases.npz"))],
            capture_output=True,
            text=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
        )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise RunFailed(f"The exported model fails in a process without the zoo: {reason}")
    differences: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    worst = max(differences, key=lambda name: differences[name])
    if differences[worst] > tolerance:
        raise RunFailed(
            f"The outputs of the exported model must equal those of the model within {tolerance:.0e}; got a "
            f"difference of {differences[worst]:.1e} in {worst}."
        )
    return differences


def tolerance_of(model: keras.Model, format: str) -> float:
    """Returns the largest allowed difference, which is that of half precision if a layer computes in it."""
    dtypes = {layer.compute_dtype for layer in list_layers(model)}
    return max([TOLERANCE[format], *(limit for dtype, limit in HALF_PRECISION.items() if dtype in dtypes)])
