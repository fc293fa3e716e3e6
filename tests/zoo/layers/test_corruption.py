import keras
import numpy as np
import pytest
from scipy import stats

from zoo.errors import InvalidValue
from zoo.layers import Corruption

X = np.random.default_rng(0).uniform(0.2, 0.8, (200, 500)).astype("float32")


def corrupted(noise, level, x=X, seed=0):
    return Corruption(noise, level, seed=seed)(x, training=True).numpy()


def share_within(count, trials, share):
    """Whether a count of successes is one that chance gives, but once in ten thousand."""
    return stats.binomtest(int(count), trials, share).pvalue > 1e-4


def test_masking_sets_a_fraction_to_zero_and_keeps_the_rest():
    noisy = corrupted("masking", 0.3)
    hit = noisy == 0
    assert share_within(hit.sum(), X.size, 0.3)
    np.testing.assert_array_equal(noisy[~hit], X[~hit])


def test_salt_and_pepper_are_equally_frequent():
    noisy = corrupted("salt_and_pepper", 0.4)
    assert share_within((noisy == 0).sum(), X.size, 0.2)
    assert share_within((noisy == 1).sum(), X.size, 0.2)
    left = (noisy != 0) & (noisy != 1)
    np.testing.assert_array_equal(noisy[left], X[left])


def test_gaussian_noise_is_normal_with_the_standard_deviation():
    assert stats.kstest((corrupted("gaussian", 0.5) - X).ravel()[:20_000], "norm", (0, 0.5)).pvalue > 1e-4


@pytest.mark.parametrize("noise", ["masking", "salt_and_pepper", "gaussian"])
def test_inputs_are_unchanged_outside_training_and_with_level_0(noise):
    np.testing.assert_array_equal(Corruption(noise, 0.9)(X), X)
    np.testing.assert_array_equal(Corruption(noise, 0.0)(X, training=True), X)


def test_calls_differ_and_equal_seeds_agree():
    layer = Corruption("masking", 0.5, seed=1)
    first, second = (layer(X, training=True).numpy() for _ in range(2))
    assert (first != second).any()
    np.testing.assert_array_equal(first, corrupted("masking", 0.5, seed=1))
    assert (first != corrupted("masking", 0.5, seed=2)).any()


def test_save_and_load():
    layer = Corruption("gaussian", 0.1, seed=3, name="noise")
    assert Corruption.from_config(layer.get_config()).get_config() == layer.get_config()
    assert keras.saving.get_registered_name(Corruption) == "zoo>Corruption"


@pytest.mark.parametrize(
    ("noise", "level", "sentence"),
    [
        ("mask", 0.1, "noise must be .*masking.*; got 'mask'"),
        ("masking", 1.5, "level must be .*; got 1.5"),
        ("masking", -0.1, "level must be .*; got -0.1"),
    ],
)
def test_invalid_noise_or_level_raises(noise, level, sentence):
    with pytest.raises(InvalidValue, match=sentence):
        Corruption(noise, level)
