import dataclasses
import json

import pytest

import zoo
from zoo.errors import InvalidValue
from zoo.recipes import Recipe


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss": "mse"}, "nielsen: loss must be one of"),
        ({"optimizer": "sdg"}, "Did you mean 'sgd'"),
        ({"batch_size": 0}, "nielsen: batch_size must be an integer >= 1; got 0"),
        ({"learning_rate": -1}, "nielsen: learning_rate must be a number > 0; got -1"),
        ({"epochs": 1.5}, "nielsen: epochs must be an integer"),
        ({"momentum": {1: 1.5}}, r"nielsen: momentum\[1\] must be a number >= 0 and < 1; got 1.5"),
        ({"momentum": {0: 0.5}}, "nielsen: momentum: key must be an integer >= 1; got 0"),
        ({"learning_rate_factors": {"a": 1}}, "learning_rate_factors: key must be an integer >= 1; got 'a'"),
        ({"learning_rate_factors": {2: 0.1}, "learning_rate_decay": "linear"}, "exclude each other"),
    ],
)
def test_invalid_fields_are_errors(change, message):
    with pytest.raises(InvalidValue, match=message):
        dataclasses.replace(zoo.card("deep_mlp").recipe("nielsen"), **change)


@pytest.mark.parametrize("name", zoo.list_models())
def test_a_recipe_survives_json(name):
    for recipe in zoo.card(name).recipes:
        assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_none_changes_nothing_and_pretraining_has_its_own_epochs():
    recipe = zoo.card("dbn").recipe()
    assert recipe.change(epochs=None, learning_rate=None) == recipe
    changed = recipe.change(epochs=3, pretraining_epochs=2)
    assert (changed.epochs, changed.pretraining.epochs) == (3, 2)
    with pytest.raises(InvalidValue, match="pretraining_epochs must be None: the recipe nielsen has no pre-training"):
        zoo.card("deep_mlp").recipe("nielsen").change(pretraining_epochs=2)


def test_the_last_smaller_batch_counts_as_a_step():
    recipe = zoo.card("deep_mlp").recipe("nielsen")
    assert [recipe.count_steps(recipe.batch_size * 3 + rest) for rest in (0, 1)] == [3, 4]
