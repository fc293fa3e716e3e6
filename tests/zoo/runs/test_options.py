import pytest

from zoo.errors import InvalidValue
from zoo.runs.options import RunOptions


def test_what_a_resumed_run_keeps_survives_json():
    options = RunOptions(mixed_precision=True, checkpoint_every=5, record=["activations"], watch=True)
    assert options.to_dict() == {"mixed_precision": True, "checkpoint_every": 5, "record": ("activations",)}
    assert RunOptions.from_dict({**options.to_dict(), "record": ["activations"], "seed": 3}, watch=True) == options


@pytest.mark.parametrize(
    ("invalid", "message"),
    [
        ({"mixed_precision": 1}, "mixed_precision must be a bool; got 1"),
        ({"checkpoint_every": 0}, "checkpoint_every must be an integer >= 1 or None; got 0"),
        ({"record": ["all"]}, "record must be one of 'activations', 'histograms', 'tensorboard'; got 'all'"),
    ],
)
def test_an_invalid_value_is_refused(invalid, message):
    with pytest.raises(InvalidValue, match=message):
        RunOptions(**invalid)


def test_a_missing_key_is_named():
    with pytest.raises(InvalidValue, match="checkpoint_every is missing"):
        RunOptions.from_dict({"mixed_precision": False, "record": []})
