"""How images of other sizes get to a net that was published for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.errors import InvalidValue

if TYPE_CHECKING:
    import keras


def image_input(
    model: str, input_shape: tuple[int, ...], *, size: int, padded: tuple[int, ...] = (), resize: bool
) -> tuple[keras.KerasTensor, Any]:
    """Returns a model's input, and the same as grey images of `size` x `size`.

    Args:
        model: The model's name, for the message.
        input_shape: Shape of one image, `(rows, columns, channels)`.
        size: Side of the images that the net works on.
        padded: Smaller sides that are padded with zeros on all sides, as MNIST's 28 is to 32.
        resize: Whether images of any other size are resized.

    Raises:
        InvalidValue: Images of another size that are not to be resized, or not in grey.
    """
    import keras
    from keras import layers

    if len(input_shape) != 3 or input_shape[2] != 1:
        raise InvalidValue(
            f"{model} takes grey images, (rows, columns, 1), as in (28, 28, 1); got input_shape {input_shape}. Make "
            f"colours grey first, as keras.ops.image.rgb_to_grayscale does, and points into an image."
        )
    rows, columns, _ = input_shape
    inputs = keras.Input(input_shape, name="input")
    if rows == columns == size:
        return inputs, inputs
    if rows == columns and rows in padded:
        before = (size - rows) // 2
        around = (before, size - rows - before)
        return inputs, layers.ZeroPadding2D((around, around), name="pad")(inputs)
    if resize:
        return inputs, layers.Resizing(size, size, name="resize")(inputs)
    sizes = " or ".join(f"{side}x{side}" for side in sorted({size, *padded}))
    raise InvalidValue(
        f"{model} takes images of {sizes}; got {rows}x{columns}. {'Cut' if max(rows, columns) > size else 'Pad'} them "
        f"to {size}x{size}, take resize=True (--set resize=True), which resizes them, or a data set such as mnist."
    )
