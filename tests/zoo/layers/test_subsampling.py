import keras
import numpy as np
import pytest

from zoo.errors import InvalidValue
from zoo.layers import Subsampling

MAPS = np.random.default_rng(0).normal(size=(3, 6, 9, 4)).astype("float32")


def regions(maps, size):
    """Returns the values of each region, `(batch, rows, columns, maps, size * size)`; what is left over is dropped."""
    batch, rows, columns, count = maps.shape
    maps = maps[:, : rows // size * size, : columns // size * size]
    cut = maps.reshape(batch, rows // size, size, columns // size, size, count)
    return cut.transpose(0, 1, 3, 5, 2, 4).reshape(batch, rows // size, columns // size, count, size * size)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_sum_is_the_paper_s_one_coefficient_and_one_bias_a_map_on_the_sum(size):
    layer = Subsampling("sum", size, "tanh")
    layer.build(MAPS.shape)
    c, b = np.random.default_rng(1).normal(size=(2, 4)).astype("float32")
    layer.set_weights([c, b])
    np.testing.assert_allclose(layer(MAPS), np.tanh(c * regions(MAPS, size).sum(-1) + b), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("size", [2, 3])
def test_max_and_mean_are_the_lecture_s(size):
    largest = Subsampling("max", size)
    largest.build(MAPS.shape)
    w = np.array([1, -2, 0.5, 0], "float32")
    largest.set_weights([w])
    np.testing.assert_allclose(largest(MAPS), (w[:, None] * regions(MAPS, size)).max(-1), rtol=1e-6)
    np.testing.assert_allclose(Subsampling("mean", size)(MAPS), regions(MAPS, size).mean(-1), rtol=1e-5, atol=1e-7)


def test_max_starts_as_keras_own_pooling():
    np.testing.assert_array_equal(Subsampling("max")(MAPS), keras.layers.MaxPooling2D()(MAPS))


@pytest.mark.parametrize(("method", "weights"), [("sum", 8), ("max", 4), ("mean", 0)])
def test_it_has_two_weights_a_map_or_one_or_none(method, weights):
    layer = Subsampling(method)
    layer.build(MAPS.shape)
    assert layer.count_params() == weights


def test_coefficients_are_drawn_from_the_paper_s_interval():
    layer = Subsampling("sum", 2)
    layer.build((None, 4, 4, 20_000))
    c, b = layer.get_weights()
    assert 0.59 < c.max() <= 0.6
    assert -0.6 <= c.min() < -0.59
    assert (b == 0).all()


@pytest.mark.parametrize("layer", [Subsampling("sum", 3, "tanh", coefficient_initializer="ones"), Subsampling("max")])
def test_it_is_made_again_from_its_configuration(layer):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.get_config() == layer.get_config()
    assert again.compute_output_shape((1, 7, 8, 2)) == tuple(layer(np.zeros((1, 7, 8, 2))).shape)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Subsampling("median"), "method must be one of 'sum', 'max', 'mean'; got 'median'"),
        (lambda: Subsampling("sum", 0), "pool_size must be an integer >= 1; got 0"),
        (lambda: Subsampling("max", activation="tanh"), "an activation with method \"sum\" only; got method 'max'"),
        (lambda: Subsampling("sum", 4)(MAPS[:, :3]), "maps of at least 4x4; got 3x9"),
        (lambda: Subsampling()(MAPS[:, 0]), r"takes maps, \(batch, rows, columns, maps\)"),
    ],
)
def test_what_makes_no_sense_is_refused(make, sentence):
    with pytest.raises(InvalidValue, match=sentence):
        make()
