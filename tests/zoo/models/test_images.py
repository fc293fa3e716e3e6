import keras
import numpy as np
import pytest

from zoo.errors import InvalidValue
from zoo.models.images import image_input


def made(shape, *, resize=False):
    return keras.Model(*image_input("net", shape, size=32, padded=(28,), resize=resize))


def test_images_of_the_right_size_are_taken_as_they_are():
    x = np.random.default_rng(0).uniform(size=(2, 32, 32, 1)).astype("float32")
    np.testing.assert_array_equal(made((32, 32, 1))(x), x)


@pytest.mark.parametrize("resize", [False, True])
def test_known_smaller_ones_are_padded_with_zeros_even_where_others_are_resized(resize):
    x = np.random.default_rng(0).uniform(size=(2, 28, 28, 1)).astype("float32")
    np.testing.assert_array_equal(made((28, 28, 1), resize=resize)(x), np.pad(x, [(0, 0), (2, 2), (2, 2), (0, 0)]))


def test_others_are_resized_if_that_is_wanted():
    assert made((8, 16, 1), resize=True)(np.full((1, 8, 16, 1), 0.5)).numpy() == pytest.approx(
        np.full((1, 32, 32, 1), 0.5)
    )


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        (
            (8, 8, 1),
            "28x28 or 32x32; got 8x8. Pad them to 32x32, take resize=True .--set resize=True., which resizes them",
        ),
        ((32, 28, 1), "got 32x28. Pad them"),
        ((40, 28, 1), "got 40x28. Cut them to 32x32, take resize=True"),
        ((28, 28, 3), r"grey images, \(rows, columns, 1\).*got input_shape \(28, 28, 3\)"),
        ((2,), "grey images"),
    ],
)
def test_what_does_not_fit_is_refused_and_told_what_to_do(shape, sentence):
    with pytest.raises(InvalidValue, match=sentence):
        made(shape)
