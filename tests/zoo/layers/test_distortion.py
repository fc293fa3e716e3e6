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


def test_sampling_between_pixels_is_scipy_s():
    places = np.random.default_rng(1).uniform(-2, 12, size=(2, 3, 4, 5)).astype("float32")
    found = sample_at(IMAGES, *places)
    for image in range(3):
        for channel in range(2):
            # One more pixel of 0 on each side: between it and the image SciPy interpolates as well.
            padded = np.pad(IMAGES[image, :, :, channel], 1)
            expected = ndimage.map_coordinates(padded, places[:, image] + 1, order=1, mode="constant")
            np.testing.assert_allclose(found[image, :, :, channel], expected, atol=1e-5)


def test_it_leaves_images_alone_outside_training_and_at_strength_0():
    np.testing.assert_array_equal(Distortion()(IMAGES), IMAGES)
    np.testing.assert_array_equal(Distortion(0.0)(IMAGES, training=True), IMAGES)


def test_every_image_is_distorted_in_its_own_way_and_each_time_anew():
    layer = Distortion(seed=1)
    same = np.repeat(IMAGES[:1], 2, axis=0)
    first, second = (layer(same, training=True).numpy() for _ in range(2))
    assert (first[0] != first[1]).any()
    assert (first != second).any()
    np.testing.assert_array_equal(Distortion(seed=1)(same, training=True), first)


def test_distortions_go_as_far_as_they_are_said_to_and_no_further():
    layer = Distortion(seed=0)
    row, column = (np.asarray(each) for each in layer._sources(4000, 29, 29))
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


def test_distorting_twice_as_strongly_moves_twice_as_far():
    weak, strong = (np.asarray(Distortion(strength, seed=3)._sources(50, 15, 15)) for strength in (0.001, 0.002))
    still = np.asarray(Distortion(0.0, seed=3)._sources(50, 15, 15))
    np.testing.assert_allclose(strong - still, 2 * (weak - still), atol=2e-4)


def test_an_image_keeps_most_of_its_ink_and_stays_in_its_range():
    images = np.repeat(blob(), 200, axis=0)
    distorted = Distortion(seed=0)(images, training=True).numpy()
    assert distorted.min() >= 0
    assert distorted.max() <= 1 + 1e-6
    assert distorted.sum(axis=(1, 2, 3)).mean() == pytest.approx(blob().sum(), rel=0.1)
    assert (distorted[0] != images[0]).any()


def test_it_is_made_again_from_its_configuration():
    layer = Distortion(0.5, seed=3)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    np.testing.assert_array_equal(again(IMAGES, training=True), layer(IMAGES, training=True))


def test_a_strength_below_0_is_refused():
    with pytest.raises(InvalidValue, match=r"strength must be a number >= 0; got -1"):
        Distortion(-1.0)
