import keras
import numpy as np
import pytest

from zoo.errors import InvalidValue
from zoo.layers import DigitWidth


def image(left, right, columns=20, rows=4):
    x = np.zeros((1, rows, columns, 1), "float32")
    x[:, 1:3, left:right] = 1
    return x


def inked(x):
    columns = np.flatnonzero(np.asarray(x)[0, 1, :, 0] > 0)
    return columns.min(), columns.max() + 1


@pytest.mark.parametrize(("left", "right"), [(0, 1), (3, 7), (12, 20), (0, 20)])
@pytest.mark.parametrize("width", [4, 10, 20])
def test_whatever_is_there_is_as_wide_as_wanted_and_in_the_middle(left, right, width):
    found = DigitWidth(width)(image(left, right)).numpy()
    assert inked(found) == ((20 - width) // 2, (20 - width) // 2 + width)
    np.testing.assert_allclose(found.max(), 1)
    np.testing.assert_array_equal(found[:, 0], 0)  # rows are left where they are


def test_an_image_of_that_width_in_the_middle_is_left_as_it_is():
    x = np.random.default_rng(0).uniform(0.1, 1, size=(3, 4, 20, 2)).astype("float32")
    x[:, :, :5] = x[:, :, 15:] = 0
    np.testing.assert_allclose(DigitWidth(10)(x), x, atol=1e-6)


def test_each_image_is_stretched_by_what_it_needs():
    x = np.concatenate([image(2, 5), image(4, 16)])
    found = DigitWidth(8)(x).numpy()
    assert inked(found[:1]) == inked(found[1:]) == (6, 14)


def test_an_empty_image_stays_empty():
    assert not DigitWidth(8)(np.zeros((2, 4, 20, 1))).numpy().any()


def test_it_is_made_again_from_its_configuration():
    layer = DigitWidth(8)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.width == 8


@pytest.mark.parametrize(("width", "sentence"), [(0, ">= 1; got 0"), (21, "that of the images, 20; got 21")])
def test_a_width_out_of_range_is_refused(width, sentence):
    with pytest.raises(InvalidValue, match=sentence):
        DigitWidth(width)(image(0, 1))
