"""Labels of any kind become numbers from 0, and keep their names."""

import numpy as np
import pandas as pd
import pytest

from zoo.datasets.labels import encode_labels
from zoo.errors import InvalidValue


@pytest.mark.parametrize(
    ("y", "codes", "names"),
    [
        ([0, 1, 1], [0, 1, 1], ("0", "1")),
        ([1, 3, 3], [0, 1, 1], ("1", "3")),
        ([-5, 7], [0, 1], ("-5", "7")),
        ([2.0, 1.0], [1, 0], ("1", "2")),
        (["dog", "cat"], [1, 0], ("cat", "dog")),
        (np.array([b"dog", b"cat"]), [1, 0], ("cat", "dog")),
        ([True, False], [1, 0], ("False", "True")),
        (np.eye(3)[[2, 0, 1]], [2, 0, 1], ("0", "1", "2")),
        ([[4], [5]], [0, 1], ("4", "5")),
        (pd.Series(["b", "a"]), [1, 0], ("a", "b")),
        (pd.Categorical(["b", "a"]), [1, 0], ("a", "b")),
    ],
)
def test_labels_of_every_kind_are_encoded(y, codes, names):
    found, found_names = encode_labels(y)
    assert found.tolist() == codes
    assert found.dtype == np.int64
    assert found_names == names


def test_class_names_give_the_order():
    assert encode_labels([0, 2], ["a", "b", "c"])[1] == ("a", "b", "c")
    codes, names = encode_labels(["low", "high"], ["low", "middle", "high"])
    assert codes.tolist() == [0, 2]
    assert names == ("low", "middle", "high")


@pytest.mark.parametrize(
    ("y", "names", "message"),
    [
        ([], None, "y must have labels; got none"),
        ([1, 1], None, "at least two classes; got only '1'"),
        ([0.5, 1], None, "labels of classes; got the number 0.5"),
        ([np.nan, 1], None, "no missing labels; got 1"),
        ([None, "a", None], None, "no missing labels; got 2"),
        (["a", 1], None, None),
        (np.array(["a", 1], object), None, "labels of one type; got int, str"),
        (np.ones((2, 3)), None, "one-hot rows; got rows of other numbers"),
        (np.ones((2, 3, 2)), None, r"one label per example; got shape \(2, 3, 2\)"),
        (np.array([1j, 2]), None, "integers, text or booleans; got complex128"),
        ([1, 2], ["a", "b"], "labels from 0 to 1 for 2 class names; got labels from 1 to 2"),
        ([0, 3], ["a", "b"], "got labels from 0 to 3"),
        (["a", "z"], ["a", "b"], "must have the classes a, b; got z"),
        ([0, 1], ["a", "a"], "class_names must differ"),
    ],
)
def test_other_labels_are_refused_in_a_sentence(y, names, message):
    if message is None:  # NumPy makes text of a list of text and numbers
        assert encode_labels(y)[1] == ("1", "a")
        return
    with pytest.raises(InvalidValue, match=message):
        encode_labels(y, names)
