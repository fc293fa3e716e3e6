from typing import Annotated, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.errors import InvalidValue
from zoo.utils.constraints import at_least, check, describe, non_negative, parse, positive, probability

Depth = Annotated[int, at_least(1)]
Keep = Annotated[float, probability]
Activation = Literal["relu", "sigmoid"]


@given(st.integers())
def test_a_whole_number_is_accepted_from_the_bound_upwards(value):
    if value >= 1:
        assert check("depth", value, Depth) == value
    else:
        with pytest.raises(InvalidValue, match=f"depth must be an integer >= 1; got {value}"):
            check("depth", value, Depth)


@given(st.floats())
def test_a_probability_is_above_0_and_at_most_1(value):
    if 0 < value <= 1:
        assert check("keep", value, Keep) == value
    else:
        with pytest.raises(InvalidValue, match="keep must be a number > 0 and <= 1"):
            check("keep", value, Keep)


@given(st.one_of(st.booleans(), st.integers(), st.floats(), st.text(), st.none(), st.lists(st.integers())))
def test_what_is_returned_has_the_type_that_was_asked_for_and_passes_again(value):
    for annotation, kind in ((int, int), (float, float), (str, str), (bool, bool), (tuple[int, ...], tuple)):
        try:
            returned = check("option", value, annotation)
        except InvalidValue:
            continue
        assert type(returned) is kind
        assert check("option", returned, annotation) == returned


@pytest.mark.parametrize("value", [True, "3", 3.5, None, float("nan"), [3]])
def test_what_is_not_a_whole_number_is_refused_with_what_was_given(value):
    with pytest.raises(InvalidValue) as error:
        check("depth", value, Depth)
    assert repr(value) in str(error.value)


def test_numpy_numbers_become_plain_ones():
    assert type(check("depth", np.int64(3), Depth)) is int
    assert type(check("rate", np.float32(0.5), float)) is float


def test_a_choice_names_the_nearest():
    with pytest.raises(InvalidValue, match=r"one of 'relu', 'sigmoid'; got 'sigmiod'. Did you mean 'sigmoid'\?"):
        check("activation", "sigmiod", Activation)


def test_none_is_accepted_where_it_is_allowed():
    assert check("max_norm", None, Annotated[float, positive] | None) is None
    assert check("max_norm", 3, Annotated[float, positive] | None) == 3.0
    with pytest.raises(InvalidValue, match="a number > 0 or None; got 0"):
        check("max_norm", 0, Annotated[float, positive] | None)


@pytest.mark.parametrize(
    ("text", "annotation", "value"),
    [
        ("4", Depth, 4),
        ("0.5", Keep, 0.5),
        ("1e-3", Annotated[float, non_negative], 1e-3),
        ("relu", Activation, "relu"),
        ("(8, 8, 1)", tuple[int, ...], (8, 8, 1)),
        ("none", Annotated[float, positive] | None, None),
        ("true", bool, True),
    ],
)
def test_text_of_the_command_line_is_read_as_the_option_s_type(text, annotation, value):
    assert parse("option", text, annotation) == value


def test_every_kind_is_said_in_words():
    assert describe(Depth) == "an integer >= 1"
    assert describe(Activation) == "one of 'relu', 'sigmoid'"
