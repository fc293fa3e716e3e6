"""Runs of several stages: their folders and records, and how they resume."""

import functools
import json
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
from zoo.errors import InvalidValue
from zoo.training import stage as stage_module

ROOT = Path(__file__).parents[3]
SMALL = {
    "dbn": {"width": 12, "depth": 2},
    "stacked_autoencoder": {"width": 12, "depth": 2},
    "generative_dbn": {"hidden": (12, 12), "top": 16},
}
STAGES = {
    "dbn": ["1-hidden_1", "2-hidden_2", "3-classifier"],
    "stacked_autoencoder": ["1-hidden_1", "2-hidden_2", "3-classifier"],
    "generative_dbn": ["1-rbm_1", "2-rbm_2", "3-top"],
}


@pytest.fixture(autouse=True, scope="module")
def _shared_modes(tmp_path_factory):
    """Shares the measured compile modes: runs in different modes differ in their last digits."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("KERAS_HOME", str(tmp_path_factory.mktemp("keras")))
        yield


def train(folder, name="dbn", **options):
    defaults = {"epochs": 2, "pretraining_epochs": 2, "options": SMALL.get(name), "progress": False}
    return zoo.train(name, run_dir=folder, **{**defaults, **options})


def assert_same_run(one, other):
    for first, second in zip(one.model.get_weights(), other.model.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)
    for path in sorted(Path(one.folder).rglob("metrics.csv")):
        assert path.read_bytes() == (Path(other.folder) / path.relative_to(one.folder)).read_bytes(), path


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A function that returns an uninterrupted run of a model, which is trained once and not changed."""
    return functools.cache(lambda name, **options: train(tmp_path_factory.mktemp("whole") / "run", name, **options))


@pytest.mark.parametrize(
    "name", ["dbn", "stacked_autoencoder", pytest.param("generative_dbn", marks=pytest.mark.large)]
)
def test_each_stage_has_a_folder_a_history_and_gradients(whole, name):
    run = whole(name)
    assert sorted(path.name for path in run.folder.iterdir() if path.is_dir()) == STAGES[name]
    assert [stage.folder.name for stage in run.stages] == [*STAGES[name], "run"]
    for stage in run.stages:
        assert stage.status == "finished"
        assert len(stage.metrics) == (3 if stage.name == "classifier" else 2)
        assert np.isfinite(stage.metrics["loss"]).all()
        assert (stage.gradients["l2"] > 0).any()
        files = {path.name for path in stage.folder.iterdir()}
        assert {"metrics.csv", "gradients.csv", "checkpoint.npz", "model.keras"} <= files
    results = json.loads((run.folder / "result.json").read_text())["stages"]
    assert [result["name"] for result in results] == [stage.name for stage in run.stages]


def test_the_layers_of_the_classifier_are_those_of_the_stages(tmp_path):
    run = train(tmp_path / "run", epochs=1, learning_rate=1e-30)  # the last stage changes nothing
    for number, folder in enumerate(STAGES["dbn"][:2], start=1):
        learner = keras.saving.load_model(run.folder / folder / "model.keras")
        layer = run.model.get_layer(f"hidden_{number}")
        np.testing.assert_allclose(layer.kernel, learner.rbm.kernel, atol=1e-6)
        np.testing.assert_allclose(layer.bias, learner.rbm.hidden_bias, atol=1e-6)
    output = keras.saving.load_model(run.folder / "3-classifier" / "model.keras").layers[-1]
    np.testing.assert_allclose(run.model.get_layer("output").kernel, output.kernel, atol=1e-6)


@pytest.mark.large
def test_equal_seeds_give_equal_runs(tmp_path, whole):
    one, same, other = whole("dbn"), train(tmp_path / "run"), whole("dbn", seed=1)
    assert_same_run(one, same)
    assert (one.model.get_weights()[0] != other.model.get_weights()[0]).any()


