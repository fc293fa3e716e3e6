import keras
import numpy as np
import pytest
from scipy.spatial import distance

from zoo.errors import InvalidValue
from zoo.layers import RBFOutput

random = np.random.default_rng(0)
PROTOTYPES = random.normal(size=(4, 6)).astype("float32")
CODES = random.normal(size=(5, 6)).astype("float32")


def test_output_is_the_squared_euclidean_distance():
    expected = distance.cdist(CODES, PROTOTYPES, "sqeuclidean")
    np.testing.assert_allclose(RBFOutput(PROTOTYPES)(CODES), expected, rtol=1e-5)


def test_prototypes_are_fixed_by_default():
    fixed, learned = RBFOutput(PROTOTYPES), RBFOutput(PROTOTYPES, trainable=True)
    for layer in (fixed, learned):
        layer.build(CODES.shape)
    assert not fixed.trainable_weights
    assert [weight.shape for weight in learned.trainable_weights] == [(4, 6)]


def test_config_round_trip():
    layer = RBFOutput(PROTOTYPES, trainable=True)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.trainable
    np.testing.assert_array_equal(again(CODES), layer(CODES))


@pytest.mark.parametrize("prototypes", [[], [1, 2], [[1, 2], [1]], [[]]])
def test_prototypes_must_be_a_matrix(prototypes):
    with pytest.raises(InvalidValue, match="must be a matrix, one row of numbers per class; got "):
        RBFOutput(prototypes)


def test_codes_of_another_length_raise():
    with pytest.raises(InvalidValue, match="last axis of the input must have size 6, that of a prototype; got 5"):
        RBFOutput(PROTOTYPES)(CODES[:, :5])
