import pytest

import zoo
from zoo.errors import InvalidValue, UnknownName


def test_builders_check_their_options():
    with pytest.raises(InvalidValue, match="deep_mlp: depth must be an integer >= 1; got 0"):
        zoo.models.deep_mlp(depth=0)


def test_unknown_recipe_suggests_the_closest():
    with pytest.raises(UnknownName, match='Unknown recipe "nielson" of deep_mlp. Did you mean "nielsen"'):
        zoo.card("deep_mlp").recipe("nielson")


@pytest.mark.parametrize("name", zoo.list_models())
def test_card_has_help_for_each_option(name):
    card = zoo.card(name)
    assert card.summary
    assert card.source
    assert all(option.help and option.values for option in card.options.values())
    assert all(option.default == card.resolve({})[key] for key, option in card.options.items())


@pytest.mark.parametrize("name", zoo.list_models())
def test_options_of_every_recipe_are_legal(name):
    for recipe in zoo.card(name).recipes:
        zoo.card(name).resolve(recipe.options)


def test_recipes_are_immutable():
    recipe = zoo.card("deep_mlp").recipe("nielsen")
    with pytest.raises(AttributeError):
        recipe.epochs = 1
    with pytest.raises(TypeError):
        recipe.options["depth"] = 1
