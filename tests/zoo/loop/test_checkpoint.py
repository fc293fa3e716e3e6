"""A training that is killed and taken up again ends as the one that was not, bit for bit."""

import functools
import json
import os
import random
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
from keras import layers

import zoo
from zoo.errors import InvalidValue, RunFailed
from zoo.loop.checkpoint import Checkpoint, Position
from zoo.telemetry import GradientRecorder
from zoo.training import fit

ROOT = Path(__file__).parents[3]
MODEL = {"epochs": 4, "batch_size": 16, "seed": 3}


def net(optimizer=None):
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((2,)),
            layers.Dense(5, "tanh", name="hidden"),
            layers.Dropout(0.3),
            layers.Dense(2, "softmax", name="output"),
        ]
    )
    model.compile(optimizer or keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class Killed(BaseException):
    pass


class Kill(keras.callbacks.Callback):
    """Ends a training as abruptly as an exception can, before a given call of a given epoch."""

    content_with_calls = True

    def __init__(self, epoch, call):
        super().__init__()
        self.left, self.calls = epoch, call

    def on_epoch_begin(self, epoch, logs=None):
        self.left -= 1

    def on_train_batch_begin(self, batch, logs=None):
        if self.left < 0:
            self.calls -= 1
            if self.calls < 0:
                raise Killed


def options(**more):
    return {"batch_size": 10, "epochs": 4, "verbose": 0, "jit_compile": False, **more}


TABLES = (lambda r: r.frame(full=True), GradientRecorder.activation_frame, GradientRecorder.histogram_frame)


@pytest.fixture(scope="module")
def whole(points, tmp_path_factory):
    """A function that returns the variables, the history and the tables of a training that nothing broke off."""

    @functools.cache
    def train(jit_compile):
        model, records = net(), GradientRecorder(activations=True, histograms=True)
        path = tmp_path_factory.mktemp("whole") / "checkpoint.npz"
        same = options(validation_split=0.2, checkpoint_every=2, jit_compile=jit_compile)
        history = fit(model, *points, callbacks=[records], checkpoint=path, **same)
        variables = [each.numpy() for each in (*model.variables, *model.optimizer.variables)]
        return variables, history.history, [kind(records) for kind in TABLES]

    return train


@pytest.mark.xdist_group("broken off")
@pytest.mark.parametrize(
    ("epoch", "call", "jit_compile"), [(0, 1, False), (2, 0, False), (2, 1, False), (3, 3, False), (2, 1, True)]
)
def test_a_training_goes_on_with_the_same_numbers(points, tmp_path, whole, epoch, call, jit_compile):
    path = tmp_path / "checkpoint.npz"
    same = options(validation_split=0.2, checkpoint_every=2, jit_compile=jit_compile)
    variables, history, tables = whole(jit_compile)
    with pytest.raises(Killed):
        fit(net(), *points, callbacks=[GradientRecorder(activations=True, histograms=True), Kill(epoch, call)],
            checkpoint=path, **same)  # fmt: skip
    resumed, rest = net(), GradientRecorder(activations=True, histograms=True)
    again = fit(resumed, *points, callbacks=[rest], checkpoint=path, **same)
    for one, other in zip(variables, (*resumed.variables, *resumed.optimizer.variables), strict=True):
        assert (one == other.numpy()).all()
    assert again.history == history
    for kind, table in zip(TABLES, tables, strict=True):
        later = table.query(f"epoch > {epoch}").reset_index(drop=True)
        pd.testing.assert_frame_equal(kind(rest), later, check_exact=True)


def test_early_stopping_remembers_its_patience(points, tmp_path):
    def stopping():
        return keras.callbacks.EarlyStopping("loss", patience=3, min_delta=100)

    path = tmp_path / "checkpoint.npz"
    with pytest.raises(Killed):
        fit(net(), *points, callbacks=[stopping(), Kill(2, 0)], checkpoint=path, **options(epochs=9))
    history = fit(net(), *points, callbacks=[stopping()], checkpoint=path, **options(epochs=9))
    assert len(history.history["loss"]) == 4


def test_a_reduced_learning_rate_is_not_reduced_again(points, tmp_path):
    def reducing():
        return keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=100, factor=0.1)

    whole, resumed = net(), net()
    fit(whole, *points, callbacks=[reducing()], checkpoint=tmp_path / "one.npz", **options())
    with pytest.raises(Killed):
        fit(net(), *points, callbacks=[reducing(), Kill(2, 0)], checkpoint=tmp_path / "two.npz", **options())
    fit(resumed, *points, callbacks=[reducing()], checkpoint=tmp_path / "two.npz", **options())
    assert float(resumed.optimizer.learning_rate) == float(whole.optimizer.learning_rate) < 0.01


def test_a_finished_training_is_not_trained_again(points, tmp_path):
    model, path = net(), tmp_path / "checkpoint.npz"
    fit(model, *points, checkpoint=path, **options())
    again = net()
    history = fit(again, *points, checkpoint=path, **options())
    assert len(history.history["loss"]) == 4
    assert all((one == other).all() for one, other in zip(model.get_weights(), again.get_weights(), strict=True))


def test_the_checkpoint_of_another_training_is_refused(points, tmp_path):
    path = tmp_path / "checkpoint.npz"
    fit(net(), *points, checkpoint=path, **options(epochs=1))
    with pytest.raises(RunFailed, match="is the checkpoint of another training: it has"):
        fit(net(keras.optimizers.SGD(0.1, momentum=0.9)), *points, checkpoint=path, **options())


def test_what_is_no_checkpoint_is_refused(points, tmp_path):
    path = tmp_path / "checkpoint.npz"
    path.write_bytes(b"PK\x03\x04 not a zip file")
    with pytest.raises(RunFailed, match="checkpoint.npz is not a checkpoint"):
        fit(net(), *points, checkpoint=path, **options())


