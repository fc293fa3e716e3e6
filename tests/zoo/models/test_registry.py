import pytest

import zoo
from zoo.errors import InvalidValue, UnknownName


def test_options_are_checked_also_when_the_builder_is_called_itself():
    with pytest.raises(InvalidValue, match="deep_mlp: depth must be an integer >= 1; got 0"):
        zoo.models.deep_mlp(depth=0)


def test_a_misspelt_recipe_names_the_nearest():
    with pytest.raises(UnknownName, match='Unknown recipe "nielson" of deep_mlp. Did you mean "nielsen"'):
        zoo.card("deep_mlp").recipe("nielson")


@pytest.mark.parametrize("name", zoo.list_models())
def test_a_card_tells_what_each_option_means(name):
    card = zoo.card(name)
    assert card.summary
    assert card.source
    assert all(option.help and option.values for option in card.options.values())
    assert all(option.default == card.resolve({})[key] for key, option in card.options.items())


@pytest.mark.parametrize("name", zoo.list_models())
def test_the_options_of_every_recipe_are_legal(name):
    for recipe in zoo.card(name).recipes:
        zoo.card(name).resolve(recipe.options)


def test_recipes_cannot_be_changed_by_accident():
    recipe = zoo.card("deep_mlp").recipe("nielsen")
    with pytest.raises(AttributeError):
        recipe.epochs = 1
    with pytest.raises(TypeError):
        recipe.options["depth"] = 1
