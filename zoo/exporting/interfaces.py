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
from zoo.exporting.graphs import Outputs, check_repeatable, last_operation, needed_dtype, trace_inlined

UNNAMED = ""  # name of an only output that the model does not name


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
    check_repeatable(model, concrete)
    outputs = concrete.structured_outputs
    return Interface(
        inputs={
            name: tf.TensorSpec(tensor.shape, tensor.dtype, name)
            for name, tensor in zip(names, concrete.inputs, strict=False)  # variables follow the inputs
        },
        outputs={name: tf.TensorSpec(tensor.shape, tensor.dtype) for name, tensor in outputs.items()},
        call=call,
        activation=last_operation(outputs[UNNAMED]) if UNNAMED in outputs else "",
    )


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
            concrete = trace_inlined(call, attempt)
        except InvalidValue:
            raise
        except Exception as error:  # whatever the code of a model raises
            first = first or error
            continue
        if dtype == tf.string and any(operation.type == "Cast" for operation in _consumers(concrete, specs)):
            continue  # no machine can turn text into numbers so
        needed = [
            needed_dtype(tensor, is_declared=is_declared) for tensor, _ in zip(concrete.inputs, specs, strict=False)
        ]
        if needed == [spec.dtype for spec in attempt]:
            return concrete
        with contextlib.suppress(Exception):  # then the first types serve as well
            return trace_inlined(
                call, [tf.TensorSpec(spec.shape, dtype) for spec, dtype in zip(specs, needed, strict=True)]
            )
        return concrete
    assert first is not None
    raise InvalidValue(
        f"model must be one that TensorFlow can trace; {model.name} fails on its inputs: {shorten(first)}."
    ) from first


def _consumers(concrete: Any, specs: Sequence[tf.TensorSpec]) -> list[tf.Operation]:
    return [operation for tensor, _ in zip(concrete.inputs, specs, strict=False) for operation in tensor.consumers()]