class TestResume:
    @pytest.mark.parametrize(
        ("name", "at"),
        [
            ("dbn", (2, 0)),
            pytest.param("dbn", (4, 1), marks=pytest.mark.large),
            pytest.param("stacked_autoencoder", (2, 1), marks=pytest.mark.large),
            pytest.param("generative_dbn", (4, 1), marks=pytest.mark.large),
        ],
    )
    def test_an_interrupted_run_ends_with_the_weights_of_a_whole_one(self, tmp_path, monkeypatch, whole, name, at):
        """Interrupts a stage after a number of epochs: within stages, and between them."""
        number, epochs = at

        class Interrupt(stage_module.TableWriter):
            stages = 0

            def on_train_begin(self, logs=None):
                Interrupt.stages += 1

            def on_epoch_begin(self, epoch, logs=None):
                if (Interrupt.stages, epoch) == (number, epochs):
                    raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(stage_module, "TableWriter", Interrupt)
            interrupted = train(tmp_path / "run", name)
        assert interrupted.status == "interrupted"
        assert not interrupted.test
        assert len(interrupted.stages) == number
        before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").glob("*/checkpoint.npz")}
        resumed = zoo.resume(tmp_path / "run", progress=False)
        assert resumed.status == "finished"
        assert_same_run(whole(name), resumed)
        finished = [path for path in before if int(path.parent.name[0]) < number]
        assert all(path.stat().st_mtime_ns == before[path] for path in finished)  # not trained again

    @pytest.mark.large
    def test_a_killed_run(self, tmp_path):
        whole = train(tmp_path / "whole", pretraining_epochs=6)
        command = [sys.executable, "-m", "zoo.cli", "train", "dbn", "--epochs", "2", "--pretraining-epochs", "6"]
        command += ["--set", "width=12", "--set", "depth=2", "--run-dir", tmp_path / "run"]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while not (tmp_path / "run" / "2-hidden_2" / "checkpoint.npz").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert_same_run(whole, zoo.resume(tmp_path / "run", progress=False))

    def test_a_stage_of_another_configuration_is_an_error(self, tmp_path, whole):
        one, other = shutil.copytree(whole("dbn").folder, tmp_path / "run"), whole("dbn", seed=1)
        config = (other.folder / "2-hidden_2" / "config.json").read_text()
        (one / "2-hidden_2" / "config.json").write_text(config)
        with pytest.raises(InvalidValue, match="2-hidden_2 belongs to another configuration"):
            zoo.resume(one, progress=False)


class TestLabels:
    def test_pre_training_uses_all_examples_and_the_other_stages_the_labelled_ones(self, tmp_path):
        run = train(tmp_path / "run", labels=20)
        config = json.loads((run.folder / "config.json").read_text())
        assert config["dataset"]["examples"]["train"] == config["labels"] == 20
        assert config["unlabelled"] == 1294
        steps = [pd.read_csv(stage.folder / "gradient_details.csv")["step"].max() for stage in run.stages]
        assert steps[0] > 60
        assert steps[2] <= 3  # one batch of 20 per epoch
        assert steps[3] <= 2

    @pytest.mark.large
    def test_additional_unlabelled_examples(self, tmp_path):
        more = np.random.default_rng(0).uniform(size=(100, 8, 8, 1))
        run = train(tmp_path / "run", unlabelled=more)
        assert json.loads((run.folder / "config.json").read_text())["unlabelled"] == 1394
        with pytest.raises(InvalidValue, match="unlabelled must be the same examples as before"):
            zoo.resume(run.folder, progress=False)
        assert zoo.resume(run.folder, unlabelled=more, progress=False).status == "finished"


class TestInvalidArguments:
    @pytest.mark.parametrize(
        ("name", "arguments", "message"),
        [
            (
                "dbn",
                {"unlabelled": np.zeros((5, 8, 7, 1))},
                r"unlabelled must have shape \(n, 8, 8, 1\); got \(5, 8, 7, 1\)",
            ),
            ("dbn", {"unlabelled": np.full((5, 8, 8, 1), np.nan)}, "must be finite"),
            ("dbn", {"labels": 5}, "labels must be from 10, one per class, to 1294; got 5"),
            ("dbn", {"pretraining_epochs": 0}, "epochs must be an integer >= 1"),
            ("deep_mlp", {"pretraining_epochs": 3}, "has no pre-training"),
            ("deep_mlp", {"unlabelled": np.zeros((5, 8, 8, 1))}, "has no pre-training"),
        ],
    )
    def test_are_errors_before_anything_is_written(self, tmp_path, name, arguments, message):
        with pytest.raises(InvalidValue, match=message):
            train(tmp_path / "run", name, **{"pretraining_epochs": None, **arguments})
        assert not (tmp_path / "run").exists()

    @pytest.mark.parametrize("name", ["dbn", "stacked_autoencoder"])
    def test_data_outside_0_to_1_are_errors(self, tmp_path, name):
        with pytest.raises(InvalidValue, match=r"in \[0, 1\]"):
            train(tmp_path / "run", name, dataset="moons")
        assert not (tmp_path / "run").exists()


@pytest.mark.large
def test_two_workers_train_every_stage_and_one_writes(tmp_path):
    command = [sys.executable, "-m", "zoo.cli", "train", "dbn", "--epochs", "1", "--pretraining-epochs", "1"]
    command += ["--set", "width=12", "--set", "depth=2", "--workers", "2", "--run-dir", tmp_path / "run"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    assert sorted(path.name for path in (tmp_path / "run").iterdir() if path.is_dir()) == STAGES["dbn"]
    assert "2 replicas" in done.stdout
