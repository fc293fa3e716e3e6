from collections import Counter

import keras
import numpy as np
import pytest
from scipy import stats

import zoo
from zoo.errors import InvalidValue
from zoo.models.digit_bitmaps import BITMAPS
from zoo.models.families.lenet import C3_CONNECTIONS


@pytest.fixture(scope="module")
def lenet5():
    keras.utils.set_random_seed(0)
    return zoo.create("lenet5")


def trainable(layer):
    return sum(int(np.prod(weight.shape)) for weight in layer.trainable_weights)


def test_maps_and_weights_are_as_published(lenet5):
    published = {
        "C1": ((28, 28, 6), 156),
        "S2": ((14, 14, 6), 12),
        "C3": ((10, 10, 16), 1516),
        "S4": ((5, 5, 16), 32),
        "C5": ((1, 1, 120), 48_120),
        "F6": ((84,), 10_164),
        "output": ((10,), 0),
    }
    for name, (shape, weights) in published.items():
        layer = lenet5.get_layer(name)
        assert (layer.output.shape[1:], trainable(layer)) == (shape, weights), name
    assert trainable(lenet5) == 60_000
    assert lenet5.count_params() == 60_840  # with the bitmaps


def test_c3_is_connected_as_in_table_1():
    assert Counter(map(len, C3_CONNECTIONS)) == {3: 6, 4: 9, 6: 1}
    assert Counter(below for seen in C3_CONNECTIONS for below in seen) == dict.fromkeys(range(6), 10)
    assert len(set(C3_CONNECTIONS)) == 16
    # The first six take three neighbours in turn, the next six four; the cycle closes.
    assert [set(seen) for seen in C3_CONNECTIONS[:6]] == [{n % 6, (n + 1) % 6, (n + 2) % 6} for n in range(6)]
    assert [set(seen) for seen in C3_CONNECTIONS[6:12]] == [{(n + m) % 6 for m in range(4)} for n in range(6)]


def test_initial_weights_are_uniform_over_the_inputs_of_each_unit(lenet5):
    inputs = {"C1": 25, "C5": 400, "F6": 120}
    for name, fan_in in inputs.items():
        kernel, bias = lenet5.get_layer(name).get_weights()
        assert stats.kstest(kernel.ravel() * fan_in / 2.4, "uniform", args=(-1, 2)).pvalue > 1e-3
        assert (bias == 0).all()
    kernel = lenet5.get_layer("C3").kernel.numpy()
    for number, seen in enumerate(C3_CONNECTIONS):
        limit = 2.4 / (25 * len(seen))
        assert 0.85 * limit < np.abs(kernel[:, :, list(seen), number]).max() <= limit


def test_scores_are_negative_distances_of_f6_to_the_bitmaps(lenet5):
    x = np.random.default_rng(0).uniform(size=(3, 28, 28, 1)).astype("float32")
    code = keras.Model(lenet5.input, lenet5.get_layer("F6").output)(x).numpy()
    expected = -((code[:, None] - np.array(BITMAPS)) ** 2).sum(axis=-1)
    np.testing.assert_allclose(lenet5(x), expected, rtol=1e-5)


def test_inputs_are_scaled_and_padded_with_background(lenet5):
    scaled = keras.Model(lenet5.input, lenet5.get_layer("rescale").output)(np.ones((1, 28, 28, 1))).numpy()[0, :, :, 0]
    assert scaled[2:-2, 2:-2] == pytest.approx(np.full((28, 28), 1.175))
    assert scaled[:2] == pytest.approx(np.full((2, 32), -0.1))


@pytest.mark.parametrize(("method", "weights"), [("max", 59_978), ("mean", 59_956)])
def test_subsampling_of_the_lecture_has_fewer_weights(method, weights):
    assert trainable(zoo.create("lenet5", subsampling=method)) == weights


@pytest.mark.parametrize("name", ["lenet5", "lenet5_relu"])
def test_images_are_distorted_in_training_only(name):
    keras.utils.set_random_seed(0)
    plain = zoo.create(name)
    distorting = zoo.create(name, distortion=1.0)
    distorting.set_weights([*plain.get_weights(), *distorting.get_weights()[len(plain.get_weights()) :]])
    x = np.random.default_rng(0).uniform(size=(2, 28, 28, 1)).astype("float32")
    np.testing.assert_array_equal(distorting(x), plain(x))
    assert (distorting(x, training=True).numpy() != plain(x).numpy()).any()


def test_more_classes_than_bitmaps_raise():
    with pytest.raises(InvalidValue, match="lenet5: classes must be at most 10, the number of bitmaps; got 11"):
        zoo.create("lenet5", classes=11)
    assert zoo.create("lenet5", classes=3).output_shape == (None, 3)


def test_published_learning_rates_have_five_stages():
    recipe = zoo.card("lenet5").recipe("published")
    rates = {1: 1.0, **recipe.learning_rate_factors}
    assert {epoch: recipe.learning_rate * factor for epoch, factor in rates.items()} == pytest.approx(
        {1: 5e-4, 3: 2e-4, 6: 1e-4, 9: 5e-5, 13: 1e-5}
    )
    assert (recipe.epochs, recipe.batch_size) == (20, 1)
