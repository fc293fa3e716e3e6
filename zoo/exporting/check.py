"""Shows that an exported model gives the model's own numbers, in a process that does not have this package."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from zoo.errors import RunFailed
from zoo.exporting.signatures import Signature

TOLERANCE = {"saved_model": 1e-5, "onnx": 1e-4, "litert": 1e-4}
EXAMPLES = (1, 3)


def cases(signatures: Mapping[str, Signature], *, levels: int, classes: int) -> dict[str, np.ndarray]:
    """Returns inputs of each signature and what the model gives for them, by one and by several examples.

    Args:
        signatures: Of the model as it was trained.
        levels: The greatest raw number.
        classes: Number of classes.
    """
    random = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {}
    for name, signature in signatures.items():
        for examples in EXAMPLES:
            given = {key: _input(spec, key, examples, random, levels, classes) for key, spec in signature.takes.items()}
            outputs = signature.call(*(tf.constant(each) for each in given.values()))
            for side, values in (("in", given), ("out", {key: np.asarray(value) for key, value in outputs.items()})):
                arrays |= {f"{name}|{examples}|{side}|{key}": value for key, value in values.items()}
    return arrays


def _input(
    spec: tf.TensorSpec, name: str, examples: int, random: np.random.Generator, levels: int, classes: int
) -> np.ndarray:
    shape = [examples if size is None else size for size in spec.shape]
    if name == "steps":
        return np.array(3, "int32")
    if spec.dtype.is_integer:
        high = {"seed": 1000, "classes": classes}.get(name, levels + 1)
        return random.integers(high, size=shape).astype(spec.dtype.as_numpy_dtype)
    return random.random(shape, "float32")


def check(kind: str, artefact: Path, arrays: Mapping[str, Any]) -> dict[str, float]:
    """Returns how far each signature is from the model's own numbers, at most.

    Args:
        kind: The artefact's format.
        artefact: The folder or file.
        arrays: What `cases` returned.

    Raises:
        RunFailed: It does not open there, or gives other numbers.
    """
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder, "cases.npz"), **arrays)
        command = [sys.executable, "-I", str(Path(__file__).with_name("foreign.py"))]
        done = subprocess.run(
            [*command, kind, str(artefact.absolute()), str(Path(folder, "cases.npz"))],
            capture_output=True,
            text=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason was given"])[-1]
        raise RunFailed(f"The exported model does not work in a process of its own: {reason}")
    differences: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    worst = max(differences, key=lambda name: differences[name])
    if differences[worst] > TOLERANCE[kind]:
        raise RunFailed(
            f"The exported model gives other numbers than the model: {worst} is {differences[worst]:.1e} off, "
            f"{TOLERANCE[kind]:.0e} is allowed."
        )
    return differences
