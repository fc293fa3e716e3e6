"""Which layer a weight belongs to, and what it is called there."""

from __future__ import annotations

from typing import NamedTuple

import keras


class Weight(NamedTuple):
    """A trainable weight, by the names that a reader of the model knows it by."""

    layer: str
    variable: str
    value: keras.Variable


def trainable_weights(model: keras.Model) -> list[Weight]:
    """Lists the trainable weights of a model, layer by layer from the input to the output.

    Args:
        model: A built model. A layer of a model inside it is called `outer/inner`; a shared layer
            comes once; the second of two layers of the same name is called
            `name#2`; a weight that belongs to no layer has the model's own name as its layer.

    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="output")])
    >>> [(weight.layer, weight.variable) for weight in trainable_weights(model)]
    [('output', 'kernel'), ('output', 'bias')]
    """
    found: dict[int, Weight] = {}
    owners: dict[str, list[keras.layers.Layer]] = {}

    def visit(owner: keras.layers.Layer, prefix: str) -> None:
        inner = [layer for layer in getattr(owner, "layers", []) if isinstance(layer, keras.layers.Layer)]
        for layer in inner:
            visit(layer, f"{prefix}{layer.name}/")
        for value in owner.trainable_variables:
            if id(value) not in found:
                layer_name = prefix.rstrip("/") or owner.name
                namesakes = owners.setdefault(layer_name, [])
                if owner not in namesakes:
                    namesakes.append(owner)
                number = namesakes.index(owner)
                layer_name += f"#{number + 1}" if number else ""
                found[id(value)] = Weight(layer_name, _name_inside(value.path, owner.name), value)

    visit(model, "")
    trained = {id(value) for value in model.trainable_variables}
    return [weight for key, weight in found.items() if key in trained]


def _name_inside(path: str, owner: str) -> str:
    parts = path.split("/")
    below = parts[len(parts) - parts[::-1].index(owner) :] if owner in parts else parts[-1:]
    return "/".join(below) or parts[-1]
