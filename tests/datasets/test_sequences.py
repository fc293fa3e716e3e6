import numpy as np
import pytest

from zoo import datasets
from zoo.datasets.sequences import sequences
from zoo.errors import InvalidValue

DIGITS = datasets.load("digits")


def make(**settings):
    return sequences(DIGITS, **{"longest": 4, "noise": 0.0, "shift": 0, **settings})


def test_an_image_has_the_digits_of_its_label_side_by_side_in_the_middle():
    data = make()
    assert data.input_shape == (8, 32, 1)
    labels = {digit.tobytes(): label for digit, label in zip(DIGITS.train.x, DIGITS.train.y, strict=True)}
    for image, (length, *digits) in zip(data.train.x[:100], data.train.y[:100], strict=True):
        count = length + 1
        left = (4 - count) * 8 // 2
        read = [labels[image[:, left + 8 * n : left + 8 * n + 8].tobytes()] for n in range(count)]
        assert read == digits[:count]
        assert digits[count:] == [10] * (4 - count)
        assert image[:, :left].sum() == image[:, left + 8 * count :].sum() == 0


def test_all_lengths_are_equally_probable():
    y = make(per_digit=8.0).train.y
    shares = np.bincount(y[:, 0]) / len(y)
    assert shares == pytest.approx([0.25] * 4, abs=0.02)


def test_a_sequence_is_moved_as_a_whole_within_its_margin():
    still, moved = make(), make(shift=2)
    assert moved.input_shape == (12, 36, 1)
    places = set()
    for image, moved_image in zip(still.train.x, moved.train.x, strict=True):
        offsets = [
            (down, right)
            for down in range(5)
            for right in range(5)
            if np.array_equal(moved_image[down : down + 8, right : right + 32], image)
        ]
        assert offsets
        places.update(offsets)
    assert len(places) == 25


def test_noise_has_its_standard_deviation_and_images_stay_between_0_and_1():
    data = make(noise=0.2, per_digit=4.0)
    empty = data.train.x[data.train.y[:, 0] == 0][:, :, :8]  # left of a single digit
    assert np.mean(np.square(empty)) == pytest.approx(0.2**2 / 2, rel=0.05)  # its lower half is cut
    assert data.train.x.min() == 0
    assert data.train.x.max() == 1


def test_each_split_is_made_of_its_own_digits():
    data, sources = make(longest=1), {name: split.x for name, split in DIGITS.splits.items()}
    for name, split in data.splits.items():
        digits = {digit.tobytes() for digit in sources[name]}
        assert all(image.tobytes() in digits for image in split.x)


def test_digits_can_be_shrunk_to_the_means_of_squares():
    small = make(shrink=2, longest=1)
    means = {x.reshape(4, 2, 4, 2, 1).mean(axis=(1, 3)).astype("float32").tobytes() for x in DIGITS.train.x}
    assert small.input_shape == (4, 4, 1)
    assert all(image.tobytes() in means for image in small.train.x[:50])


def test_the_seed_decides_the_sequences():
    assert make(seed=1).digest == make(seed=1).digest != make(seed=2).digest


def test_its_source_describes_the_loaded_data():
    source = datasets.source("digits_sequences")
    data = datasets.load("digits_sequences")
    assert source.input_shape == data.input_shape == (12, 44, 1)
    assert source.examples == sum(map(len, data.splits.values()))
    assert (data.longest, data.classes) == (5, 11)
    assert data.class_counts["train"].sum() == 5 * len(data.train)


def test_validation_is_a_number_of_sequences():
    assert len(datasets.load("digits_sequences", validation=800).validation) == 800
    assert datasets.load("digits_sequences", validation=0).validation is None


def test_the_test_set_does_not_depend_on_the_validation_set():
    larger, smaller = (datasets.load("digits_sequences", validation=size) for size in (0.2, 0))
    np.testing.assert_array_equal(larger.test.x, smaller.test.x)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"longest": 0}, "longest must be an integer >= 1; got 0"),
        ({"noise": -0.1}, "noise must be a number >= 0; got -0.1"),
        ({"per_digit": 0}, "per_digit must be a number > 0; got 0"),
        ({"shrink": 3}, "shrink must divide the sides of the images, 8 and 8; got 3"),
    ],
)
def test_a_setting_out_of_range_is_refused(settings, message):
    with pytest.raises(InvalidValue, match=message):
        make(**settings)


@pytest.mark.parametrize("name", ["moons", "digits_sequences"])
def test_sequences_are_made_of_single_digits(name):
    with pytest.raises(InvalidValue, match=f"data must be images with one label each, such as digits; got {name}"):
        sequences(datasets.load(name))


def test_sequences_have_no_folds():
    with pytest.raises(InvalidValue, match="digits_sequences has sequences, which have no folds"):
        next(datasets.load("digits_sequences").folds())
