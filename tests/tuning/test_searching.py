import contextlib
import json
import os
import shutil
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
# The same model in every trial, which is compiled in the same way.
FIXED = {"hidden": 5, "activation": "relu", "initializer": "he", "batch_size": 64, "learning_rate": 0.01}


def search(folder, space=SMALL, **settings):
    settings = {"algorithm": "random", "max_trials": 2, "epochs": 2, "progress": False, **settings}
    return tuning.search(space, "moons", project_dir=folder, **settings)


def drop_seconds(frame):
    return frame.drop(columns="seconds")


def read_result(folder, trial):
    folders = {int(path.name.removeprefix("trial_")): path for path in folder.glob("trial_*")}
    return json.loads((folders[int(trial)] / "result.json").read_text())


def make_failing_builder(error, when=lambda units: True):
    """Returns a builder of one dense layer that fails for some values."""

    def builder(units):
        if when(units):
            raise error
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(units), keras.layers.Dense(2, "softmax")])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    return builder


@contextlib.contextmanager
def record_trainings():
    """Yields a list that receives the folder's name of each trial that is trained in the block."""
    trained, prepare = [], hypermodels.ZooHyperModel.prepare

    def record(self, hp, folder, **options):
        trained.append(folder.path.name)
        return prepare(self, hp, folder, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hypermodels.ZooHyperModel, "prepare", record)
        yield trained


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A small search, to be read only."""
    with record_trainings() as trained:
        result = search(tmp_path_factory.mktemp("small") / "search")
    assert trained == ["trial_0", "trial_1"]
    return result


def test_a_search_ends_in_a_table_that_a_csv_and_the_folders_of_its_trials_have_too(small):
    frame = small.frame
    assert frame["trial"].tolist() == [0, 1]
    assert frame["status"].tolist() == ["finished"] * 2
    assert (frame["objective"] == frame["val_accuracy"]).all()
    for column in ("hidden", "learning_rate", "loss", "val_loss", "best_epoch", "epochs", "seconds", "parameters"):
        assert frame[column].notna().all()
    assert frame["parameters"].tolist() == [2 * n + n + 2 * n + 2 for n in frame["hidden"]]
    assert (frame[["gradient_start/hidden_1", "gradient_end/output"]] > 0).all(axis=None)
    assert small.best == frame["objective"].idxmax()
    files = {path.name for path in small.folder.iterdir()}
    assert {"search.json", "trials.csv", "objective.png", "hyperparameters.png", "trial_0", "trial_1"} <= files
    table = pd.read_csv(small.folder / "trials.csv", keep_default_na=False)
    pd.testing.assert_frame_equal(drop_seconds(table), drop_seconds(frame), check_dtype=False)


def test_zoo_train_repeats_a_trial(tmp_path, small):
    run = tuning.train(small.folder, trial=1, run_dir=tmp_path / "run", progress=False)
    assert run.metrics["val_accuracy"].tolist() == read_result(small.folder, 1)["history"]
    options = {"hidden": int(small.frame["hidden"][1]), **small.frame[["activation", "initializer"]].loc[1].to_dict()}
    by_hand = zoo.train(
        "shallow_mlp", "moons", epochs=2, batch_size=64, learning_rate=small.frame["learning_rate"][1],
        options=options, run_dir=tmp_path / "by hand", progress=False,
    )  # fmt: skip
    assert by_hand.metrics.equals(run.metrics)
    with pytest.raises(InvalidValue, match="has no trial 7; there are 0 to 1"):
        tuning.train(small.folder, trial=7)


@pytest.mark.large
def test_the_same_seed_gives_the_same_table_and_another_seed_another(tmp_path, small):
    again, other = (search(tmp_path / str(seed), seed=seed).frame for seed in (0, 1))
    pd.testing.assert_frame_equal(drop_seconds(small.frame), drop_seconds(again), check_exact=True)
    assert not small.frame["hidden"].equals(other["hidden"])


def test_the_same_call_resumes_and_trains_no_finished_trial_again(tmp_path, small):
    shutil.copytree(small.folder, tmp_path / "search")
    with record_trainings() as trained:
        longer = search(tmp_path / "search", max_trials=3)
        assert trained == ["trial_2"]
        assert tuning.resume(longer.folder, progress=False).frame.equals(longer.frame)
    assert len(trained) == 1


@pytest.mark.large
def test_hyperband_continues_the_best_trials_where_their_training_ended(tmp_path):
    space = SMALL.with_({**FIXED, "learning_rate": Range(1e-3, 1e-1, log=True)})
    result = search(tmp_path / "search", space, algorithm="hyperband", max_trials=5, epochs=3)
    continued = result.frame[result.frame["goes_on_from"].notna()]
    assert len(continued)
    row = continued.iloc[-1]
    parent, child = (read_result(result.folder, row[name]) for name in ("goes_on_from", "trial"))
    assert child["history"][: len(parent["history"])] == parent["history"]
    assert len(child["history"]) > len(parent["history"])
    assert child["gradient_start"] == parent["gradient_start"]
    run = tuning.train(result.folder, trial=int(row["trial"]), epochs=len(child["history"]), run_dir=tmp_path / "run")
    np.testing.assert_allclose(run.metrics["val_accuracy"], child["history"], rtol=1e-6)


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
    folder = RunFolder(tmp_path / "search")
    arguments = {
        "model": SMALL, "dataset": "moons", "algorithm": "random", "max_trials": 2, "objective": None, "epochs": 3,
        "recipe": None, "seed": 0, "vanishing": 1e-4, "prune": True,
    }  # fmt: skip
    write_search(make_plan(**arguments), folder)
    write_search(make_plan(**{**arguments, "max_trials": 5}), folder)
    renamed = {"model" if key == "space" else key: value for key, value in changed.items()}
    with pytest.raises(InvalidValue, match=difference):
        write_search(make_plan(**{**arguments, **renamed}), folder)


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("three years of work")
    with pytest.raises(InvalidValue, match="holds files of something else"):
        search(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_custom_builder_that_fails_is_a_row(tmp_path):
    builder = make_failing_builder(MemoryError("no room for 4 units"), when=lambda units: units == 4)
    model = tuning.HyperModel(builder, {"units": Choice([2, 3, 4, 5]), "batch_size": 50})
    result = search(tmp_path / "search", model, algorithm="grid", max_trials=None, epochs=1)
    assert result.frame["status"].tolist() == ["finished", "finished", "failed", "finished"]
    assert result.frame["error"][2] == "The training does not fit into memory: no room for 4 units."
    assert "in builder" in read_result(result.folder, 2)["traceback"]


def test_a_training_that_breaks_is_a_row_that_says_where(tmp_path):
    space = SMALL.with_({**FIXED, "learning_rate": Choice([0.01, 1e38])})
    result = search(tmp_path / "search", space, algorithm="grid", max_trials=None)
    assert result.frame["status"].tolist() == ["finished", "failed"]
    assert "The gradient first broke at step" in result.frame["error"][1]


def test_a_search_whose_trials_all_fail_ends_at_once_with_the_first_error(tmp_path):
    built = []

    def when(units):
        built.append(units)
        return len(built) > 1  # KerasTuner builds one model to find the hyperparameters

    model = tuning.HyperModel(make_failing_builder(ValueError("a bug"), when), {"units": Range(1, 50)})
    with pytest.raises(RunFailed, match="All 3 trials failed. The first: ValueError: a bug"):
        search(tmp_path / "search", model, max_trials=20)
    assert len(built) == 4
    assert pd.read_csv(tmp_path / "search" / "trials.csv")["status"].tolist() == ["failed"] * 3


def test_functions_of_kerastuner_s_hp_are_searched_too(tmp_path):
    def builder(hp):
        layers = [keras.Input((2,)), keras.layers.Dense(hp.Choice("units", [3]), name="first")]
        is_deep = hp.Boolean("deep")
        with hp.conditional_scope("deep", [True]):
            units = hp.Choice("more", [2, 4])
        model = keras.Sequential(
            [*layers, *([keras.layers.Dense(units)] if is_deep else []), keras.layers.Dense(2, "softmax")]
        )
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    result = search(tmp_path / "search", builder, algorithm="grid", max_trials=None, epochs=1)
    assert result.frame["deep"].tolist() == [False, True, True]
    assert result.frame["more"].dropna().tolist() == [2, 4]
    assert set(json.loads((result.folder / "search.json").read_text())["parameters"]) == {"units", "deep", "more"}


@pytest.fixture(scope="module")
def deep(tmp_path_factory):
    """A search for the ratio of the gradients of a net with one hidden layer and of one with six, to be read only."""
    space = tuning.space("deep_mlp").with_(
        depth=Choice([1, 6]), activation="sigmoid", width=8, initializer="he", learning_rate=0.01, batch_size=64
    )
    folder = tmp_path_factory.mktemp("deep") / "search"
    options = {"objective": "gradient_ratio", "epochs": 3, "vanishing": 1e-2, "prune": False}
    return search(folder, space, algorithm="grid", max_trials=None, **options)


def test_the_gradient_can_be_the_objective(deep):
    assert deep.frame.set_index("depth")["objective"].idxmax() == 1
    row = deep.frame.iloc[1]
    assert row["best_epoch"] == row["epochs"]
    assert row["objective"] == pytest.approx(row["gradient_end/hidden_1"] / row["gradient_end/output"])


def test_a_training_whose_gradient_has_vanished_ends_early(deep):
    assert deep.frame["status"].tolist() == ["finished", "vanished"]
    assert deep.frame["epochs"].tolist() == [3, 1]
    assert "vanished on its way to hidden_1" in deep.frame["note"][1]


def test_the_median_rule_by_hand():
    others = [[0.2, 0.4, 0.9], [0.6, 0.8], [0.1, 0.1, 0.1]]  # means of two epochs: 0.3, 0.7, 0.1
    worse = is_worse_than_median
    assert worse([0.2, 0.29], others, maximize=True)
    assert not worse([0.2, 0.31], others, maximize=True)
    assert not worse([0.31, 0.0], others, maximize=True)  # its best counts
    assert worse([0.9, 0.31], others, maximize=False)
    assert not worse([0.9, 0.29], others, maximize=False)
    assert not worse([0, 0, 0, 0], others, maximize=True)  # none went so far


@pytest.mark.large
def test_a_training_that_is_worse_than_the_median_ends_early(tmp_path):
    penalties = Choice([0.0, 1e-6, 2e-6, 3e-6, 4e-6, 100.0])
    space = SMALL.with_({**FIXED, "hidden": 20, "batch_size": 16, "learning_rate": 0.02, "l2": penalties})
    result = search(tmp_path / "search", space, algorithm="grid", max_trials=None, epochs=3)
    assert result.frame["status"].tolist()[:5] == ["finished"] * 5
    assert result.frame["status"][5] == "pruned"
    assert result.frame["epochs"][5] < 3
    assert "worse than the median of 5 trials" in result.frame["note"][5]


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
def test_a_invalid_search_is_refused_before_anything_is_written(tmp_path, settings, message):
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


@pytest.mark.large
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
    first = (tmp_path / "killed" / "trial_0" / "result.json").read_bytes()
    killed = tuning.resume(tmp_path / "killed", progress=False).frame
    assert (tmp_path / "killed" / "trial_0" / "result.json").read_bytes() == first
    uninterrupted = tuning.search(
        tuning.space("shallow_mlp").with_(batch_size=64), "moons", algorithm="bayesian", max_trials=4, epochs=3,
        project_dir=tmp_path / "uninterrupted", progress=False,
    ).frame  # fmt: skip
    pd.testing.assert_frame_equal(drop_seconds(killed), drop_seconds(uninterrupted), check_exact=True)
