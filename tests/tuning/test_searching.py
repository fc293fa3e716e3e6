import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

import zoo
from zoo import tuning
from zoo.errors import InvalidValue, RunFailed
from zoo.runs.folder import RunFolder
from zoo.tuning import hypermodels
from zoo.tuning.plan import make_plan
from zoo.tuning.project import lock, write_search
from zoo.tuning.pruning import is_worse_than_median
from zoo.tuning.spaces import Choice, Range

ROOT = Path(__file__).parents[2]
SMALL = tuning.space("shallow_mlp").with_(hidden=Range(2, 20), batch_size=64)


def search(folder, space=SMALL, **settings):
    settings = {"algorithm": "random", "max_trials": 2, "epochs": 3, "progress": False, **settings}
    return tuning.search(space, "moons", project_dir=folder, **settings)


def numbers(frame):
    return frame.drop(columns="seconds")


def fails_with(error, when=lambda values: True):
    """A builder of one dense layer that fails for some values."""

    def builder(units):
        if when(units):
            raise error
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(units), keras.layers.Dense(2, "softmax")])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    return builder


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """A small search, to be read only."""
    return search(tmp_path_factory.mktemp("small") / "search")


@pytest.mark.xdist_group("small search")
def test_a_search_ends_in_a_table_that_the_trials_folders_and_a_csv_have_too(found):
    frame = found.frame
    assert frame["trial"].tolist() == [0, 1]
    assert frame["status"].tolist() == ["finished"] * 2
    assert (frame["objective"] == frame["val_accuracy"]).all()
    for column in ("hidden", "learning_rate", "loss", "val_loss", "best_epoch", "epochs", "seconds", "parameters"):
        assert frame[column].notna().all()
    assert frame["parameters"].tolist() == [2 * n + n + 2 * n + 2 for n in frame["hidden"]]
    assert (frame[["gradient_start/hidden_1", "gradient_end/output"]] > 0).all(axis=None)
    assert found.best == frame["objective"].idxmax()
    files = {path.name for path in found.folder.iterdir()}
    assert {"search.json", "trials.csv", "objective.png", "hyperparameters.png", "trial_0", "trial_1"} <= files
    pd.testing.assert_frame_equal(
        numbers(pd.read_csv(found.folder / "trials.csv", keep_default_na=False)), numbers(frame), check_dtype=False
    )


@pytest.mark.xdist_group("small search")
def test_a_trial_is_what_zoo_train_makes_of_the_same(tmp_path, found):
    run = tuning.train(found.folder, trial=1, run_dir=tmp_path / "run", progress=False)
    history = json.loads((found.folder / "trial_1" / "result.json").read_text())["history"]
    assert run.metrics["val_accuracy"].tolist() == history
    options = {"hidden": int(found.frame["hidden"][1]), **found.frame[["activation", "initializer"]].loc[1].to_dict()}
    by_hand = zoo.train(
        "shallow_mlp", "moons", epochs=3, batch_size=64, learning_rate=found.frame["learning_rate"][1],
        options=options, run_dir=tmp_path / "by hand", progress=False,
    )  # fmt: skip
    assert by_hand.metrics.equals(run.metrics)
    with pytest.raises(InvalidValue, match="has no trial 7; there are 0 to 1"):
        tuning.train(found.folder, trial=7)


@pytest.mark.xdist_group("small search")
def test_the_same_seed_gives_the_same_table_and_another_one_another(tmp_path, found):
    again, other = (search(tmp_path / str(seed), seed=seed).frame for seed in (0, 1))
    pd.testing.assert_frame_equal(numbers(found.frame), numbers(again), check_exact=True)
    assert not found.frame["hidden"].equals(other["hidden"])


def test_the_same_call_goes_on_and_trains_no_finished_trial_again(tmp_path, monkeypatch):
    trained = []
    prepare = hypermodels.ZooHyperModel.prepare

    def counted(self, hp, folder, **rest):
        trained.append(folder.path.name)
        return prepare(self, hp, folder, **rest)

    monkeypatch.setattr(hypermodels.ZooHyperModel, "prepare", counted)
    search(tmp_path / "search")
    assert trained == ["trial_0", "trial_1"]
    longer = search(tmp_path / "search", max_trials=3)
    assert trained == ["trial_0", "trial_1", "trial_2"]
    assert tuning.resume(longer.folder, progress=False).frame.equals(longer.frame)
    assert len(trained) == 3


