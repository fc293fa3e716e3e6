import pytest

import zoo
from zoo.errors import InvalidValue


def test_maps_and_weights_are_as_published():
    model = zoo.create("mcdnn_column")
    shapes = {"conv_1": (26, 26, 20), "pool_1": (13, 13, 20), "conv_2": (9, 9, 40), "pool_2": (3, 3, 40)}
    assert {name: model.get_layer(name).output.shape[1:] for name in shapes} == shapes
    assert model.count_params() == 76_040


def test_digit_width_adds_no_weights():
    assert zoo.create("mcdnn_column", digit_width=10).count_params() == 76_040
    with pytest.raises(InvalidValue, match="digit_width must be an integer from 4 to 29 or None; got 30"):
        zoo.create("mcdnn_column", digit_width=30)
