import keras
import numpy as np
import pytest
from scipy import stats

from zoo.errors import InvalidValue
from zoo.initializers import FanInUniform


@pytest.mark.parametrize("power", [0, 0.5, 1])
@pytest.mark.parametrize(("shape", "inputs"), [((400, 30), 400), ((5, 5, 4, 60), 100)])
def test_weights_are_uniform_within_the_limit(shape, inputs, power):
    weights = np.asarray(FanInUniform(2.4, power)(shape)).ravel()
    limit = 2.4 / inputs**power
    assert stats.kstest(weights, "uniform", args=(-limit, 2 * limit)).pvalue > 1e-3


def test_equal_seeds_give_equal_weights_and_none_others():
    same = [np.asarray(FanInUniform(seed=3)((4, 5))) for _ in range(2)]
    np.testing.assert_array_equal(*same)
    law = FanInUniform()
    assert (np.asarray(law((4, 5))) != np.asarray(law((4, 5)))).any()


def test_config_round_trip():
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(FanInUniform(1.5, 0.5, seed=2)))
    assert again.get_config() == {"limit": 1.5, "power": 0.5, "seed": 2}


def test_limit_must_be_positive():
    with pytest.raises(InvalidValue, match="limit must be a number > 0; got 0"):
        FanInUniform(0)
