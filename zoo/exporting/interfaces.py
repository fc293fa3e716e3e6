"""What a model takes and returns, as TensorFlow sees it: names, types and shapes, whatever the kind of the model."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from zoo.errors import InvalidValue
from zoo.utils.keras_private import list_layers

Outputs = dict[str, Any]

UNNAMED = ""  # name of an only output that the model does not name

# Operations that pass numbers on as they are, or read only their shape.
_PASSING = {"Identity", "Reshape", "Squeeze", "ExpandDims", "StridedSlice", "Split", "SplitV", "Unpack", "Transpose"}
_IGNORED = {"Shape", "NotEqual", "Equal"}  # comparisons compute masks
_ARRANGING = {"Reshape", "Squeeze", "ExpandDims", "Transpose", "Pack"}
_CHANGING = re.compile(r"Assign\w*VariableOp|ResourceScatter\w+")
_RANDOM = re.compile(r"Random\w*|Stateful\w*(Uniform|Normal|Random)\w*|Multinomial|\w*TruncatedNormal")


@dataclass(frozen=True)
class Interface:
    """What a model takes and returns.

    Args:
        inputs: Specifications of its inputs by name, in order.
        outputs: Specifications of its outputs by name, in order.
        call: Function of the inputs, in order, that returns the outputs by name, as in inference.
        activation: TensorFlow operation that computes the only output, as in `"Softmax"`; empty for several.
    """

    inputs: Mapping[str, tf.TensorSpec]
    outputs: Mapping[str, tf.TensorSpec]
    call: Callable[..., Outputs]
    activation: str

    @property
    def takes_images(self) -> bool:
        """Whether the only input has the rank of images."""
        return list(self.inputs) == ["images"]


def inspect_model(model: keras.Model) -> Interface:
    """Returns what a model takes and returns.

    The types of the inputs are those that the model declares. A model that declares none, and one that declares the
    numbers of Keras' default but turns them into integers or text first, takes what it turns them into.

    Raises:
        InvalidValue: The model is not a built Keras model, cannot be called, or gives other outputs at every call.
    """
    if not isinstance(model, keras.Model):
        raise InvalidValue(f"model must be a keras.Model; got {type(model).__name__}.")
    structure, is_declared = _input_structure(model)
    specs = keras.tree.flatten(structure)
    names = _name_inputs(model, structure, specs)

    def call(*tensors: Any) -> Outputs:
        with warnings.catch_warnings():
            # Keras compares the dictionary of a functional model with the names of its inputs.
            warnings.filterwarnings("ignore", message="The structure of `inputs` doesn't match")
            keywords = keras.tree.pack_sequence_as(structure, tensors)
            positional = [keywords.pop("")] if "" in keywords else []
            return _name_outputs(model, model(*positional, **keywords, training=False))

    concrete = _trace_any(model, call, specs, is_declared)
    _check_repeatable(model, concrete)
    outputs = concrete.structured_outputs
    return Interface(
        inputs={
            name: tf.TensorSpec(tensor.shape, tensor.dtype, name)
            for name, tensor in zip(names, concrete.inputs, strict=False)  # variables follow the inputs
        },
        outputs={name: tf.TensorSpec(tensor.shape, tensor.dtype) for name, tensor in outputs.items()},
        call=call,
        activation=_last_operation(outputs[UNNAMED]) if UNNAMED in outputs else "",
    )


def trace(function: Callable[..., Outputs], specs: Sequence[tf.TensorSpec]) -> Any:
    """Returns a function as a TensorFlow graph."""
    # Keras' code does not need autograph.
    return tf.function(function, input_signature=list(specs), autograph=False).get_concrete_function()


def shorten(error: Exception) -> str:
    """Returns the sentence of an error of Keras or TensorFlow that says what is wrong."""
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", re.sub(r"\x1b\[\d*m", "", str(error)))]
    paragraphs = [part for part in paragraphs if part and not part.startswith("Exception encountered when calling")]
    text = re.sub(r"^\{\{.*?\}\} | \[Op:.*$", "", (paragraphs or [type(error).__name__])[0])  # names of functions
    return re.split(r"\.\s+(?=[A-Z])", text)[0].rstrip(".")


def _input_structure(model: keras.Model) -> tuple[dict[str, Any], bool]:
    """Returns the arguments of a model by keyword, "" for the first, and whether their types are declared."""
    inputs = getattr(model, "inputs", None)
    if isinstance(inputs, list) and inputs and all(isinstance(x, keras.KerasTensor) for x in inputs):
        is_sequential = isinstance(model, keras.Sequential)  # its type is that of its first layer, which may be half
        return {
            "": keras.tree.map_structure(
                lambda x: _make_spec(x.shape, _widen(x.dtype) if is_sequential else x.dtype),
                inputs[0] if is_sequential else model.input,
            )
        }, True
    config = model.get_build_config() if model.built else None
    if not config or not (shapes := config.get("shapes_dict") or config.get("input_shape")):
        raise InvalidValue(
            f"model must be built, so that its inputs are known; call {model.name} on a batch of examples, or train it."
        )
    if "shapes_dict" not in config:
        shapes = {"": shapes}
    keywords = {name.removesuffix("_shape"): shape for name, shape in shapes.items()}
    dtype = _widen(model.input_dtype)
    return keras.tree.map_shape_structure(lambda shape: _make_spec(shape, dtype), keywords), False


def _widen(dtype: str) -> str:
    """Returns the type of the numbers of a model that computes in half precision but takes any numbers."""
    return "float32" if dtype in ("float16", "bfloat16") else dtype


def _make_spec(shape: Sequence[int | None], dtype: Any) -> tf.TensorSpec:
    return tf.TensorSpec([None, *tuple(shape)[1:]], keras.backend.standardize_dtype(dtype))


def _name_inputs(model: keras.Model, structure: Any, specs: Sequence[tf.TensorSpec]) -> list[str]:
    if len(specs) == 1:
        return ["images" if len(specs[0].shape) == 4 and specs[0].dtype != tf.string else "inputs"]
    paths = [path for path, _ in keras.tree.flatten_with_path(structure)]
    if isinstance(structure.get(""), list | tuple) and (declared := getattr(model, "inputs", None)):
        paths = [(tensor.name,) for tensor in declared]
    return _to_identifiers(paths, "input")


def _to_identifiers(paths: Sequence[tuple[Any, ...]], kind: str) -> list[str]:
    """Returns the paths of a structure as different names: `"age"` of `{"age": ...}`, `"input_0"` of a list."""
    names: list[str] = []
    for path in paths:
        parts = [str(part) for part in path if part != ""]
        name = re.sub(r"\W+", "_", "_".join(parts)).strip("_")
        name = name if name and not name[0].isdigit() else f"{kind}_{name or len(names)}"
        names.append(name if name not in names else f"{name}_{len(names)}")
    return names


def _name_outputs(model: keras.Model, outputs: Any) -> Outputs:
    """Returns the outputs of a model by name: the keys of a dictionary, or the names of the output layers."""
    leaves = keras.tree.flatten_with_path(outputs)
    for _, tensor in leaves:
        if not isinstance(tensor, tf.Tensor):
            raise InvalidValue(
                f"The outputs of a model must be dense tensors; one of {model.name} is a {type(tensor).__name__}."
            )
    if len(leaves) == 1 and not isinstance(outputs, dict):
        return {UNNAMED: leaves[0][1]}
    paths = [path for path, _ in leaves]
    names = getattr(model, "output_names", None) or []
    if not isinstance(outputs, dict) and len(names) == len(leaves):
        paths = [(name,) for name in names]
    return dict(zip(_to_identifiers(paths, "output"), (tensor for _, tensor in leaves), strict=True))


def _trace_any(model: keras.Model, call: Callable[..., Outputs], specs: list[tf.TensorSpec], is_declared: bool) -> Any:
    """Traces a model with the first types of inputs that it takes."""
    dtypes = [None] if is_declared else [None, tf.string, tf.int32]
    first: Exception | None = None
    for dtype in dtypes:
        attempt = [tf.TensorSpec(spec.shape, dtype or spec.dtype) for spec in specs]
        try:
            concrete = _trace_inlined(call, attempt)
        except InvalidValue:
            raise
        except Exception as error:  # whatever the code of a model raises
            first = first or error
            continue
        if dtype == tf.string and any(operation.type == "Cast" for operation in _consumers(concrete, specs)):
            continue  # no machine can turn text into numbers so
        needed = [_needed_dtype(tensor, is_declared) for tensor, _ in zip(concrete.inputs, specs, strict=False)]
        if needed == [spec.dtype for spec in attempt]:
            return concrete
        with contextlib.suppress(Exception):  # then the first types serve as well
            return _trace_inlined(
                call, [tf.TensorSpec(spec.shape, dtype) for spec, dtype in zip(specs, needed, strict=True)]
            )
        return concrete
    assert first is not None
    raise InvalidValue(
        f"model must be one that TensorFlow can trace; {model.name} fails on its inputs: {shorten(first)}."
    ) from first


def _trace_inlined(call: Callable[..., Outputs], specs: Sequence[tf.TensorSpec]) -> Any:
    """Returns a function as a TensorFlow graph that shows what the inner functions of a model do."""
    concrete = trace(call, specs)
    if not any(operation.type.endswith("PartitionedCall") for operation in concrete.graph.get_operations()):
        return concrete
    was_eager = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        return tf.compat.v1.wrap_function(call, list(specs))
    finally:
        tf.config.run_functions_eagerly(was_eager)


def _consumers(concrete: Any, specs: Sequence[tf.TensorSpec]) -> list[tf.Operation]:
    return [operation for tensor, _ in zip(concrete.inputs, specs, strict=False) for operation in tensor.consumers()]


def _needed_dtype(tensor: tf.Tensor, is_declared: bool) -> tf.DType:
    """Returns the type of integers or text that a model turns an input into before anything else, or else its own."""
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


def _last_operation(tensor: tf.Tensor) -> str:
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


def _check_repeatable(model: keras.Model, concrete: Any) -> None:
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
        types = _list_types(operation.node_def, library)
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
