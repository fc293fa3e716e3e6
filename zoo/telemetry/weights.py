"""Which layer a weight belongs to, and what it is called there."""

from __future__ import annotations

from typing import NamedTuple

import keras


class Weight(NamedTuple):
    """A trainable weight, by the names that a reader of the model knows it by."""

    layer: str
    variable: str
    value: keras.Variable


def named_layers(model: keras.Model) -> list[tuple[str, keras.layers.Layer]]:
    """Lists the layers of a model from the input to the output, and the model itself at the end, with their names.

    Args:
        model: A model. A layer of a model inside it is called `outer/inner`; a shared layer comes
            once; the second of two layers of the same name is called `name#2`.

    >>> model = keras.Sequential([keras.layers.Dense(2, name="output")], name="perceptron")
    >>> [name for name, _ in named_layers(model)]
    ['output', 'perceptron']
    """
    found: list[tuple[str, keras.layers.Layer]] = []
    namesakes: dict[str, int] = {}

    def visit(owner: keras.layers.Layer, path: str) -> None:
        for layer in getattr(owner, "layers", []):
            if isinstance(layer, keras.layers.Layer):
                visit(layer, f"{path}/{layer.name}".lstrip("/"))
        if all(owner is not layer for _, layer in found):
            name = path or owner.name
            namesakes[name] = number = namesakes.get(name, 0) + 1
            found.append((name if number == 1 else f"{name}#{number}", owner))

    visit(model, "")
    return found


def trainable_weights(model: keras.Model) -> list[Weight]:
    """Lists the trainable weights of a model, layer by layer from the input to the output.

    Args:
        model: A built model. Layers are called as in `named_layers`; a weight that belongs to no
            layer has the model's own name as its layer.

    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="output")])
    >>> [(weight.layer, weight.variable) for weight in trainable_weights(model)]
    [('output', 'kernel'), ('output', 'bias')]
    """
    found: dict[int, Weight] = {}
    for name, layer in named_layers(model):
        for value in layer.trainable_variables:
            found.setdefault(id(value), Weight(name, _name_inside(value.path, layer.name), value))
    trained = {id(value) for value in model.trainable_variables}
    return [weight for key, weight in found.items() if key in trained]


def optimizers_of(model: keras.Model) -> list[keras.Optimizer]:
    """Lists the optimisers of a model: the one that it is compiled with, and others that it has as attributes."""
    return [value for value in vars(model).values() if isinstance(value, keras.Optimizer)]


def _name_inside(path: str, owner: str) -> str:
    parts = path.split("/")
    below = parts[len(parts) - parts[::-1].index(owner) :] if owner in parts else parts[-1:]
    return "/".join(below) or parts[-1]
