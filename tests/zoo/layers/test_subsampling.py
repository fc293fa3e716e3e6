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
def test_sum_has_one_coefficient_and_one_bias_per_map_as_in_the_paper(size):
    layer = Subsampling("sum", size, "tanh")
    layer.build(MAPS.shape)
    c, b = np.random.default_rng(1).normal(size=(2, 4)).astype("float32")
    layer.set_weights([c, b])
    np.testing.assert_allclose(layer(MAPS), np.tanh(c * regions(MAPS, size).sum(-1) + b), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("size", [2, 3])
def test_max_and_mean_are_as_in_the_lecture(size):
    largest = Subsampling("max", size)
    largest.build(MAPS.shape)
    w = np.array([1, -2, 0.5, 0], "float32")
    largest.set_weights([w])
    np.testing.assert_allclose(largest(MAPS), (w[:, None] * regions(MAPS, size)).max(-1), rtol=1e-6)
    np.testing.assert_allclose(Subsampling("mean", size)(MAPS), regions(MAPS, size).mean(-1), rtol=1e-5, atol=1e-7)


def test_max_equals_keras_pooling_initially():
    np.testing.assert_array_equal(Subsampling("max")(MAPS), keras.layers.MaxPooling2D()(MAPS))


@pytest.mark.parametrize(("method", "weights"), [("sum", 8), ("max", 4), ("mean", 0)])
def test_number_of_weights_per_map(method, weights):
    layer = Subsampling(method)
    layer.build(MAPS.shape)
    assert layer.count_params() == weights


def test_coefficients_are_drawn_from_the_interval_of_the_paper():
    layer = Subsampling("sum", 2)
    layer.build((None, 4, 4, 20_000))
    c, b = layer.get_weights()
    assert 0.59 < c.max() <= 0.6
    assert -0.6 <= c.min() < -0.59
    assert (b == 0).all()


@pytest.mark.parametrize("layer", [Subsampling("sum", 3, "tanh", coefficient_initializer="ones"), Subsampling("max")])
def test_config_round_trip(layer):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.get_config() == layer.get_config()
    assert again.compute_output_shape((1, 7, 8, 2)) == tuple(layer(np.zeros((1, 7, 8, 2))).shape)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Subsampling("median"), "method must be one of 'sum', 'max', 'mean'; got 'median'"),
        (lambda: Subsampling("sum", 0), "pool_size must be an integer >= 1; got 0"),
        (lambda: Subsampling("max", activation="tanh"), "activation requires method=\"sum\"; got method='max'"),
        (lambda: Subsampling("sum", 4)(MAPS[:, :3]), "pool_size must be at most the size of the maps, 3x9; got 4"),
        (lambda: Subsampling()(MAPS[:, 0]), r"must have shape \(batch, rows, columns, maps\); got \(3, 9, 4\)"),
    ],
)
def test_invalid_arguments_raise(make, sentence):
    with pytest.raises(InvalidValue, match=sentence):
        make()
