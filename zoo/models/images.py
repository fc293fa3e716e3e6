"""Inputs of networks that were published for one image size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.errors import InvalidValue

if TYPE_CHECKING:
    import keras


def image_input(
    model: str, input_shape: tuple[int, ...], *, size: int, padded: tuple[int, ...] = (), resize: bool
) -> tuple[keras.KerasTensor, Any]:
    """Returns the input of a model, and the input as gray images of `size` x `size`.

    Args:
        model: Name of the model, for the message.
        input_shape: Shape of one image, `(rows, columns, channels)`.
        size: Side of the images that the network expects.
        padded: Smaller sides that are padded with zeros on all sides, as MNIST's 28 to 32. Defaults to none.
        resize: Whether to resize images of any other size.

    Raises:
        InvalidValue: As `check_image` raises it.
    """
    check_image(model, input_shape, size=size, padded=padded, resize=resize)
    import keras
    from keras import layers

    rows, columns, _ = input_shape
    inputs = keras.Input(input_shape, name="input")
    if rows == columns == size:
        return inputs, inputs
    if rows == columns and rows in padded:
        before = (size - rows) // 2
        around = (before, size - rows - before)
        return inputs, layers.ZeroPadding2D((around, around), name="pad")(inputs)
    return inputs, layers.Resizing(size, size, name="resize")(inputs)


def check_image(
    model: str, input_shape: tuple[int, ...], *, size: int, padded: tuple[int, ...] = (), resize: bool
) -> None:
    """Checks the shape of the images of a model; the arguments are those of `image_input`.

    Raises:
        InvalidValue: The images are not gray, or have another size and `resize` is False.
    """
    if len(input_shape) != 3 or input_shape[2] != 1:
        raise InvalidValue(
            f"{model}: input_shape must be (rows, columns, 1), gray images, as in (28, 28, 1); got {input_shape}. "
            "Convert color images with keras.ops.image.rgb_to_grayscale."
        )
    rows, columns, _ = input_shape
    if resize or (rows == columns and rows in (size, *padded)):
        return
    sizes = " or ".join(f"{side}x{side}" for side in sorted({size, *padded}))
    raise InvalidValue(
        f"{model}: images must have {sizes} pixels; got {rows}x{columns}. Use resize=True (--set resize=True), or "
        f"{'crop' if max(rows, columns) > size else 'pad'} them to {size}x{size}."
    )
