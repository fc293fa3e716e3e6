"""A table of the layers of a model: output shapes, weights, connections and receptive fields."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from zoo.errors import InvalidValue
from zoo.models.receptive_field import ReceptiveFields

if TYPE_CHECKING:
    import keras
    import pandas as pd

POOLING = [f"{kind}Pooling{rank}D" for kind in ("Max", "Average") for rank in (1, 2, 3)]
COLUMNS = ["layer", "kind", "output", "parameters", "trainable", "connections", "receptive_field"]


def layer_table(model: keras.Model) -> pd.DataFrame:
    """Returns a table with a row for each layer of a model.

    Connections are counted as by LeCun et al.: one from a unit to each of its inputs and one to its bias, whether
    or not the weights are shared.

    Args:
        model: A built model. The layers of nested models have rows, too.

    Returns:
        A data frame with the columns `layer`; `kind`, the class of the layer; `output`, the shape of its output, of its
        first call if it is called several times, with `?` for a size that is not fixed; `parameters`, the number of
        weights, where shared weights are counted in the first layer; `trainable`, the number of those that are
        trainable; `connections`, which is missing where it is not known, as for recurrent layers and for sizes that are
        not fixed; and `receptive_field`, the rows and columns of the (resized) input image that determine a unit, as
        `"5x5"`. It is `"all"` after a dense layer, and `""` where it is not known: the inputs are not images, the model
        is not functional, or a layer is not one of classic convolutional networks.

    Raises:
        InvalidValue: `model` is not a model, or has not been built.

    >>> import zoo
    >>> table = zoo.layer_table(zoo.create("lenet5"))
    >>> int(table["trainable"].sum()), int(table["connections"].sum())
    (60000, 340908)
    """
    import keras
    import pandas as pd

    if not isinstance(model, keras.Model):
        raise InvalidValue(f"model must be a Keras model; got {type(model).__name__}.")
    if not model.built:
        raise InvalidValue(f"{model.name} must be built; call it with data, or build(input_shape).")
    fields = ReceptiveFields()
    fields.enter(model)
    counted: set[int] = set()  # ids of weights, which layers may share
    rows = list(_list_rows(model, fields, counted))
    if any(id(weight) not in counted for weight in model.weights):
        rows.append(_make_row(model, _Shapes(), counted))
    return pd.DataFrame(rows, columns=COLUMNS).astype({"connections": "Int64"})


class _Shapes(NamedTuple):
    """The shapes of the inputs and outputs of a layer, without the batch; empty if they are not known."""

    inputs: Sequence[tuple[int | None, ...]] = ()
    outputs: Sequence[tuple[int | None, ...]] = ()

    @property
    def fixed(self) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        """Shapes of the input and of the output; None if there are several, or a size is not fixed."""
        if len(self.inputs) != 1 or len(self.outputs) != 1 or None in (*self.inputs[0], *self.outputs[0]):
            return None
        return self.inputs[0], self.outputs[0]  # type: ignore[return-value]


def _list_rows(model: keras.Model, fields: ReceptiveFields, counted: set[int]) -> Iterator[dict[str, Any]]:
    import keras

    for layer in model.layers:
        inputs, outputs = _find_tensors(layer, "input"), _find_tensors(layer, "output")
        row = _make_row(layer, _find_shapes(layer, inputs, outputs), counted)
        if isinstance(layer, keras.Model):
            fields.enter(layer, inputs)
            rows = list(_list_rows(layer, fields, counted))
            yield row | {"receptive_field": fields.leave(layer, outputs)}
            yield from rows
        else:
            yield row | {"receptive_field": fields.follow(layer, inputs, outputs)}


def _make_row(layer: keras.Layer, shapes: _Shapes, counted: set[int]) -> dict[str, Any]:
    import keras

    of_layers = layer.layers if isinstance(layer, keras.Model) else []  # which have rows of their own
    others = counted | {id(weight) for inner in of_layers for weight in inner.weights}
    weights = [weight for weight in layer.weights if id(weight) not in others]
    counted.update(map(id, weights))
    return {
        "layer": layer.name,
        "kind": type(layer).__name__,
        "output": ", ".join("x".join("?" if size is None else str(size) for size in shape) for shape in shapes.outputs),
        "parameters": sum(math.prod(weight.shape) for weight in weights),
        "trainable": sum(math.prod(weight.shape) for weight in weights if weight.trainable),
        "connections": 0 if of_layers and not weights else _count_connections(layer, shapes),
        "receptive_field": "",
    }


def _find_tensors(layer: keras.Layer, which: str) -> list[Any]:
    """Returns the inputs or outputs of the first call of a layer in a functional model; none in another model."""
    import keras

    try:
        # The property of a functional model has another meaning: its own tensors.
        return keras.tree.flatten(getattr(keras.Operation, which).fget(layer))
    except (AttributeError, ValueError):
        return []


def _find_shapes(layer: keras.Layer, inputs: Sequence[Any], outputs: Sequence[Any]) -> _Shapes:
    if outputs:
        return _Shapes([tuple(tensor.shape[1:]) for tensor in inputs], [tuple(tensor.shape[1:]) for tensor in outputs])
    built_with = layer.get_build_config() or {}  # of a layer of a subclassed model
    shapes = built_with.get("shapes_dict", built_with)
    try:
        output = layer.compute_output_shape(*shapes.values())
    except (NotImplementedError, TypeError, ValueError):  # not built, or a layer that does not know
        return _Shapes()
    return _Shapes(_flatten_shapes([*shapes.values()]), _flatten_shapes(output))


def _flatten_shapes(structure: Any) -> list[tuple[int | None, ...]]:
    """Returns the shapes in a structure without the batch."""
    import keras

    shapes: list[tuple[int | None, ...]] = []
    keras.tree.map_shape_structure(lambda shape: shapes.append(tuple(shape[1:])), structure)
    return shapes


def _count_connections(layer: keras.Layer, shapes: _Shapes) -> int | None:
    """Returns the number of connections; None if it is not known."""
    from keras import layers

    from zoo.layers import RBM, PartialConv2D, RBFOutput, Subsampling, TiedDense

    if isinstance(layer, RBM) and layer.built:
        return int(math.prod(layer.kernel.shape) + sum(layer.kernel.shape))
    if shapes.fixed is None:
        return None if layer.weights or not layer.built else 0
    below, above = shapes.fixed
    units, biased = math.prod(above), int(getattr(layer, "bias", None) is not None)
    if isinstance(layer, PartialConv2D):
        positions, window = units // layer.filters, math.prod(layer.kernel_size)
        return positions * sum(window * len(maps) + 1 for maps in layer.connections)
    if isinstance(layer, (layers.Conv1D, layers.Conv2D, layers.Conv3D)):
        channels = below[0 if layer.data_format == "channels_first" else -1]
        return units * (math.prod(layer.kernel_size) * channels // layer.groups + biased)
    if isinstance(layer, (layers.DepthwiseConv1D, layers.DepthwiseConv2D)):
        return units * (math.prod(layer.kernel_size) + biased)
    if isinstance(layer, Subsampling):
        return units * (layer.pool_size**2 + biased)
    if type(layer).__name__ in POOLING:
        return units * math.prod(layer.pool_size)
    if isinstance(layer, (layers.Dense, TiedDense)):
        return units * (below[-1] + biased)
    if isinstance(layer, RBFOutput):
        return units * below[-1]
    return None if layer.weights else 0
