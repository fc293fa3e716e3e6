"""A table of the layers of a model: output shapes, weights, connections and receptive fields."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import keras
    import pandas as pd


class Field(NamedTuple):
    """The receptive field of a unit, and its distance to that of the next unit, in rows and columns."""

    size: tuple[int, int] = (1, 1)
    step: tuple[int, int] = (1, 1)

    def through(self, window: tuple[int, ...], strides: tuple[int, ...]) -> Field:
        """Returns the field of a unit that is connected to a window of units with this field."""
        size = tuple(size + (units - 1) * step for size, units, step in zip(self.size, window, self.step, strict=True))
        return Field(size, tuple(a * b for a, b in zip(self.step, strides, strict=True)))  # type: ignore[arg-type]


COLUMNS = ["layer", "kind", "output", "parameters", "trainable", "connections", "receptive_field"]


def layer_table(model: keras.Model) -> pd.DataFrame:
    """Returns a table with a row for each layer of a model.

    Connections are counted as by LeCun et al.: one from a unit to each of its inputs and one to its bias, whether
    or not the weights are shared.

    Args:
        model: A built model. The layers of nested models have rows, too.

    Returns:
        A data frame with the columns `layer`; `kind`, the class of the layer; `output`, the shape of its output;
        `parameters`, the number of weights, where shared weights are counted in the first layer; `trainable`, the
        number of those that are trainable; `connections`; and `receptive_field`, the rows and columns of the (resized)
        input image that determine a unit, as `"5x5"`. It is `"all"` after a dense layer, and `""` if the inputs are
        not images or the model is not functional.

    >>> import zoo
    >>> table = zoo.layer_table(zoo.create("lenet5"))
    >>> int(table["trainable"].sum()), int(table["connections"].sum())
    (60000, 340908)
    """
    import pandas as pd

    fields: dict[int, Field | str] = {}  # by id of the output tensor
    counted: set[int] = set()  # ids of weights, which layers may share
    return pd.DataFrame([_row(layer, fields, counted) for layer in _all_layers(model)], columns=COLUMNS)


def _row(layer: keras.Layer, fields: dict[int, Field | str], counted: set[int]) -> dict[str, Any]:
    is_model = _is_model(layer)  # its layers have rows of their own
    weights = [] if is_model else [weight for weight in layer.weights if id(weight) not in counted]
    counted.update(map(id, weights))
    return {
        "layer": layer.name,
        "kind": type(layer).__name__,
        "output": _output_shape(layer),
        "parameters": sum(math.prod(weight.shape) for weight in weights),
        "trainable": sum(math.prod(weight.shape) for weight in weights if weight.trainable),
        "connections": 0 if is_model else _count_connections(layer),
        "receptive_field": _receptive_field(layer, fields),
    }


def _output_shape(layer: keras.Layer) -> str:
    if (output := _tensor(layer, "output")) is not None:
        return _format_shape(output.shape[1:])
    return str(getattr(layer, "units", getattr(layer, "hidden", "")))  # in a subclassed model


def _count_connections(layer: keras.Layer) -> int:
    from keras import layers

    from zoo.layers import RBM, PartialConv2D, RBFOutput, Subsampling, TiedDense

    if isinstance(layer, RBM):
        return int(math.prod(layer.kernel.shape) + sum(layer.kernel.shape))
    inputs, output = _tensor(layer, "input"), _tensor(layer, "output")
    if inputs is None and type(layer) is layers.Dense:  # in a subclassed model
        return layer.count_params()
    if output is None or not hasattr(inputs, "shape"):  # layers with several inputs merge them
        return 0
    units, biased = math.prod(output.shape[1:]), int(getattr(layer, "bias", None) is not None)
    below = inputs.shape[-1]
    if isinstance(layer, PartialConv2D):
        positions, window = units // layer.filters, math.prod(layer.kernel_size)
        return positions * sum(window * len(maps) + 1 for maps in layer.connections)
    if isinstance(layer, layers.Conv2D):
        return units * (math.prod(layer.kernel_size) * below // layer.groups + biased)
    if isinstance(layer, Subsampling):
        return units * (layer.pool_size**2 + biased)
    if isinstance(layer, (layers.MaxPooling2D, layers.AveragePooling2D)):
        return units * math.prod(layer.pool_size)
    if isinstance(layer, (layers.Dense, TiedDense)):
        return units * (below + biased)
    return units * below if isinstance(layer, RBFOutput) else 0


def _receptive_field(layer: keras.Layer, fields: dict[int, Field | str]) -> str:
    """Returns the receptive field of a layer as text, and adds that of its output to `fields`."""
    from keras import layers

    from zoo.layers import Corruption, PartialConv2D, Subsampling

    elementwise = (layers.Flatten, layers.Dropout, layers.Rescaling, Corruption)
    inputs, output = _tensor(layer, "input"), _tensor(layer, "output")
    if inputs is None or not hasattr(output, "shape"):
        return ""
    if isinstance(layer, layers.InputLayer):
        field: Field | str = Field() if len(output.shape) == 4 else ""
    else:
        below = [fields.get(id(tensor), "") for tensor in (inputs if isinstance(inputs, list) else [inputs])]
        field = max(below) if all(isinstance(item, Field) for item in below) else below[0]
    if isinstance(field, Field):
        if isinstance(layer, (layers.Conv2D, PartialConv2D)):
            field = field.through(layer.kernel_size, layer.strides)
        elif isinstance(layer, (layers.MaxPooling2D, layers.AveragePooling2D)):
            field = field.through(layer.pool_size, layer.strides)
        elif isinstance(layer, Subsampling):
            field = field.through((layer.pool_size,) * 2, (layer.pool_size,) * 2)
        elif len(output.shape) != 4 and not isinstance(layer, elementwise):
            field = "all"
    fields[id(output)] = field
    return _format_shape(field.size) if isinstance(field, Field) else field


def _all_layers(model: keras.Model) -> list[keras.Layer]:
    return [item for layer in model.layers for item in ([layer, *_all_layers(layer)] if _is_model(layer) else [layer])]


def _is_model(layer: keras.Layer) -> bool:
    import keras

    return isinstance(layer, keras.Model)


def _tensor(layer: keras.Layer, which: str) -> Any:
    """Returns the input or output of a layer of a functional model, or None."""
    try:
        return getattr(layer, which)
    except (AttributeError, ValueError):
        return None


def _format_shape(sizes: tuple[Any, ...]) -> str:
    return "x".join(map(str, sizes))
