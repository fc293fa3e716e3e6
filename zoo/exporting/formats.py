"""Writes the signatures of a model as a SavedModel, an ONNX file or a LiteRT file."""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import tensorflow as tf

from zoo.errors import RunFailed
from zoo.exporting.signatures import Signature


def write_saved_model(
    path: Path, model: keras.Model, signatures: Mapping[str, Signature], description: dict[str, Any]
) -> None:
    """Writes a SavedModel with the class names and a description in its assets.

    Args:
        path: Folder to create.
        model: The model, whose variables the signatures read.
        signatures: Signatures by name. `serve` is also `serving_default`, which TensorFlow Serving requires.
        description: Description of the model, to be written as JSON.
    """
    module = tf.Module()
    module.weights_of_model = [variable.value for variable in model.variables]
    functions = {name: _to_function(signature) for name, signature in signatures.items()}
    # The functions must not be attributes: with an attribute `serve`, LiteRT's converter ignores all others.
    with tempfile.TemporaryDirectory() as folder, _quiet():
        texts = {"description.json": json.dumps(description, indent=2)}
        if description["classes"]:
            texts["labels.txt"] = "\n".join(description["classes"])
        for file, text in texts.items():
            Path(folder, file).write_text(text + "\n", encoding="utf-8")
        module.files = [tf.saved_model.Asset(str(Path(folder, file))) for file in texts]
        tf.saved_model.save(module, str(path), signatures={**functions, "serving_default": functions["serve"]})


def write_onnx(path: Path, signature: Signature, description: dict[str, Any]) -> None:
    """Writes one signature as an ONNX file.

    Args:
        path: File to write.
        signature: The signature.
        description: Description of the model, written to the metadata as `description`.

    Raises:
        RunFailed: A package is missing, or the model cannot be converted.
    """
    onnx, tf2onnx, _ = (_import(name, "onnx") for name in ("onnx", "tf2onnx", "onnxruntime"))
    with _quiet(), _conversion("ONNX"):
        graph, _ = tf2onnx.convert.from_to_function(_to_function(signature), list(signature.inputs.values()))
    onnx.helper.set_model_props(graph, {"description": json.dumps(description)})
    onnx.save_model(graph, str(path))


def write_litert(path: Path, saved_model: Path, signatures: Sequence[str]) -> None:
    """Converts a SavedModel to a LiteRT file.

    Args:
        path: File to write.
        saved_model: Folder of the SavedModel.
        signatures: Names of the signatures to convert.

    Raises:
        RunFailed: A package is missing, or the model cannot be converted.
    """
    _import("ai_edge_litert", "litert")
    with _quiet(), _conversion("LiteRT"):
        path.write_bytes(
            tf.lite.TFLiteConverter.from_saved_model(str(saved_model), signature_keys=list(signatures)).convert()
        )


def _to_function(signature: Signature) -> Any:
    specs = [tf.TensorSpec(spec.shape, spec.dtype, name) for name, spec in signature.inputs.items()]
    # Keras' code does not need autograph.
    return tf.function(signature.call, input_signature=specs, autograph=False)


def _import(name: str, extra: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise RunFailed(
            f"The format {extra} requires the package {name}; run pip install '.[{extra}]' in the sources of the zoo."
        ) from error


@contextlib.contextmanager
def _conversion(name: str) -> Any:
    try:
        yield
    except Exception as error:  # converters raise many types
        reason = str(error).strip().partition("\n")[0]
        raise RunFailed(f"Cannot convert the model to {name}: {reason}") from error


@contextlib.contextmanager
def _quiet() -> Any:
    """Silences the progress messages of converters."""
    loggers = [logging.getLogger(name) for name in ("tensorflow", "tf2onnx", "absl")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
