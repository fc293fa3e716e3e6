import keras
import numpy as np
import pytest
from scipy import ndimage

from zoo.errors import InvalidValue
from zoo.layers import Distortion
from zoo.layers.distortion import ROTATION, SCALING, SHEAR, TRANSLATION, sample_at

IMAGES = np.random.default_rng(0).uniform(size=(3, 9, 11, 2)).astype("float32")


def blob(side=29):
    """An image of a smooth spot above and to the left of the middle."""
    row, column = np.mgrid[:side, :side]
    return np.exp(-((row - 10) ** 2 + (column - 12) ** 2) / 8)[None, :, :, None].astype("float32")


def test_interpolation_equals_scipy():
    places = np.random.default_rng(1).uniform(-2, 12, size=(2, 3, 4, 5)).astype("float32")
    sampled = sample_at(IMAGES, *places)
    for image in range(3):
        for channel in range(2):
            # One more pixel of 0 on each side: between it and the image SciPy interpolates as well.
            padded = np.pad(IMAGES[image, :, :, channel], 1)
            expected = ndimage.map_coordinates(padded, places[:, image] + 1, order=1, mode="constant")
            np.testing.assert_allclose(sampled[image, :, :, channel], expected, atol=1e-5)


def test_images_are_unchanged_outside_training_and_with_strength_0():
    np.testing.assert_array_equal(Distortion()(IMAGES), IMAGES)
    np.testing.assert_array_equal(Distortion(0.0)(IMAGES, training=True), IMAGES)


def test_each_image_and_each_call_gets_another_distortion():
    layer = Distortion(seed=1)
    same = np.repeat(IMAGES[:1], 2, axis=0)
    first, second = (layer(same, training=True).numpy() for _ in range(2))
    assert (first[0] != first[1]).any()
    assert (first != second).any()
    np.testing.assert_array_equal(Distortion(seed=1)(same, training=True), first)


def test_distortions_reach_the_documented_limits_and_do_not_exceed_them():
    layer = Distortion(seed=0)
    row, column = map(np.asarray, layer._draw_positions(4000, 29, 29))
    middle = row[:, 14, 14] - 14, column[:, 14, 14] - 14  # neither turned nor scaled
    for moved in middle:
        # Shifts, evenly from an interval, and the elastic part, nearly normal.
        elastic = 34 / (2 * np.sqrt(np.pi) * 4) / np.sqrt(3)
        assert moved.std() == pytest.approx(np.hypot(29 * TRANSLATION / np.sqrt(3), elastic), rel=0.05)
        assert abs(moved.mean()) < 0.1
    # Without the elastic part, the slopes of the map are the affine one's.
    slopes = (row[:, -1, 14] - row[:, 0, 14]) / 28, (column[:, 14, -1] - column[:, 14, 0]) / 28
    for slope in slopes:
        assert slope.mean() == pytest.approx(np.sin(ROTATION) / ROTATION, abs=0.01)
        assert slope.std() < SCALING + SHEAR


def test_twice_the_strength_moves_pixels_twice_as_far():
    weak, strong = (np.asarray(Distortion(strength, seed=3)._draw_positions(50, 15, 15)) for strength in (0.001, 0.002))
    still = np.asarray(Distortion(0.0, seed=3)._draw_positions(50, 15, 15))
    np.testing.assert_allclose(strong - still, 2 * (weak - still), atol=2e-4)


def test_an_image_keeps_most_of_its_ink_and_its_range():
    images = np.repeat(blob(), 200, axis=0)
    distorted = Distortion(seed=0)(images, training=True).numpy()
    assert distorted.min() >= 0
    assert distorted.max() <= 1 + 1e-6
    assert distorted.sum(axis=(1, 2, 3)).mean() == pytest.approx(blob().sum(), rel=0.1)
    assert (distorted[0] != images[0]).any()


def test_config_round_trip():
    layer = Distortion(0.5, seed=3)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    np.testing.assert_array_equal(again(IMAGES, training=True), layer(IMAGES, training=True))


def test_negative_strength_raises():
    with pytest.raises(InvalidValue, match=r"strength must be a number >= 0; got -1"):
        Distortion(-1.0)
