import errno
import json
import os
import sys
from pathlib import Path

import pytest

import zoo
from zoo import cli
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


SMALL = ["--dataset", "moons", "--algorithm", "random", "--max-trials", "1", "--epochs", "1", "--set", "hidden=5"]


@pytest.fixture
def tune(monkeypatch, capsys, tmp_path):
    """Runs `zoo tune` in a folder as its user does; returns exit code, output and errors."""

    def tune(*arguments):
        monkeypatch.setattr(sys, "argv", ["zoo", "tune", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        captured = capsys.readouterr()
        return end.value.code, captured.out, captured.err

    monkeypatch.chdir(tmp_path)
    return tune


def test_a_search_of_several_trainings_a_trial_is_resumed_as_it_was_and_leaves_its_model(tune):
    code, output, _ = tune("shallow_mlp", *SMALL, "--executions", "2", "--project-dir", "moons")
    assert code == 0
    assert "its model: moons/trial_0/model.keras" in output
    assert zoo.load("moons/trial_0/model.keras").count_params() == 27
    assert len(json.loads(Path("moons/trial_0/result.json").read_text())["executions"]) == 2
    assert tune("--resume", "moons")[:2] == (code, output)
    code, _, errors = tune("shallow_mlp", *SMALL, "--project-dir", "moons")
    assert (code, errors) == (
        2,
        "zoo: moons holds another search: executions_per_trial was 2, is now 1. Ask for the same, or name another "
        "folder.\n",
    )


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--objective", "val_auc"], 2, "zoo: objective must be a metric of the training, loss, accuracy"),
        (["--set", "hidden=1000000000000"], 1, "zoo: The only trial failed: The training does not fit into memory:"),
        (["--executions", "0"], 2, "Invalid value for '--executions'"),
    ],
)
def test_a_search_that_cannot_be_is_reported_in_a_sentence(tune, options, code, message):
    exit_code, _, errors = tune("shallow_mlp", *SMALL, *options)
    assert exit_code == code
    assert message in errors
    assert "Traceback" not in errors


def test_a_full_disk_is_reported_in_a_sentence(tune, monkeypatch):
    def fail(self, target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fail)
        code, _, errors = tune("shallow_mlp", *SMALL, "--project-dir", "moons")
    assert code == 1
    assert errors == (
        "zoo: The search stopped, because its files in moons cannot be written: No space left on device. Every "
        "finished trial is intact; the same call resumes the search.\n"
    )
    assert tune("shallow_mlp", *SMALL, "--project-dir", "moons")[0] == 0
