"""Writes a model's signatures as a SavedModel, and converts it for ONNX Runtime and LiteRT."""

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
    """Writes a SavedModel, with the labels and a description in its assets.

    Args:
        path: The folder to make.
        model: The model, whose variables the signatures read.
        signatures: By name; `serve` is also `serving_default`, as TensorFlow Serving wants one.
        description: Of the model, as JSON takes it.
    """
    module = tf.Module()
    module.weights_of_model = [variable.value for variable in model.variables]
    functions = {name: _function(signature) for name, signature in signatures.items()}
    # The functions are no attributes: LiteRT's converter takes a model with an attribute `serve` for one with no other.
    with tempfile.TemporaryDirectory() as folder, _quiet():
        texts = {"description.json": json.dumps(description, indent=2)}
        if description["classes"]:
            texts["labels.txt"] = "\n".join(description["classes"])
        for file, text in texts.items():
            Path(folder, file).write_text(text + "\n", encoding="utf-8")
        module.files = [tf.saved_model.Asset(str(Path(folder, file))) for file in texts]
        tf.saved_model.save(module, str(path), signatures={**functions, "serving_default": functions["serve"]})


def write_onnx(path: Path, signature: Signature, description: dict[str, Any]) -> None:
    """Writes one signature as an ONNX file, with the description in its metadata.

    Args:
        path: The file.
        signature: What the graph computes.
        description: Of the model; its text is the metadata `description`.

    Raises:
        RunFailed: A package is missing, or the converter cannot convert the model.
    """
    onnx, tf2onnx, _ = (_package(name, "onnx") for name in ("onnx", "tf2onnx", "onnxruntime"))
    with _quiet(), _converting("ONNX"):
        graph, _ = tf2onnx.convert.from_function(_function(signature), list(signature.takes.values()))
    onnx.helper.set_model_props(graph, {"description": json.dumps(description)})
    onnx.save_model(graph, str(path))


def write_litert(path: Path, saved_model: Path, signatures: Sequence[str]) -> None:
    """Converts a SavedModel to a LiteRT file.

    Args:
        path: The file.
        saved_model: The folder.
        signatures: The names of those that it is to have.

    Raises:
        RunFailed: A package is missing, or the converter cannot convert the model.
    """
    _package("ai_edge_litert", "litert")
    with _quiet(), _converting("LiteRT"):
        path.write_bytes(
            tf.lite.TFLiteConverter.from_saved_model(str(saved_model), signature_keys=list(signatures)).convert()
        )


def _function(signature: Signature) -> Any:
    specs = [tf.TensorSpec(spec.shape, spec.dtype, name) for name, spec in signature.takes.items()]

    # Autograph would rewrite Keras' code, and does not need to.
    return tf.function(signature.call, input_signature=specs, autograph=False)


def _package(name: str, extra: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise RunFailed(
            f"The format {extra} needs the package {name}; pip install '.[{extra}]' among the zoo's sources brings it."
        ) from error


@contextlib.contextmanager
def _converting(name: str) -> Any:
    try:
        yield
    except Exception as error:  # a converter raises what it pleases
        reason = str(error).strip().partition("\n")[0]
        raise RunFailed(f"The model cannot be converted to {name}: {reason}") from error


@contextlib.contextmanager
def _quiet() -> Any:
    """Silences what converters tell of their progress."""
    loggers = [logging.getLogger(name) for name in ("tensorflow", "tf2onnx", "absl")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
