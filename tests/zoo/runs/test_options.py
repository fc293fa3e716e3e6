import json

import pytest

from zoo.errors import InvalidValue
from zoo.runs.options import RunOptions


def test_stored_options_are_read_back_from_json():
    options = RunOptions(mixed_precision=True, checkpoint_every=5, record=["activations"], watch=True)
    content = json.loads(json.dumps({**options.to_dict(), "seed": 3}))
    assert content == {"mixed_precision": True, "checkpoint_every": 5, "record": ["activations"], "seed": 3}
    assert RunOptions.from_dict(content, watch=True) == options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mixed_precision": 1}, "mixed_precision must be a bool; got 1"),
        ({"checkpoint_every": 0}, "checkpoint_every must be an integer >= 1 or None; got 0"),
        ({"record": ["all"]}, "record must be one of 'activations', 'histograms', 'tensorboard'; got 'all'"),
        ({"record": "activations"}, "record must be a list; got 'activations'"),
    ],
)
def test_invalid_values_are_errors(options, message):
    with pytest.raises(InvalidValue, match=message):
        RunOptions(**options)


def test_the_error_names_a_missing_key():
    with pytest.raises(InvalidValue, match="'checkpoint_every' is missing"):
        RunOptions.from_dict({"mixed_precision": False, "record": []})
