"""Writes the signatures of a model as a SavedModel, an ONNX file or a LiteRT file."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from tensorflow.saved_model.experimental import TrackableResource

from zoo.errors import InvalidValue, RunFailed
from zoo.exporting.graphs import trace
from zoo.exporting.interfaces import Interface, shorten
from zoo.exporting.signatures import Signature
from zoo.utils.keras_private import list_layers

LACKING = {"onnx": ("bfloat16",), "litert": ("float16", "bfloat16", "float64")}  # types without operations


def check_types(format: str, model: keras.Model, interface: Interface) -> None:
    """Checks that a format has the types of a model.

    Raises:
        InvalidValue: It has not.
    """
    specs = {**interface.inputs, **interface.outputs}
    texts = [f"{name or 'its output'} is text" for name, spec in specs.items() if spec.dtype == tf.string]
    dtypes = sorted({layer.compute_dtype for layer in list_layers(model)} & set(LACKING.get(format, ())))
    if format in LACKING and (reasons := [*texts, *(f"{model.name} computes in {dtype}" for dtype in dtypes)]):
        raise InvalidValue(f"format must be 'saved_model' if {reasons[0]}; got {format!r}.")


def write_saved_model(
    path: Path, model: keras.Model, signatures: Mapping[str, Signature], description: dict[str, Any]
) -> None:
    """Writes a SavedModel with the class names and a description in its assets.

    Args:
        path: Folder to create.
        model: The model, whose variables and tables the signatures read.
        signatures: Signatures by name. `serve` is also `serving_default`, which TensorFlow Serving requires.
        description: Description of the model, to be written as JSON.

    Raises:
        RunFailed: TensorFlow cannot save something that the model uses.
    """
    module = tf.Module()
    functions = {name: trace(signature.call, _specs(signature)) for name, signature in signatures.items()}
    # What a graph uses is saved only if it is an attribute: variables, whoever made them, and tables of words.
    module.used = [*{id(variable): variable for graph in functions.values() for variable in graph.variables}.values()]
    module.tables = [
        *{
            id(item): item
            for layer in list_layers(model)
            for item in tf.train.TrackableView(layer).descendants()
            if isinstance(item, TrackableResource)
        }.values()
    ]
    # The functions must not be attributes: with an attribute `serve`, LiteRT's converter ignores all others.
    with tempfile.TemporaryDirectory() as folder, _quiet(), _conversion("a SavedModel"):
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
        RunFailed: The model cannot be converted.
    """
    with _quiet(), _conversion("ONNX"):
        import onnx
        import tf2onnx

        specs = _specs(signature)
        function = tf.function(signature.call, input_signature=specs, autograph=False)
        graph, _ = tf2onnx.convert.from_function(function, specs)
        _store_constants(graph.graph, function.get_concrete_function(*specs))
        # The converter leaves operations that ONNX does not have as they are.
        if missing := sorted(
            {node.op_type for node in graph.graph.node if not onnx.defs.has(node.op_type, node.domain)}
        ):
            raise NotImplementedError(f"it has no operation {' or '.join(missing)}")
        onnx.helper.set_model_props(graph, {"description": json.dumps(description)})
        onnx.save_model(graph, str(path))


def _store_constants(graph: Any, concrete: Any) -> None:
    """Stores the constants that layers have computed, such as the mean of a `Normalization`.

    The converter makes them inputs of the graph.
    """
    import onnx

    constants = {inside.name: outside for outside, inside in concrete.graph.captures if outside.dtype != tf.resource}
    for item in [item for item in graph.input if item.name in constants]:
        graph.initializer.append(onnx.numpy_helper.from_array(constants[item.name].numpy(), item.name))
        graph.input.remove(item)


def write_litert(path: Path, saved_model: Path, signatures: Sequence[str]) -> None:
    """Converts a SavedModel to a LiteRT file.

    Args:
        path: File to write.
        saved_model: Folder of the SavedModel.
        signatures: Names of the signatures to convert.

    Raises:
        RunFailed: The model cannot be converted.
    """
    with _quiet(), _conversion("LiteRT"):
        path.write_bytes(
            tf.lite.TFLiteConverter.from_saved_model(str(saved_model), signature_keys=list(signatures)).convert()
        )


def _specs(signature: Signature) -> list[tf.TensorSpec]:
    return [tf.TensorSpec(spec.shape, spec.dtype, name) for name, spec in signature.inputs.items()]


@contextlib.contextmanager
def _conversion(name: str) -> Any:
    try:
        yield
    except (OSError, tf.errors.OpError):  # of the disk
        raise
    except Exception as error:  # converters raise many types
        operation = re.search(r"'tf\.\w+' op [^\n]*", str(error))
        reason = operation.group().rstrip(".") if operation else shorten(error)
        raise RunFailed(f"Cannot convert the model to {name}: {reason}.") from error


@contextlib.contextmanager
def _quiet() -> Any:
    """Silences the progress messages of converters, which write to Python's loggers and to the terminal itself."""
    loggers = [logging.getLogger(name) for name in ("tensorflow", "tf2onnx", "absl")]
    levels = [logger.level for logger in loggers]
    sys.stderr.flush()
    terminal = os.dup(2)
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
