import json
from types import SimpleNamespace

import pandas as pd
import pytest

from zoo.errors import InvalidValue
from zoo.runs.folder import RunFolder
from zoo.training.stage import explain_failure, open_stage_folder

CONTENT = {"stage": "hidden_1", "seed": 3, "options": {"shape": (2, 2)}}


@pytest.mark.parametrize(
    ("losses", "first", "message"),
    [
        ([], None, ""),
        ([0.5, 0.4], None, ""),
        ([0.5], (7, "hidden", "kernel"), "The gradient is not finite. The gradient first broke at step 7, in layer "),
        ([0.5, float("inf")], None, "The loss became inf in epoch 2."),
        ([float("nan")], (1, "hidden", "kernel"), "The loss became nan in epoch 1. The gradient first broke at step 1"),
    ],
)
def test_the_explanation_of_a_failure_has_epoch_step_and_layer(losses, first, message):
    recorder = SimpleNamespace(first_broken=lambda: first)
    explanation = explain_failure(pd.DataFrame({"loss": losses}), recorder)
    assert explanation.startswith(message)
    assert bool(explanation) == bool(message)


def test_the_folder_of_a_stage_is_created_and_opened_again(tmp_path):
    run = RunFolder(tmp_path)
    folder = open_stage_folder(run, "1-hidden_1", CONTENT)
    assert json.loads((folder.path / "config.json").read_text())["seed"] == 3
    assert open_stage_folder(run, "1-hidden_1", CONTENT).path == folder.path
    with pytest.raises(InvalidValue, match="1-hidden_1 belongs to another configuration: its seed is 3; .* is 4"):
        open_stage_folder(run, "1-hidden_1", {**CONTENT, "seed": 4})


def test_a_process_that_does_not_write_creates_no_folder(tmp_path):
    open_stage_folder(RunFolder(tmp_path, writes=False), "1-hidden_1", CONTENT)
    assert list(tmp_path.iterdir()) == []
