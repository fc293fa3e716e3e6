"""Where the activation functions of a model are called, and those that cannot be observed."""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType
from typing import Any, NamedTuple

import keras

from zoo.telemetry.weights import list_named_layers
from zoo.utils.keras_private import list_layers

RANGES = {"sigmoid": (0.0, 1.0), "hard_sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "hard_tanh": (-1.0, 1.0)}
RECTIFIERS = ("relu", "relu6")

_NAMES = {name for name in dir(keras.activations) if callable(getattr(keras.activations, name))}
_NAMES -= {"get", "serialize", "deserialize"}
_LAYERS = (
    keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.PReLU, keras.layers.ELU, keras.layers.Softmax,
)  # fmt: skip
# They call what they hold once per time step, inside a loop of TensorFlow.
_LOOPS = (keras.layers.RNN, keras.layers.TimeDistributed)


class ActivationFunction(NamedTuple):
    """An activation function of a model.

    Args:
        name: Name of its layer, as in `list_named_layers`; of a layer that another one holds, `outer/inner`.
        owner: Layer or operation that calls it.
        attribute: Name of the attribute that is called.
        function: Name of the function, or an empty string.
        is_given_input: Whether it is called with the pre-activation. A recurrent layer's is called once per time step,
            out of reach: only what the layer returns is observed.
    """

    name: str
    owner: Any
    attribute: str
    function: str
    is_given_input: bool = True


def list_activation_functions(model: keras.Model) -> list[ActivationFunction]:
    """Lists the activation functions of a model's layers, from the input to the output.

    Args:
        model: A model.

    >>> model = keras.Sequential([keras.layers.Dense(2, "tanh", name="first"), keras.layers.LSTM(3, name="second")])
    >>> [(each.name, each.attribute, each.function) for each in list_activation_functions(model)]
    [('first', 'activation', 'tanh'), ('second', 'call', 'tanh')]
    """
    found: dict[int, ActivationFunction] = {}
    for name, owner in _list_owners(model):
        if (function := _find(name, owner)) and id(owner) not in found:
            found[id(owner)] = function
    return list(found.values())


def list_hidden_functions(model: keras.Model) -> list[str]:
    """Lists the names of layers that apply an activation function in `call`, where it cannot be observed."""
    return list(dict.fromkeys(name for name, owner in _list_owners(model) if _names_function(owner)))


def _list_owners(model: keras.Model) -> Iterator[tuple[str, Any]]:
    """Lists the names of layers and operations that may call an activation function, and these themselves."""
    names = {id(layer): name for name, layer in list_named_layers(model)}
    in_loops = {id(held) for loop in list_layers(model) if isinstance(loop, _LOOPS) for held in list_layers(loop)[1:]}

    def visit(owner: Any, path: str) -> Iterator[tuple[str, Any]]:
        for part in getattr(owner, "operations", None) or getattr(owner, "layers", []):
            if id(part) in names:
                yield from visit(part, names[id(part)])
            else:
                yield f"{path}/{part.name}".lstrip("/"), part
        held = list_layers(owner)[1:] if isinstance(owner, keras.layers.Layer) else []
        for layer in held:
            if id(layer) not in names and id(layer) not in in_loops:
                yield f"{path}/{layer.name}".lstrip("/"), layer
        yield names[id(owner)], owner

    yield from visit(model, "")


def _find(name: str, owner: Any) -> ActivationFunction | None:
    if isinstance(owner, _LOOPS):
        inner = getattr(owner, "layer", owner)
        return ActivationFunction(name, owner, "call", _get_name(getattr(inner, "activation", "")), False)
    kind = type(owner).__name__
    if isinstance(owner, _LAYERS):
        return ActivationFunction(name, owner, "call", "" if getattr(owner, "negative_slope", 0) else kind.lower())
    if not isinstance(owner, keras.layers.Layer):  # an operation of a functional model, such as keras.ops.relu
        function = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in kind).lstrip("_")
        return ActivationFunction(name, owner, "call", function) if function in _NAMES else None
    attributes = vars(owner)
    if callable(attributes.get("activation")):
        return ActivationFunction(name, owner, "activation", _get_name(attributes["activation"]))
    for attribute, value in attributes.items():
        function = getattr(value, "__name__", "")
        if function in _NAMES and value is getattr(keras.activations, function):
            return ActivationFunction(name, owner, attribute, function)
    return None


def _names_function(owner: Any) -> bool:
    """Returns whether the code of a layer's `call` mentions an activation function by its name."""
    call = getattr(type(owner), "call", None)
    is_of_keras = getattr(call, "__module__", "").partition(".")[0] == "keras"
    return not is_of_keras and bool(_NAMES & set(_list_names(getattr(call, "__code__", None))))


def _list_names(code: CodeType | None) -> Iterator[str]:
    if code is not None:
        yield from code.co_names
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                yield from _list_names(constant)


def _get_name(function: Any) -> str:
    return getattr(function, "__name__", type(function).__name__)
