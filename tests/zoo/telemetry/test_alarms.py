import pandas as pd
import pytest

from zoo.errors import InvalidValue
from zoo.telemetry import Alarm


def frame(*rows, step=3):
    columns = ["layer", "variable", "l2", "rms", "zeros", "nans", "infs"]
    return pd.DataFrame([{"epoch": 1, "step": step, **dict(zip(columns, row, strict=True))} for row in rows])


HEALTHY = frame(("first", "kernel", 1.0, 0.1, 0.2, 0, 0), ("last", "kernel", 2.0, 0.2, 0.0, 0, 0))


@pytest.mark.parametrize("kind", ["vanishing", "exploding", "dead", "nan"])
def test_healthy_records_raise_no_alarm(kind):
    assert Alarm(kind).raised_by(HEALTHY) == ""
    assert Alarm(kind).raised_by(HEALTHY.iloc[:0]) == ""


@pytest.mark.parametrize(
    ("alarm", "row", "message"),
    [
        (
            Alarm("vanishing"),
            ("first", "kernel", 1.0, 1e-6, 0, 0, 0),
            "vanished on its way to first: its RMS is 5e-06 times",
        ),
        (
            Alarm("exploding", 10),
            ("first", "kernel", 50.0, 0.1, 0, 0, 0),
            "first (kernel) exploded: its norm is 50, the limit 10",
        ),
        (Alarm("dead"), ("first", "kernel", 0.0, 0.1, 1.0, 0, 0), "first (kernel) is dead: 100% of it is exactly zero"),
        (
            Alarm("nan"),
            ("first", "kernel", 1.0, 0.1, 0, 0, 3),
            "first (kernel) broke: it has values that are NaN or infinite",
        ),
    ],
)
def test_message_names_the_layer_and_the_step(alarm, row, message):
    text = alarm.raised_by(pd.concat([frame(row), HEALTHY.iloc[1:]]))
    assert message in text
    assert text.endswith("at epoch 1, step 3.")


def test_message_names_the_layer_nearest_to_the_loss_in_the_first_record():
    broken = [frame(*[(name, "kernel", 1.0, 1.0, 0, 1, 0) for name in "abc"], step=step) for step in (7, 8)]
    assert Alarm("nan").raised_by(pd.concat(broken)) == (
        "The gradient of c (kernel) broke: it has values that are NaN or infinite, at epoch 1, step 7."
    )


@pytest.mark.parametrize("arguments", [("vanish",), ("nan", -1.0), ("nan", None, "shout")])
def test_invalid_arguments_are_rejected(arguments):
    with pytest.raises(InvalidValue):
        Alarm(*arguments)
