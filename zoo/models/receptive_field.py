"""Receptive fields: the rows and columns of the input image that determine a unit of a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import keras

ALL, UNKNOWN = "all", ""


class Field(NamedTuple):
    """The receptive field of a unit, and its distance to that of the next unit, in rows and columns."""

    size: tuple[int, int] = (1, 1)
    step: tuple[int, int] = (1, 1)

    def through(self, window: Sequence[int], strides: Sequence[int], dilation: Sequence[int] = (1, 1)) -> Field:
        """Returns the field of a unit that is connected to a window of units with this field."""
        size = tuple(
            size + (units - 1) * apart * step
            for size, units, apart, step in zip(self.size, window, dilation, self.step, strict=True)
        )
        return Field(size, tuple(a * b for a, b in zip(self.step, strides, strict=True)))  # type: ignore[arg-type]


class ReceptiveFields:
    """The fields of the tensors of a functional model, which its layers are followed through in order."""

    def __init__(self) -> None:
        self._fields: dict[int, Field | str] = {}  # by id of the tensor

    def enter(self, model: keras.Model, outside: Sequence[Any] | None = None) -> None:
        """Sets the fields of the inputs of a model.

        Args:
            model: The model.
            outside: Tensors that a nested model is called with. Defaults to None: the inputs are those of the user.
        """
        inside = _tensors(model, "inputs")
        if outside is None:
            self._fields |= {id(tensor): Field() if len(tensor.shape) == 4 else UNKNOWN for tensor in inside}
        else:
            self._fields |= dict(zip(map(id, inside), map(self._of, outside), strict=False))

    def leave(self, model: keras.Model, outside: Sequence[Any]) -> str:
        """Returns the field of the outputs of a nested model as text, and keeps it for the layers above.

        Args:
            model: The model.
            outside: Tensors that its call returns.
        """
        fields = [self._of(tensor) for tensor in _tensors(model, "outputs")]
        self._fields |= dict(zip(map(id, outside), fields, strict=False))
        return _format(_merge(fields))

    def follow(self, layer: keras.Layer, inputs: Sequence[Any], outputs: Sequence[Any]) -> str:
        """Returns the field of a layer as text, and keeps it for the layers above.

        Args:
            layer: The layer.
            inputs: Tensors that it is called with.
            outputs: Tensors that its call returns.
        """
        from keras import layers

        if isinstance(layer, layers.InputLayer):
            return _format(_merge([self._of(tensor) for tensor in outputs]))
        below = _merge([self._of(tensor) for tensor in inputs])
        field = _pass(layer, below, outputs) if isinstance(below, Field) else below
        self._fields |= {id(tensor): field for tensor in outputs}
        return _format(field)

    def _of(self, tensor: Any) -> Field | str:
        return self._fields.get(id(tensor), UNKNOWN)


def _pass(layer: keras.Layer, field: Field, outputs: Sequence[Any]) -> Field | str:
    """Returns the field of the units of a layer above units with a field."""
    from keras import layers

    from zoo.layers import Corruption, DigitWidth, Distortion, PartialConv2D, RBFOutput, Subsampling, TiedDense

    if isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D)):
        return field.through(layer.kernel_size, layer.strides, layer.dilation_rate)
    if isinstance(layer, PartialConv2D):
        return field.through(layer.kernel_size, layer.strides)
    if isinstance(layer, (layers.MaxPooling2D, layers.AveragePooling2D)):
        return field.through(layer.pool_size, layer.strides)
    if isinstance(layer, Subsampling):
        return field.through((layer.pool_size,) * 2, (layer.pool_size,) * 2)
    if isinstance(layer, (layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D, RBFOutput)):
        return ALL
    are_maps = len(outputs[0].shape) == 4
    if isinstance(layer, (layers.Dense, layers.Softmax, TiedDense)):  # along the last axis
        return field if are_maps else ALL
    if isinstance(layer, layers.Reshape):
        return UNKNOWN if are_maps else field
    is_resizing_the_input = isinstance(layer, layers.Resizing) and field == Field()
    is_pointwise = isinstance(
        layer,
        (
            *(layers.Flatten, layers.Identity, layers.ZeroPadding2D, layers.Cropping2D),
            *(layers.Activation, layers.ReLU, layers.LeakyReLU, layers.PReLU, layers.ELU),
            *(layers.Dropout, layers.SpatialDropout2D, layers.GaussianDropout, layers.GaussianNoise),
            *(layers.BatchNormalization, layers.Normalization, layers.Rescaling),
            *(layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum),
            *(layers.Concatenate, Corruption, DigitWidth, Distortion),
        ),
    )
    return field if is_pointwise or is_resizing_the_input else UNKNOWN


def _merge(fields: Sequence[Field | str]) -> Field | str:
    """Returns the field of a unit above units with several fields."""
    sizes = [field for field in fields if isinstance(field, Field)]
    if len(sizes) < len(fields):
        return UNKNOWN if UNKNOWN in fields else ALL
    if len({field.step for field in sizes}) != 1:
        return UNKNOWN
    return Field((max(field.size[0] for field in sizes), max(field.size[1] for field in sizes)), sizes[0].step)


def _tensors(model: keras.Model, name: str) -> list[Any]:
    """Returns the inputs or outputs of a functional model, or none."""
    import keras

    tensors = keras.tree.flatten(getattr(model, name, None))
    return [tensor for tensor in tensors if isinstance(tensor, keras.KerasTensor)]


def _format(field: Field | str) -> str:
    return "x".join(map(str, field.size)) if isinstance(field, Field) else field
