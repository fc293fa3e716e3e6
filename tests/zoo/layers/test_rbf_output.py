import keras
import numpy as np
import pytest
from scipy.spatial import distance

from zoo.errors import InvalidValue
from zoo.layers import RBFOutput

random = np.random.default_rng(0)
PROTOTYPES = random.normal(size=(4, 6)).astype("float32")
CODES = random.normal(size=(5, 6)).astype("float32")


def test_it_is_the_squared_euclidean_distance():
    expected = distance.cdist(CODES, PROTOTYPES, "sqeuclidean")
    np.testing.assert_allclose(RBFOutput(PROTOTYPES)(CODES), expected, rtol=1e-5)


def test_its_prototypes_are_fixed_unless_it_is_told_otherwise():
    fixed, learned = RBFOutput(PROTOTYPES), RBFOutput(PROTOTYPES, trainable=True)
    for layer in (fixed, learned):
        layer.build(CODES.shape)
    assert not fixed.trainable_weights
    assert [weight.shape for weight in learned.trainable_weights] == [(4, 6)]


def test_it_is_made_again_from_its_configuration():
    layer = RBFOutput(PROTOTYPES, trainable=True)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.trainable
    np.testing.assert_array_equal(again(CODES), layer(CODES))


@pytest.mark.parametrize("prototypes", [[], [1, 2], [[1, 2], [1]], [[]]])
def test_prototypes_that_are_no_matrix_are_refused(prototypes):
    with pytest.raises(InvalidValue, match="a row of numbers for each class, all of one length"):
        RBFOutput(prototypes)


def test_codes_of_another_length_are_refused():
    with pytest.raises(InvalidValue, match="prototypes have 6 numbers each; the input has 5"):
        RBFOutput(PROTOTYPES)(CODES[:, :5])
