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
def test_content_gets_the_width_and_is_centered(left, right, width):
    scaled = DigitWidth(width)(image(left, right)).numpy()
    assert inked(scaled) == ((20 - width) // 2, (20 - width) // 2 + width)
    np.testing.assert_allclose(scaled.max(), 1)
    np.testing.assert_array_equal(scaled[:, 0], 0)  # rows are left where they are


def test_centered_content_of_that_width_is_unchanged():
    x = np.random.default_rng(0).uniform(0.1, 1, size=(3, 4, 20, 2)).astype("float32")
    x[:, :, :5] = x[:, :, 15:] = 0
    np.testing.assert_allclose(DigitWidth(10)(x), x, atol=1e-6)


def test_each_image_is_scaled_by_its_own_factor():
    x = np.concatenate([image(2, 5), image(4, 16)])
    scaled = DigitWidth(8)(x).numpy()
    assert inked(scaled[:1]) == inked(scaled[1:]) == (6, 14)


def test_an_empty_image_stays_empty():
    assert not DigitWidth(8)(np.zeros((2, 4, 20, 1))).numpy().any()


def test_config_round_trip():
    layer = DigitWidth(8)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.width == 8


@pytest.mark.parametrize(
    ("width", "sentence"),
    [(0, ">= 1; got 0"), (21, "width must be at most 20, the width of the images; got 21")],
)
def test_width_out_of_range_raises(width, sentence):
    with pytest.raises(InvalidValue, match=sentence):
        DigitWidth(width)(image(0, 1))
