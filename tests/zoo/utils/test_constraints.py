from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.errors import InvalidValue
from zoo.utils.constraints import at_least, check, describe, non_negative, odd, parse, positive, probability

Depth = Annotated[int, at_least(1)]
Keep = Annotated[float, probability]
Activation = Literal["relu", "sigmoid"]


@given(st.integers())
def test_an_integer_is_valid_from_the_bound_upwards(value):
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
def test_the_result_has_the_annotated_type_and_is_valid_again(value):
    for annotation, kind in ((int, int), (float, float), (str, str), (bool, bool), (tuple[int, ...], tuple)):
        try:
            returned = check("option", value, annotation)
        except InvalidValue:
            continue
        assert type(returned) is kind
        assert check("option", returned, annotation) == returned


@pytest.mark.parametrize("value", [True, "3", 3.5, None, float("nan"), [3]])
def test_the_error_for_a_value_that_is_not_an_integer_shows_it(value):
    with pytest.raises(InvalidValue) as error:
        check("depth", value, Depth)
    assert repr(value) in str(error.value)


def test_numpy_numbers_become_python_numbers():
    assert type(check("depth", np.int64(3), Depth)) is int
    assert type(check("rate", np.float32(0.5), float)) is float


def test_the_error_for_an_unknown_choice_suggests_the_closest():
    with pytest.raises(InvalidValue, match=r"one of 'relu', 'sigmoid'; got 'sigmiod'. Did you mean 'sigmoid'\?"):
        check("activation", "sigmiod", Activation)


def test_none_is_valid_where_the_annotation_allows_it():
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
def test_text_is_parsed_as_the_annotated_type(text, annotation, value):
    assert parse("option", text, annotation) == value


def test_annotations_in_words():
    assert describe(Depth) == "an integer >= 1"
    assert describe(Activation) == "one of 'relu', 'sigmoid'"
    assert describe(Annotated[Any, odd]) == "odd"


def test_items_of_mappings_and_sequences_are_checked():
    by_epoch = Mapping[Depth, Keep]
    assert check("momentum", {"6": 1, 1: 0.5}, by_epoch) == {6: 1.0, 1: 0.5}  # JSON has strings as keys
    assert check("names", ["relu"], Sequence[Activation]) == ("relu",)
    assert check("options", {"shape": [8, 8]}, Mapping[str, Any]) == {"shape": (8, 8)}
    for value, annotation, message in (
        ({0: 0.5}, by_epoch, "x: key must be an integer >= 1; got 0"),
        ({2: 2}, by_epoch, r"x\[2\] must be a number > 0 and <= 1; got 2"),
        ([0.5], by_epoch, "x must be a dict; got list"),
        ("relu", Sequence[Activation], "x must be a list; got 'relu'"),
        (["sigmiod"], Sequence[Activation], "x must be one of 'relu', 'sigmoid'; got 'sigmiod'. Did you mean"),
    ):
        with pytest.raises(InvalidValue, match=message):
            check("x", value, annotation)
