import dataclasses

import pytest

import zoo
from zoo.errors import InvalidValue


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss": "mse"}, "nielsen: loss must be one of"),
        ({"optimizer": "sdg"}, "Did you mean 'sgd'"),
        ({"batch_size": 0}, "nielsen: batch_size must be an integer >= 1; got 0"),
        ({"learning_rate": -1}, "nielsen: learning_rate must be a number > 0; got -1"),
        ({"epochs": 1.5}, "nielsen: epochs must be an integer"),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused(change, message):
    with pytest.raises(InvalidValue, match=message):
        dataclasses.replace(zoo.card("deep_mlp").recipe("nielsen"), **change)
