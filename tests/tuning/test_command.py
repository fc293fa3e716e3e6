import pytest

from zoo.errors import InvalidValue, UnknownName
from zoo.tuning.command import parse_objective, parse_space
from zoo.tuning.spaces import Choice, Range


def test_options_change_the_space():
    space = parse_space(
        "deep_mlp", "nielsen", fixed=["depth=2"], ranges=["width=8:64:log", "l2=0:0.1"],
        choices=["activation=relu:tanh"], without=["initializer"],
    )  # fmt: skip
    assert space["depth"] == 2
    assert space["width"] == Range(8, 64, log=True)
    assert space["l2"] == Range(0, 0.1)
    assert space["activation"] == Choice(["relu", "tanh"])
    assert "initializer" not in space
    assert space.recipe.name == "nielsen"


def test_choices_are_parsed_by_their_annotation():
    space = parse_space("dropout_mlp", None, choices=["max_norm=none:3", "batch_size=16:32"])
    assert space["max_norm"].values == (None, 3.0)
    assert space["batch_size"].values == (16, 32)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fixed": ["depth"]}, "--set takes PARAMETER=..., as in --set depth=4; got 'depth'."),
        ({"ranges": ["width=8"]}, "--range takes PARAMETER=LOW:HIGH[:log]"),
        ({"ranges": ["width=8:64:lin"]}, "takes :log after its two numbers"),
        ({"ranges": ["width=0:64"]}, "width must be an integer >= 1; got 0."),
        ({"choices": ["activation=relu:tnah"]}, "Did you mean 'tanh'?"),
        ({"choices": ["activatoin=relu:tanh"]}, 'Did you mean "activation"?'),
        ({"without": ["dept"]}, 'Did you mean "depth"?'),
    ],
)
def test_options_that_cannot_be_parsed_are_refused(options, message):
    with pytest.raises((InvalidValue, UnknownName)) as error:
        parse_space("deep_mlp", None, **options)
    assert message in str(error.value)


def test_an_objective_can_have_a_direction():
    assert parse_objective("max:score") == ("score", "max")
    assert parse_objective("val_loss") == "val_loss"
    assert parse_objective(None) is None
