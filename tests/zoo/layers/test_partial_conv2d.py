import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.errors import InvalidValue
from zoo.layers import PartialConv2D
from zoo.loop.convolutions import as_matrix_products
from zoo.models.families.lenet import C3_CONNECTIONS

TABLE = [(0, 2), (1,), (2, 0, 1), (1, 2)]
MAPS = np.random.default_rng(0).normal(size=(2, 7, 8, 3)).astype("float32")


@pytest.fixture
def pair():
    """A partial convolution, and a full one with zeros where there is no connection."""
    partial = PartialConv2D(TABLE, (3, 2), "tanh", bias_initializer="ones")
    partial.build(MAPS.shape)
    kernels = iter(np.moveaxis(partial.kernels.numpy(), -1, 0))
    whole = np.zeros((3, 2, 3, 4), "float32")
    for number, seen in enumerate(TABLE):
        for below in seen:
            whole[:, :, below, number] = next(kernels)
    full = keras.layers.Conv2D(4, (3, 2), activation="tanh")
    full.build(MAPS.shape)
    full.set_weights([whole, np.ones(4)])
    return partial, full


def test_output_equals_a_full_convolution_with_zero_kernels(pair):
    partial, full = pair
    np.testing.assert_array_equal(partial.kernel, full.kernel)
    np.testing.assert_allclose(partial(MAPS), full(MAPS), rtol=1e-5, atol=1e-6)


def test_gradients_equal_those_of_the_full_convolution(pair):
    partial, full = pair
    with tf.GradientTape(persistent=True) as tape:
        losses = [tf.reduce_sum(layer(MAPS) ** 2) for layer in pair]
    gradients = tape.gradient(losses[0], [partial.kernels.value, partial.bias.value])
    expected = tape.gradient(losses[1], [full.kernel.value, full.bias.value])
    connected = [expected[0][:, :, below, number] for number, seen in enumerate(TABLE) for below in seen]
    np.testing.assert_allclose(gradients[0], np.stack(connected, axis=-1), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(gradients[1], expected[1], rtol=1e-4, atol=1e-4)


def test_convolution_can_be_replaced_by_a_matrix_product(pair):
    model = keras.Sequential([keras.Input(MAPS.shape[1:]), pair[0]])
    expected = model(MAPS)
    with as_matrix_products(model):
        np.testing.assert_allclose(model(MAPS), expected, rtol=1e-4, atol=1e-5)


def test_c3_of_lenet5_has_1516_weights():
    layer = PartialConv2D(C3_CONNECTIONS, 5)
    layer.build((None, 14, 14, 6))
    assert layer.count_params() == 1516
    assert layer.kernels.shape == (5, 5, 60)


def test_initial_weights_of_a_map_follow_from_its_number_of_inputs():
    layer = PartialConv2D([(0,)] * 400 + [(0, 1, 2, 3)] * 400, 5, kernel_initializer="lecun_normal")
    layer.build((None, 9, 9, 4))
    kernel = layer.kernel.numpy()
    assert kernel[:, :, 0, :400].var() == pytest.approx(1 / 25, rel=0.1)
    assert kernel[:, :, :, 400:].var() == pytest.approx(1 / 100, rel=0.1)


def test_equal_seeds_agree_and_maps_differ():
    def kernels(seed):
        layer = PartialConv2D(TABLE, 3, kernel_initializer=keras.initializers.GlorotUniform(seed))
        layer.build(MAPS.shape)
        return layer.kernels.numpy()

    np.testing.assert_array_equal(kernels(1), kernels(1))
    assert len(np.unique(kernels(1))) == kernels(1).size


def test_initializer_may_be_a_function():
    layer = PartialConv2D(TABLE, 3, kernel_initializer=lambda shape, dtype=None: tf.fill(shape, float(shape[2])))
    layer.build(MAPS.shape)
    assert layer.kernels.numpy()[0, 0].tolist() == [2, 2, 1, 3, 3, 3, 2, 2]


def test_config_round_trip(pair):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(pair[0]))
    assert again.get_config() == pair[0].get_config()
    assert again.compute_output_shape((5, 7, 8, 3)) == (5, 5, 7, 4)


@pytest.mark.parametrize(
    ("connections", "kernel_size", "sentence"),
    [
        ([(0,), ()], 3, r"at least one index of an input map, .*; got \[\] in row 1"),
        ([(0, 0)], 3, r"none negative and none twice; got \[0, 0\] in row 0"),
        ([(-1,)], 3, r"none negative and none twice; got \[-1\] in row 0"),
        ([], 3, "a row for each output map; got none"),
        ([(0, 3)], 3, "Indices in connections must be less than 3, the number of input maps; got 3"),
        ([(0,)], 0, "kernel_size must be an integer >= 1; got 0"),
        ([(0,)], 2.5, "kernel_size must be an integer >= 1; got 2.5"),
        ([(0,)], (3, 3, 3), r"kernel_size must be an integer or two, rows and columns; got \(3, 3, 3\)"),
        ([(0,)], 8, "kernel_size must be at most the size of the input, 7x8; got 8x8"),
    ],
)
def test_invalid_connections_or_kernel_raise(connections, kernel_size, sentence):
    with pytest.raises(InvalidValue, match=sentence):
        PartialConv2D(connections, kernel_size).build(MAPS.shape)


def test_input_must_have_four_axes():
    with pytest.raises(InvalidValue, match=r"must have shape \(batch, rows, columns, maps\); got \(2, 3\)"):
        PartialConv2D([(0,)], 1).build((2, 3))
