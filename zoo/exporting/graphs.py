"""Reads from the TensorFlow graph of a model what it does with its inputs, and what its outputs come from."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from zoo.errors import InvalidValue
from zoo.utils.keras_private import list_layers

Outputs = dict[str, Any]

# Operations that pass numbers on as they are, or read only their shape.
_PASSING = {"Identity", "Reshape", "Squeeze", "ExpandDims", "StridedSlice", "Split", "SplitV", "Unpack", "Transpose"}
_IGNORED = {"Shape", "NotEqual", "Equal"}  # comparisons compute masks
_ARRANGING = {"Reshape", "Squeeze", "ExpandDims", "Transpose", "Pack"}
_CHANGING = re.compile(r"Assign\w*VariableOp|ResourceScatter\w+")
_RANDOM = re.compile(r"Random\w*|Stateful\w*(Uniform|Normal|Random)\w*|Multinomial|\w*TruncatedNormal")


def trace(function: Callable[..., Outputs], specs: Sequence[tf.TensorSpec]) -> Any:
    """Returns a function as a TensorFlow graph."""
    # Keras' code does not need autograph.
    return tf.function(function, input_signature=list(specs), autograph=False).get_concrete_function()


def trace_inlined(function: Callable[..., Outputs], specs: Sequence[tf.TensorSpec]) -> Any:
    """Returns a function as a TensorFlow graph that shows what the inner functions of a model do."""
    concrete = trace(function, specs)
    if not any(operation.type.endswith("PartitionedCall") for operation in concrete.graph.get_operations()):
        return concrete
    was_eager = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        with contextlib.suppress(Exception):  # whatever the code of a model raises; then they stay hidden
            return tf.compat.v1.wrap_function(function, list(specs))
    finally:
        tf.config.run_functions_eagerly(was_eager)
    return concrete


def needed_dtype(tensor: tf.Tensor, *, is_declared: bool) -> tf.DType:
    """Returns the type of integers or text that a model turns an input into before anything else, or else its own.

    Args:
        tensor: The input.
        is_declared: Whether the model declares its type.
    """
    if not tensor.dtype.is_floating:
        return tensor.dtype
    needed = set()
    pending = [tensor]
    while pending:
        for operation in pending.pop().consumers():
            if operation.type in _PASSING:
                pending.extend(operation.outputs)
            elif operation.type == "Cast":
                converted = operation.outputs[0]
                # `Hashing` writes integers as text, which has the same hash.
                is_text = not is_declared and {user.type for user in converted.consumers()} == {"AsString"}
                needed.add(tf.string if is_text else converted.dtype)
            elif operation.type not in _IGNORED:
                return tensor.dtype
    only = needed.pop() if len(needed) == 1 else tensor.dtype
    return only if only.is_integer or only == tf.string else tensor.dtype


def last_operation(tensor: tf.Tensor) -> str:
    """Returns the operation that computes numbers, before they are converted or arranged with the same last axis."""
    units = tensor.shape[-1] if tensor.shape.rank else None
    while True:
        operation = tensor.op
        inputs = operation.inputs
        is_arranged = operation.type in _ARRANGING and units and inputs[0].shape.rank and inputs[0].shape[-1] == units
        if operation.type == "Transpose":
            order = tf.get_static_value(inputs[1])
            is_arranged = is_arranged and order is not None and order[-1] == len(order) - 1
        if not is_arranged and operation.type not in ("Identity", "Cast"):
            return str(operation.type)
        tensor = inputs[0]


def check_repeatable(model: keras.Model, concrete: Any) -> None:
    """Checks that the same inputs always have the same outputs.

    A layer may draw numbers or change a variable that the outputs do not depend on, as some random layers of Keras do.

    Raises:
        InvalidValue: The outputs depend on random numbers, or on a variable that a call changes.
    """
    operations = concrete.graph.get_operations()
    changed = {operation.inputs[0].name for operation in operations if _CHANGING.fullmatch(operation.type)}
    library = {function.signature.name: function for function in concrete.graph.as_graph_def().library.function}
    pending, seen = list(concrete.outputs), set()
    while pending:
        operation = pending.pop().op
        if operation.name in seen:
            continue
        seen.add(operation.name)
        pending.extend(operation.inputs)
        types = _list_types(operation.node_def, library) if library else {operation.type}
        reads = {tensor.name for tensor in operation.inputs if tensor.dtype == tf.resource} & changed
        if reads or any(
            _RANDOM.fullmatch(name) or (name != operation.type and _CHANGING.fullmatch(name)) for name in types
        ):
            layers = {layer.name for layer in list_layers(model)} - {model.name}
            scopes = [part if part in layers else re.sub(r"_\d+$", "", part) for part in operation.name.split("/")]
            layer = next((f"its layer {scope}" for scope in scopes if scope in layers), "a layer")
            raise InvalidValue(
                f"model must give the same outputs for the same inputs; {layer} keeps a state or draws random numbers "
                f"at every call of {model.name}. Export a model without it."
            )


def _list_types(node: Any, library: Mapping[str, Any]) -> set[str]:
    """Returns the types of an operation and of those in the functions that it calls, such as the body of a loop."""
    names, pending, unseen = set(), [node], dict(library)
    while pending:
        current = pending.pop()
        names.add(current.op)
        called = [value.func.name for value in current.attr.values() if value.func.name] + [current.op]
        pending.extend(inner for name in called if name in unseen for inner in unseen.pop(name).node_def)
    return names