def test_a_full_disk_leaves_the_last_good_checkpoint(tmp_path, monkeypatch):
    import tensorflow as tf

    checkpoint = Checkpoint(tmp_path / "checkpoint.npz")
    checkpoint.save([tf.Variable([1.0, 2.0])], Position(epoch=1))

    def full(path, **arrays):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(RunFailed, match="cannot be written: No space left on device. The previous one is intact"):
        checkpoint.save([tf.Variable([3.0, 4.0])], Position(epoch=2))
    monkeypatch.undo()
    assert checkpoint.position().epoch == 1
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.npz"]


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    """The folder of a run that nothing broke off."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    return zoo.train("dropout_mlp", "moons", run_dir=folder, progress=False, **MODEL).folder


@pytest.mark.xdist_group("killed")
class TestRuns:
    def test_a_run_killed_at_random_moments_ends_as_one_that_was_not(self, tmp_path, whole_run):
        draw = random.Random(0)
        command = [sys.executable, "-m", "zoo.cli", "train"]
        start = [*command, "dropout_mlp", "--dataset", "moons", "--epochs", "4", "--batch-size", "16", "--seed", "3",
                 "--checkpoint-every", "7", "--run-dir", str(tmp_path / "killed")]  # fmt: skip
        kills = 0
        arguments = start
        for _ in range(12):
            process = subprocess.Popen(arguments, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
            wait_for_checkpoint(tmp_path / "killed" / "checkpoint.npz", process)
            time.sleep(draw.uniform(0, 0.1))
            if kills < 3 and process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
                kills += 1
            _, errors = process.communicate()
            arguments = [*command, "--resume", str(tmp_path / "killed")]
            if process.returncode == 0:
                break
        assert kills
        assert process.returncode == 0, errors[-2000:]
        assert_same_runs(whole_run, tmp_path / "killed")

    def test_a_kill_while_the_checkpoint_is_written_costs_an_epoch_at_most(self, tmp_path, whole_run):
        program = """
import os, signal, sys
import numpy as np, zoo
savez, calls = np.savez, []
def killed_in_the_middle(path, **arrays):
    calls.append(path)
    if len(calls) == 3:
        savez(path, **{name: arrays[name] for name in list(arrays)[:3]})
        os.kill(os.getpid(), signal.SIGKILL)
    savez(path, **arrays)
np.savez = killed_in_the_middle
zoo.train("dropout_mlp", "moons", epochs=4, batch_size=16, seed=3, run_dir=sys.argv[1], progress=False)
"""
        folder = tmp_path / "killed"
        done = subprocess.run([sys.executable, "-c", program, str(folder)], cwd=ROOT, capture_output=True)
        assert done.returncode == -signal.SIGKILL
        assert Checkpoint(folder / "checkpoint.npz").position().epoch == 2
        assert len(pd.read_csv(folder / "metrics.csv")) == 3  # ahead of the checkpoint
        zoo.resume(folder, progress=False)
        assert_same_runs(whole_run, folder)

    def test_a_run_can_be_made_longer(self, tmp_path):
        run = zoo.train("deep_mlp", "moons", run_dir=tmp_path / "run", progress=False, **{**MODEL, "epochs": 2})
        longer = zoo.resume(run.folder, epochs=4, progress=False)
        assert longer.seconds > run.seconds  # of all of it
        assert zoo.resume(run.folder, progress=False).seconds == longer.seconds
        whole = zoo.train("deep_mlp", "moons", run_dir=tmp_path / "whole", progress=False, **MODEL)
        assert_same_runs(whole.folder, run.folder)

    def test_what_is_no_run_is_refused(self, tmp_path):
        with pytest.raises(InvalidValue, match="There is no run in .*: it has no config.json"):
            zoo.resume(tmp_path, progress=False)

    def test_a_run_of_other_data_is_refused(self, tmp_path):
        run = zoo.train("deep_mlp", "moons", run_dir=tmp_path / "run", progress=False, epochs=1)
        config = json.loads((run.folder / "config.json").read_text())
        config["dataset"]["digest"] = "0" * 64
        (run.folder / "config.json").write_text(json.dumps(config))
        with pytest.raises(InvalidValue, match="The data set moons is not what the run was trained on"):
            zoo.resume(run.folder, epochs=2, progress=False)

    def test_a_folder_that_cannot_be_written_ends_the_run_with_a_sentence(self, tmp_path, monkeypatch):
        run = zoo.train("deep_mlp", "moons", run_dir=tmp_path / "run", progress=False, epochs=1)

        def refused(*_, **__):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(pd.DataFrame, "to_csv", refused)
        with pytest.raises(RunFailed, match="metrics.csv cannot be written: Permission denied. What was there"):
            zoo.resume(run.folder, epochs=2, progress=False)
        assert Checkpoint(run.folder / "checkpoint.npz").position().epoch == 1


def wait_for_checkpoint(path, process):
    before = path.stat().st_mtime_ns if path.exists() else 0
    while process.poll() is None and (path.stat().st_mtime_ns if path.exists() else 0) == before:
        time.sleep(0.005)


def assert_same_runs(one, other):
    with np.load(one / "checkpoint.npz") as first, np.load(other / "checkpoint.npz") as second:
        assert set(first.files) == set(second.files)
        for name in set(first.files) - {"position"}:
            np.testing.assert_array_equal(first[name], second[name])
    for table in ("metrics.csv", "gradients.csv", "gradient_details.csv"):
        assert (one / table).read_text() == (other / table).read_text(), table
    results = [json.loads((folder / "result.json").read_text()) for folder in (one, other)]
    assert results[0]["test"] == results[1]["test"]
    shutil.rmtree(other)
