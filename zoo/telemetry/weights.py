"""Names of the layers and weights of a model, and its optimizers."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras


class Weight(NamedTuple):
    """A trainable weight, with the names of its layer and its variable."""

    layer: str
    variable: str
    value: keras.Variable


def list_named_layers(model: keras.Model) -> list[tuple[str, keras.layers.Layer]]:
    """Lists the names and layers of a model from the input to the output, with the model itself at the end.

    Args:
        model: A model. A layer of an inner model is called `outer/inner`; a shared layer is listed once; the second
            of two layers of the same name is called `name#2`.

    >>> model = keras.Sequential([keras.layers.Dense(2, name="output")], name="perceptron")
    >>> [name for name, _ in list_named_layers(model)]
    ['output', 'perceptron']
    """
    layers: list[tuple[str, keras.layers.Layer]] = []
    counts: dict[str, int] = {}

    def visit(owner: keras.layers.Layer, path: str) -> None:
        for layer in getattr(owner, "layers", []):
            if isinstance(layer, keras.layers.Layer):
                visit(layer, f"{path}/{layer.name}".lstrip("/"))
        if all(owner is not layer for _, layer in layers):
            name = path or owner.name
            counts[name] = number = counts.get(name, 0) + 1
            layers.append((name if number == 1 else f"{name}#{number}", owner))

    visit(model, "")
    return layers


def list_trainable_weights(model: keras.Model) -> list[Weight]:
    """Lists the trainable weights of a model, layer by layer from the input to the output.

    Args:
        model: A built model. Layers are named as in `list_named_layers`; a weight of no layer has the model's name.

    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="output")])
    >>> [(weight.layer, weight.variable) for weight in list_trainable_weights(model)]
    [('output', 'kernel'), ('output', 'bias')]
    """
    weights: dict[int, Weight] = {}
    for name, layer in list_named_layers(model):
        for value in layer.trainable_variables:
            weights.setdefault(id(value), Weight(name, _get_name_inside(value.path, layer.name), value))
    trainable = {id(value) for value in model.trainable_variables}
    return [weight for key, weight in weights.items() if key in trainable]


def list_optimizers(model: keras.Model) -> list[keras.Optimizer]:
    """Lists the optimizers of a model: the one that it is compiled with, and those in its attributes.

    Args:
        model: A model. Its attributes may be optimizers, or lists or dictionaries of them.
    """
    found: dict[int, keras.Optimizer] = {}

    def visit(value: Any) -> None:
        if isinstance(value, keras.Optimizer):
            found[id(value)] = value
        elif isinstance(value, (list, tuple)):
            for item in value:
                visit(item)
        elif isinstance(value, dict):
            visit(list(value.values()))

    visit(vars(model))
    parts = {id(part) for optimizer in found.values() for part in _list_parts(optimizer)}
    return [optimizer for key, optimizer in found.items() if key not in parts]


def list_applied_optimizers(optimizer: keras.Optimizer) -> list[keras.Optimizer]:
    """Lists the optimizers that apply gradients for an optimizer.

    Args:
        optimizer: A built optimizer. One that scales the loss leaves it to the one inside it, a
            `keras.optimizers.MultiOptimizer` to several; every other applies them itself.
    """
    parts = _list_parts(optimizer)
    return [applied for part in parts for applied in list_applied_optimizers(part)] if parts else [optimizer]


def _list_parts(optimizer: keras.Optimizer) -> list[keras.Optimizer]:
    if isinstance(optimizer, keras.optimizers.MultiOptimizer):
        return [part for part in optimizer.optimizers if part.built]  # the others have no weights
    inner = getattr(optimizer, "inner_optimizer", None)
    return [inner] if isinstance(inner, keras.Optimizer) else []


def _get_name_inside(path: str, layer: str) -> str:
    parts = path.split("/")
    inner = parts[len(parts) - parts[::-1].index(layer) :] if layer in parts else parts[-1:]
    return "/".join(inner) or parts[-1]
