import json
import pickle

import keras_tuner
import pytest

import zoo
from zoo import tuning
from zoo.errors import InvalidValue, UnknownName
from zoo.tuning.spaces import Choice, Range, Space, draw


def draw_values(space, **values):
    """Returns what a trial with these values draws; the rest has its default."""
    hp = keras_tuner.HyperParameters()
    hp.values = values
    return space.draw(hp)


@pytest.mark.parametrize("name", zoo.list_models())
def test_every_recipe_of_every_model_has_a_space_whose_defaults_are_legal(name):
    for recipe in zoo.card(name).recipes:
        space = tuning.space(name, recipe=recipe.name)
        values = draw_values(space)
        assert {"learning_rate", "batch_size"} < set(values)
        changed, options = space.apply(values)
        zoo.card(name).resolve(options)
        assert changed.learning_rate == values["learning_rate"]


@pytest.mark.parametrize("name", zoo.list_models())
def test_a_space_survives_json_and_pickle(name):
    space = tuning.space(name)
    assert Space.from_dict(json.loads(json.dumps(space.to_dict()))) == space
    assert pickle.loads(pickle.dumps(space)) == space


def test_defaults_are_those_of_the_recipe():
    values = draw_values(tuning.space("deep_mlp", recipe="nielsen"))
    assert (values["depth"], values["width"], values["activation"]) == (4, 30, "sigmoid")
    assert (values["learning_rate"], values["batch_size"], values["weight_penalty"]) == (0.1, 10, 5.0)


def test_parameters_are_narrowed_widened_and_fixed():
    space = tuning.space("deep_mlp").with_(depth=2, width=Range(500, 900), activation=Choice(["gelu"]))
    assert draw_values(space)["depth"] == 2
    assert draw_values(space, width=700)["width"] == 700
    assert draw_values(space)["activation"] == "gelu"
    assert "initializer" not in space.without("initializer")


def test_a_parameter_is_drawn_where_its_condition_holds():
    space = tuning.space("rbm")
    assert "chains" not in draw_values(space, persistent="false")
    assert draw_values(space, persistent="true", chains=50)["chains"] == 50
    hp = keras_tuner.HyperParameters()
    space.draw(hp)
    assert "chains" in {parameter.name for parameter in hp.space}  # so that an oracle can draw it
    assert "chains" not in hp.values


def test_values_of_any_type_go_through_kerastuner():
    parameters = {
        "hidden": Choice([(500,), (500, 250)]),
        "max_norm": Choice([None, 3.0]),
        "tied": Choice([True, False]),
    }
    hp = keras_tuner.HyperParameters()
    hp.values = {"hidden": "[500, 250]", "max_norm": "3.0", "tied": "false"}
    assert draw(hp, parameters, {}) == {"hidden": (500, 250), "max_norm": 3.0, "tied": False}


def test_pretraining_is_varied_in_the_recipe():
    recipe, options = tuning.space("dbn").apply({"depth": 2, "pretraining.k": 5, "pretraining.learning_rate": 0.05})
    assert options == {"depth": 2}
    assert recipe.pretraining.options["k"] == 5
    assert recipe.pretraining.learning_rate == 0.05
    assert recipe.learning_rate == zoo.card("dbn").recipe().learning_rate


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dept": 3}, 'Did you mean "depth"?'),
        ({"depth": Range(0, 3)}, "depth must be an integer >= 1; got 0."),
        ({"depth": Range(1.0, 3.0)}, "depth must be an integer >= 1; got 1.0."),
        ({"activation": Choice(["relu", "sigmiod"])}, "Did you mean 'sigmoid'?"),
        ({"learning_rate": -1.0}, "learning_rate must be a number > 0; got -1.0."),
        ({"input_shape": (8, 8, 1)}, "input_shape is decided by the data"),
        ({"pretraining.k": 3}, 'Unknown part "pretraining"'),
        ({"width": Range(10, 50, when={"kind": 1})}, 'Unknown parameter "kind"'),
        ({"depth": Range(1, 3, when={"width": 30})}, "must come before it"),
    ],
)
def test_a_space_refuses_what_the_model_does_not_take(changes, message):
    with pytest.raises((InvalidValue, UnknownName)) as error:
        tuning.space("deep_mlp").with_(changes)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Range(3, 3),
        lambda: Range(0.0, 1.0, log=True),
        lambda: Range(1, 9, step=0.5),
        lambda: Range(1, 9, log=True, step=1),
        lambda: Choice([]),
        lambda: Choice([1, 1]),
    ],
)
def test_a_parameter_without_values_is_refused(make):
    with pytest.raises(InvalidValue):
        make()
