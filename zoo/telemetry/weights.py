"""Names of the layers and weights of a model, and its optimizers."""

from __future__ import annotations

from typing import NamedTuple

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
    """Lists the optimizers of a model: the one that it is compiled with, and others that are its attributes."""
    return [value for value in vars(model).values() if isinstance(value, keras.Optimizer)]


def get_inner_optimizer(optimizer: keras.Optimizer) -> keras.Optimizer:
    """Returns the optimizer inside those that scale the loss, or the optimizer itself."""
    while isinstance(inner := getattr(optimizer, "inner_optimizer", None), keras.Optimizer):
        optimizer = inner
    return optimizer


def _get_name_inside(path: str, layer: str) -> str:
    parts = path.split("/")
    inner = parts[len(parts) - parts[::-1].index(layer) :] if layer in parts else parts[-1:]
    return "/".join(inner) or parts[-1]
