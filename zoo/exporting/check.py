"""Compares the outputs of an exported model with those of the model, in a process that cannot import this package."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from zoo.errors import RunFailed
from zoo.exporting.signatures import Signature

TOLERANCE = {"saved_model": 1e-5, "onnx": 1e-4, "litert": 1e-4}
EXAMPLES = (1, 3)


def compute_cases(signatures: Mapping[str, Signature], *, levels: int, classes: int) -> dict[str, np.ndarray]:
    """Returns random inputs of each signature and the outputs of the model for them, for batches of one and of three.

    Args:
        signatures: Signatures of the trained model.
        levels: Maximum value of raw images.
        classes: Number of classes.
    """
    random = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {}
    for name, signature in signatures.items():
        for examples in EXAMPLES:
            inputs = {
                key: _draw_input(spec, key, examples, random, levels, classes) for key, spec in signature.inputs.items()
            }
            outputs = signature.call(*map(tf.constant, inputs.values()))
            for side, values in (("in", inputs), ("out", outputs)):
                arrays |= {f"{name}|{examples}|{side}|{key}": np.asarray(value) for key, value in values.items()}
    return arrays


def _draw_input(
    spec: tf.TensorSpec, name: str, examples: int, random: np.random.Generator, levels: int, classes: int
) -> np.ndarray:
    shape = [examples if size is None else size for size in spec.shape]
    if name == "steps":
        return np.array(3, "int32")
    if spec.dtype.is_integer:
        high = {"seed": 1000, "classes": classes}.get(name, levels + 1)
        return random.integers(high, size=shape).astype(spec.dtype.as_numpy_dtype)
    return random.random(shape, "float32")


def verify(format: str, path: Path, cases: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Returns the largest difference of each signature to the model.

    Args:
        format: Format of the exported model.
        path: Its folder or file.
        cases: Result of `compute_cases`.

    Raises:
        RunFailed: The exported model cannot be opened, or a difference exceeds the tolerance.
    """
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder, "cases.npz"), **cases)  # type: ignore[arg-type]
        command = [sys.executable, "-I", str(Path(__file__).with_name("standalone.py"))]
        done = subprocess.run(
            [*command, format, str(path.absolute()), str(Path(folder, "cases.npz"))],
            capture_output=True,
            text=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no error message"])[-1]
        raise RunFailed(f"The exported model fails in a process without the zoo: {reason}")
    differences: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    worst = max(differences, key=lambda name: differences[name])
    if differences[worst] > TOLERANCE[format]:
        raise RunFailed(
            f"The outputs of the exported model must equal those of the model within {TOLERANCE[format]:.0e}; got a "
            f"difference of {differences[worst]:.1e} in {worst}."
        )
    return differences
