import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from zoo.errors import InvalidValue
from zoo.utils.constraints import Count
from zoo.utils.records import Record


@dataclass(frozen=True)
class Layer(Record):
    width: Count
    options: Mapping[str, Any] = field(default_factory=dict)
    below: "Layer | None" = None


def test_a_record_survives_json():
    layer = Layer(3, {"shape": (2, 2)}, below=Layer(5))
    assert Layer.from_dict(json.loads(json.dumps(layer.to_dict()))) == layer


def test_fields_are_checked_and_dictionaries_are_read_only():
    with pytest.raises(InvalidValue, match="width must be an integer >= 1; got 0"):
        Layer(0)
    with pytest.raises(TypeError):
        Layer(1).options["shape"] = (2, 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "Layer must be a dict; got list"),
        ({}, "Layer must have width; 'width' is missing"),
        ({"width": 1, "height": 2}, "Layer must have no fields but width, options, below; got 'height'"),
        ({"width": 1, "below": {"width": 0}}, "width must be an integer >= 1; got 0"),
        ({"width": 1, "below": 5}, "below must be a Layer or None; got 5"),
    ],
)
def test_invalid_content_is_an_error(content, message):
    with pytest.raises(InvalidValue, match=message):
        Layer.from_dict(content)
