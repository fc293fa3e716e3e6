"""The head of a network, its output layer, apart from its body: weights of a body for other classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.errors import InvalidValue

if TYPE_CHECKING:
    import keras


def find_head(model: keras.Model) -> keras.layers.Layer:
    """Returns the output layer of a model: the last one with weights.

    >>> import zoo
    >>> find_head(zoo.create("lenet5_relu")).name
    'output'
    """
    return [layer for layer in model.layers if layer.weights][-1]


def copy_weights(source: keras.Model, target: keras.Model) -> bool:
    """Copies the weights of a model to one of the same body, and those of the head if they have as many classes.

    Args:
        source: Model with the weights.
        target: Model that is given them.

    Returns:
        Whether the head was copied too.

    Raises:
        InvalidValue: A layer of the body differs.
    """
    layers, head = [layer for layer in source.layers if layer.weights], find_head(target)
    others = [layer for layer in target.layers if layer.weights]
    shapes, expected = ([[tuple(w.shape) for w in each.weights] for each in model] for model in (layers, others))
    for layer, ours, theirs in zip(others, expected, shapes, strict=False):
        if ours != theirs and layer is not head:
            raise InvalidValue(
                f"{target.name} must have the layers of the weights; {layer.name} has weights of shape {ours}, "
                f"they {theirs}."
            )
    if len(layers) != len(others):
        raise InvalidValue(f"{target.name} must have {len(layers)} layers, as the weights have; it has {len(others)}.")
    for layer, other in zip(layers, others, strict=True):
        if other is not head or shapes[-1] == expected[-1]:
            other.set_weights(layer.get_weights())
    return shapes[-1] == expected[-1]


def freeze_body(model: keras.Model) -> None:
    """Makes every layer but the head untrainable. Compile the model afterwards."""
    head = find_head(model)
    for layer in model.layers:
        layer.trainable = layer is head
