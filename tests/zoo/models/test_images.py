import keras
import numpy as np
import pytest

from zoo.errors import InvalidValue
from zoo.models.images import image_input


def made(shape, *, resize=False):
    return keras.Model(*image_input("net", shape, size=32, padded=(28,), resize=resize))


def test_images_of_the_right_size_are_unchanged():
    x = np.random.default_rng(0).uniform(size=(2, 32, 32, 1)).astype("float32")
    np.testing.assert_array_equal(made((32, 32, 1))(x), x)


@pytest.mark.parametrize("resize", [False, True])
def test_known_smaller_sizes_are_padded_even_with_resize(resize):
    x = np.random.default_rng(0).uniform(size=(2, 28, 28, 1)).astype("float32")
    np.testing.assert_array_equal(made((28, 28, 1), resize=resize)(x), np.pad(x, [(0, 0), (2, 2), (2, 2), (0, 0)]))


def test_other_sizes_are_resized_with_resize():
    assert made((8, 16, 1), resize=True)(np.full((1, 8, 16, 1), 0.5)).numpy() == pytest.approx(
        np.full((1, 32, 32, 1), 0.5)
    )


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        (
            (8, 8, 1),
            "must have 28x28 or 32x32 pixels; got 8x8. Use resize=True .--set resize=True., or pad them to 32x32",
        ),
        ((32, 28, 1), "got 32x28. Use resize=True .*, or pad them"),
        ((40, 28, 1), "got 40x28. Use resize=True .*, or crop them to 32x32"),
        ((28, 28, 3), r"input_shape must be \(rows, columns, 1\), gray images.*got \(28, 28, 3\)"),
        ((2,), "gray images"),
    ],
)
def test_other_shapes_raise(shape, sentence):
    with pytest.raises(InvalidValue, match=sentence):
        made(shape)
