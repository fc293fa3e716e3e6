"""What each layer of a model is: its output's shape, its weights and connections, and how much of the input it sees."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import keras
    import pandas as pd


class Field(NamedTuple):
    """What of the input one unit sees, and how far its neighbour's begins from its own: in rows and columns."""

    size: tuple[int, int] = (1, 1)
    step: tuple[int, int] = (1, 1)

    def through(self, window: tuple[int, ...], strides: tuple[int, ...]) -> Field:
        """Returns the field of a unit that sees such a window of units with this one."""
        size = tuple(own + (more - 1) * step for own, more, step in zip(self.size, window, self.step, strict=True))
        return Field(size, tuple(a * b for a, b in zip(self.step, strides, strict=True)))  # type: ignore[arg-type]


COLUMNS = ["layer", "kind", "output", "parameters", "trainable", "connections", "receptive_field"]


def layer_table(model: keras.Model) -> pd.DataFrame:
    """Returns a row for each layer of a model.

    Connections are counted as LeCun et al. do: each unit has one to each unit below that it sees and one to its bias,
    whether or not their weights are shared.

    Args:
        model: A built model. A model among its layers has its own layers in the table.

    Returns:
        Columns `layer`; `kind`, the layer's class; `output`, the shape of its output; `parameters`, and how many
        of them are `trainable`, weights that layers share in the first of them; `connections`; `receptive_field`,
        how many rows and columns of the input image a unit sees, as in `"5x5"`, `"all"` behind a dense layer, and
        `""` where the inputs are no images or the model is no graph. Where images are resized, these are pixels of
        the resized ones.

    >>> import zoo
    >>> table = zoo.layer_table(zoo.create("lenet5"))
    >>> int(table["trainable"].sum()), int(table["connections"].sum())
    (60000, 340908)
    """
    import pandas as pd

    seen: dict[int, Field | str] = {}  # by the tensor that it is of
    counted: set[int] = set()  # weights, which layers may share
    return pd.DataFrame([_row(layer, seen, counted) for layer in _all_layers(model)], columns=COLUMNS)


def _row(layer: keras.Layer, seen: dict[int, Field | str], counted: set[int]) -> dict[str, Any]:
    own = _is_model(layer)  # whose layers come with rows of their own
    weights = [] if own else [weight for weight in layer.weights if id(weight) not in counted]
    counted.update(map(id, weights))
    return {
        "layer": layer.name,
        "kind": type(layer).__name__,
        "output": _output(layer),
        "parameters": sum(math.prod(weight.shape) for weight in weights),
        "trainable": sum(math.prod(weight.shape) for weight in weights if weight.trainable),
        "connections": 0 if own else _connections(layer),
        "receptive_field": _receptive_field(layer, seen),
    }


def _output(layer: keras.Layer) -> str:
    if (output := _tensor(layer, "output")) is not None:
        return _words(output.shape[1:])
    return str(getattr(layer, "units", getattr(layer, "hidden", "")))  # in a model that is no graph


def _connections(layer: keras.Layer) -> int:
    from keras import layers

    from zoo.layers import RBM, PartialConv2D, RBFOutput, Subsampling, TiedDense

    if isinstance(layer, RBM):
        return int(math.prod(layer.kernel.shape) + sum(layer.kernel.shape))
    inputs, output = _tensor(layer, "input"), _tensor(layer, "output")
    if inputs is None and type(layer) is layers.Dense:  # in a model that is no graph
        return layer.count_params()
    if output is None or not hasattr(inputs, "shape"):  # several inputs are joined, not connected
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


def _receptive_field(layer: keras.Layer, seen: dict[int, Field | str]) -> str:
    """Returns it in words, and enters that of the layer's output among those that were seen."""
    from keras import layers

    from zoo.layers import Corruption, PartialConv2D, Subsampling

    unit_by_unit = (layers.Flatten, layers.Dropout, layers.Rescaling, Corruption)
    inputs, output = _tensor(layer, "input"), _tensor(layer, "output")
    if inputs is None or not hasattr(output, "shape"):
        return ""
    if isinstance(layer, layers.InputLayer):
        field: Field | str = Field() if len(output.shape) == 4 else ""
    else:
        fields = [seen.get(id(each), "") for each in (inputs if isinstance(inputs, list) else [inputs])]
        field = max(fields) if all(isinstance(each, Field) for each in fields) else fields[0]
    if isinstance(field, Field):
        if isinstance(layer, (layers.Conv2D, PartialConv2D)):
            field = field.through(layer.kernel_size, layer.strides)
        elif isinstance(layer, (layers.MaxPooling2D, layers.AveragePooling2D)):
            field = field.through(layer.pool_size, layer.strides)
        elif isinstance(layer, Subsampling):
            field = field.through((layer.pool_size,) * 2, (layer.pool_size,) * 2)
        elif len(output.shape) != 4 and not isinstance(layer, unit_by_unit):
            field = "all"
    seen[id(output)] = field
    return _words(field.size) if isinstance(field, Field) else field


def _all_layers(model: keras.Model) -> list[keras.Layer]:
    return [each for layer in model.layers for each in ([layer, *_all_layers(layer)] if _is_model(layer) else [layer])]


def _is_model(layer: keras.Layer) -> bool:
    import keras

    return isinstance(layer, keras.Model)


def _tensor(layer: keras.Layer, which: str) -> Any:
    """Returns a layer's input or output in the graph of a functional model, or None where there is none."""
    try:
        return getattr(layer, which)
    except (AttributeError, ValueError):
        return None


def _words(sizes: tuple[Any, ...]) -> str:
    return "x".join(map(str, sizes))
