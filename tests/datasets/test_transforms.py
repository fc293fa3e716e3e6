import numpy as np
import pytest
from scipy import ndimage

from zoo import datasets
from zoo.datasets.transforms import framed, shifted, with_shifted
from zoo.errors import InvalidValue

DIGITS = datasets.load("digits")


@pytest.mark.parametrize("down", [-9, -3, 0, 2, 8])
@pytest.mark.parametrize("right", [-2, 0, 1])
def test_images_move_as_scipy_moves_them(down, right):
    x = DIGITS.test.x[:5]
    expected = ndimage.shift(x, (0, down, right, 0), order=0)
    np.testing.assert_array_equal(shifted(x, down, right), expected)


def test_only_the_training_set_gets_five_times_as_large():
    larger, count = with_shifted(DIGITS), len(DIGITS.train)
    np.testing.assert_array_equal(larger.train.x[:count], DIGITS.train.x)
    for number, move in enumerate(((1, 0), (-1, 0), (0, 1), (0, -1)), start=1):
        part = slice(number * count, (number + 1) * count)
        np.testing.assert_array_equal(larger.train.x[part], shifted(DIGITS.train.x, *move))
        np.testing.assert_array_equal(larger.train.y[part], DIGITS.train.y)
    assert larger.test is DIGITS.test


def test_images_get_a_margin_and_are_enlarged_if_they_fit_twice():
    larger = framed(DIGITS, 32)
    inside = larger.test.x[:, 8:24, 8:24]
    np.testing.assert_array_equal(inside[:, ::2, ::2], DIGITS.test.x)
    np.testing.assert_array_equal(inside[:, 1::2, 1::2], DIGITS.test.x)
    assert larger.test.x.sum() == pytest.approx(inside.sum())
    only_framed = framed(DIGITS, 11)
    np.testing.assert_array_equal(only_framed.test.x[:, 1:9, 1:9], DIGITS.test.x)
    assert only_framed.input_shape == only_framed.source.input_shape == (11, 11, 1)


def test_larger_images_and_points_are_refused():
    with pytest.raises(InvalidValue, match="side must be at least that of the images, 8x8; got 6"):
        framed(DIGITS, 6)
    with pytest.raises(InvalidValue, match=r"data must be images; moons has examples of shape \(2,\)"):
        with_shifted(datasets.load("moons"))