def test_hyperband_goes_on_with_the_best_from_where_their_training_ended(tmp_path):
    found = search(tmp_path / "search", algorithm="hyperband", max_trials=5, epochs=3)
    continued = found.frame[found.frame["goes_on_from"].notna()]
    assert len(continued)
    row = continued.iloc[-1]
    parent = json.loads((found.folder / f"trial_{row['goes_on_from']}" / "result.json").read_text())
    own = json.loads((found.folder / f"trial_{row['trial']}" / "result.json").read_text())
    assert own["history"][: len(parent["history"])] == parent["history"]
    assert len(own["history"]) > len(parent["history"])
    assert own["gradient_start"] == parent["gradient_start"]
    run = tuning.train(found.folder, trial=int(row["trial"]), epochs=len(own["history"]), run_dir=tmp_path / "run")
    np.testing.assert_allclose(run.metrics["val_accuracy"], own["history"], rtol=1e-6)


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        ({"objective": "val_loss"}, r"objective was \['val_accuracy', 'max'\], is now \['val_loss', 'min'\]"),
        ({"space": SMALL.with_(hidden=Range(2, 30))}, "space.parameters.hidden.high was 20, is now 30"),
        ({"space": SMALL.without("activation")}, "space.parameters.activation is gone"),
        ({"seed": 3}, "seed was 0, is now 3"),
        ({"algorithm": "grid"}, "algorithm was random, is now grid"),
    ],
)
def test_another_search_in_the_same_folder_is_refused_with_the_difference(tmp_path, changed, difference):
    folder = RunFolder.at(tmp_path / "search")
    asked = {
        "model": SMALL, "dataset": "moons", "algorithm": "random", "max_trials": 2, "objective": None, "epochs": 3,
        "recipe": None, "seed": 0, "vanishing": 1e-4, "prune": True,
    }  # fmt: skip
    write_search(make_plan(**asked), folder)
    write_search(make_plan(**{**asked, "max_trials": 5}), folder)
    renamed = {"model" if key == "space" else key: value for key, value in changed.items()}
    with pytest.raises(InvalidValue, match=difference):
        write_search(make_plan(**{**asked, **renamed}), folder)


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("three years of work")
    with pytest.raises(InvalidValue, match="holds files of something else"):
        search(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_builder_of_ones_own_that_fails_is_a_row(tmp_path):
    builder = fails_with(MemoryError("no room for 4 units"), when=lambda units: units == 4)
    own = tuning.HyperModel(builder, {"units": Choice([2, 3, 4, 5]), "batch_size": 50})
    found = search(tmp_path / "search", own, algorithm="grid", max_trials=None)
    assert found.frame["status"].tolist() == ["finished", "finished", "failed", "finished"]
    assert found.frame["error"][2] == "MemoryError: no room for 4 units"
    trace = json.loads((next(found.folder.glob("trial_*2")) / "result.json").read_text())["traceback"]
    assert "in builder" in trace


def test_a_training_that_breaks_is_a_row_that_says_where(tmp_path):
    space = SMALL.with_(learning_rate=Choice([0.01, 1e38]), activation="relu", initializer="he", hidden=5)
    found = search(
        tmp_path / "search", space.with_(learning_rate=Choice([0.01, 1e38])), algorithm="grid", max_trials=None
    )
    assert found.frame["status"].tolist() == ["finished", "failed"]
    assert "The gradient first broke at step" in found.frame["error"][1]


def test_a_search_in_which_all_fails_ends_at_once_with_the_first_cause(tmp_path):
    built = []

    def when(units):
        built.append(units)
        return len(built) > 1  # KerasTuner builds one to learn what there is

    own = tuning.HyperModel(fails_with(ValueError("a bug"), when), {"units": Range(1, 50)})
    with pytest.raises(RunFailed, match="All 3 trials failed. The first: ValueError: a bug"):
        search(tmp_path / "search", own, max_trials=20)
    assert len(built) == 4
    assert pd.read_csv(tmp_path / "search" / "trials.csv")["status"].tolist() == ["failed"] * 3


def test_kerastuners_own_builders_are_searched_too(tmp_path):
    def builder(hp):
        layers = [keras.Input((2,)), keras.layers.Dense(hp.Choice("units", [3]), name="first")]
        deep = hp.Boolean("deep")
        with hp.conditional_scope("deep", [True]):
            more = hp.Choice("more", [2, 4])
        model = keras.Sequential(
            [*layers, *([keras.layers.Dense(more)] if deep else []), keras.layers.Dense(2, "softmax")]
        )
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    found = search(tmp_path / "search", builder, algorithm="grid", max_trials=None)
    assert found.frame["deep"].tolist() == [False, True, True]
    assert found.frame["more"].dropna().tolist() == [2, 4]
    assert set(json.loads((found.folder / "search.json").read_text())["parameters"]) == {"units", "deep", "more"}


def test_the_gradient_can_be_the_objective(tmp_path):
    space = tuning.space("deep_mlp").with_(
        depth=Choice([1, 4]), activation="sigmoid", width=8, initializer="he", learning_rate=0.01, batch_size=64
    )
    found = search(tmp_path / "search", space, algorithm="grid", max_trials=None, objective="gradient_ratio")
    assert found.frame.set_index("depth")["objective"].idxmax() == 1
    row = found.frame.iloc[0]
    if row["best_epoch"] == row["epochs"]:
        assert row["objective"] == pytest.approx(row["gradient_end/hidden_1"] / row["gradient_end/output"])


def test_a_training_whose_gradient_has_vanished_ends_early(tmp_path):
    space = tuning.space("deep_mlp").with_(
        depth=Choice([1, 6]), activation="sigmoid", width=8, initializer="he", learning_rate=0.01, batch_size=64
    )
    found = search(tmp_path / "search", space, algorithm="grid", max_trials=None, epochs=6, vanishing=1e-2, prune=False)
    assert found.frame["status"].tolist() == ["finished", "vanished"]
    assert found.frame["epochs"].tolist() == [6, 1]
    assert "vanished on its way to hidden_1" in found.frame["note"][1]


def test_the_median_rule_by_hand():
    others = [[0.2, 0.4, 0.9], [0.6, 0.8], [0.1, 0.1, 0.1]]  # means of two epochs: 0.3, 0.7, 0.1
    worse = is_worse_than_median
    assert worse([0.2, 0.29], others, maximize=True)
    assert not worse([0.2, 0.31], others, maximize=True)
    assert not worse([0.31, 0.0], others, maximize=True)  # its best counts
    assert worse([0.9, 0.31], others, maximize=False)
    assert not worse([0.9, 0.29], others, maximize=False)
    assert not worse([0, 0, 0, 0], others, maximize=True)  # none went so far


def test_a_training_that_is_worse_than_the_median_ends_early(tmp_path):
    penalties = Choice([0.0, 1e-6, 2e-6, 3e-6, 4e-6, 100.0])
    space = tuning.space("shallow_mlp").with_(
        hidden=20, activation="relu", initializer="he", batch_size=16, learning_rate=0.02, l2=penalties
    )
    found = search(tmp_path / "search", space, algorithm="grid", max_trials=None, epochs=5)
    assert found.frame["status"].tolist()[:5] == ["finished"] * 5
    assert found.frame["status"][5] == "pruned"
    assert found.frame["epochs"][5] < 5
    assert "worse than the median of 5 trials" in found.frame["note"][5]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"algorithm": "genetic"}, "algorithm must be one of"),
        ({"max_trials": 0}, "max_trials must be an integer >= 1"),
        ({"objective": "happiness"}, 'pass objective=("happiness", "max")'),
        ({"objective": ("val_loss", "least")}, 'must be "min" or "max"'),
        ({"seed": -1}, "seed must be"),
        ({"workers": 0}, "workers must be"),
        ({"vanishing": -1.0}, "vanishing must be"),
        ({"recipe": "nielsen"}, "A space has its recipe already"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused_before_anything_is_written(tmp_path, settings, message):
    with pytest.raises(InvalidValue) as error:
        search(tmp_path / "search", **settings)
    assert message in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_two_processes_do_not_search_in_one_folder(tmp_path):
    tmp_path.joinpath("search").mkdir()
    with (
        lock(tmp_path / "search"),
        pytest.raises(InvalidValue, match="Another process is searching"),
        lock(tmp_path / "search"),
    ):
        pass


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_a_search_that_is_killed_ends_as_one_that_was_not(tmp_path):
    command = [
        sys.executable, "-m", "zoo.cli", "tune", "shallow_mlp", "--dataset", "moons", "--algorithm", "bayesian",
        "--max-trials", "4", "--epochs", "3", "--set", "batch_size=64", "--project-dir",
    ]  # fmt: skip
    process = subprocess.Popen([*command, str(tmp_path / "killed")], cwd=ROOT, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (tmp_path / "killed" / "trial_1").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = (tmp_path / "killed" / "trial_0" / "result.json").read_bytes()
    killed = tuning.resume(tmp_path / "killed", progress=False).frame
    assert (tmp_path / "killed" / "trial_0" / "result.json").read_bytes() == kept
    whole = tuning.search(
        tuning.space("shallow_mlp").with_(batch_size=64), "moons", algorithm="bayesian", max_trials=4, epochs=3,
        project_dir=tmp_path / "whole", progress=False,
    ).frame  # fmt: skip
    pd.testing.assert_frame_equal(numbers(killed), numbers(whole), check_exact=True)
