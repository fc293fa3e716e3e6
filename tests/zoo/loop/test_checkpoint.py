"""A training that is killed and resumed has exactly the numbers of an uninterrupted one."""

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


def create_model(optimizer=None):
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
    """Ends a training by an exception before a call of an epoch.

    Args:
        moments: Pairs of an epoch and a call, counted from 0. The training ends before the last one. Before the
            others the checkpoint is copied, which is all that remains of a killed training.
        checkpoint: The checkpoint.
    """

    content_with_calls = True

    def __init__(self, *moments, checkpoint=None):
        super().__init__()
        self.moments, self.checkpoint = moments, checkpoint

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch, self.call = epoch, -1

    def on_train_batch_begin(self, batch, logs=None):
        self.call += 1
        moment = (self.epoch, self.call)
        if self.checkpoint and moment in self.moments and self.checkpoint.exists():
            shutil.copy(self.checkpoint, copy_of(self.checkpoint, moment))
        if moment == self.moments[-1]:
            raise Killed


def copy_of(checkpoint, moment):
    return checkpoint.with_name("{}-{}.npz".format(*moment))


def fit_options(**options):
    return {"batch_size": 10, "epochs": 4, "verbose": 0, "jit_compile": False, **options}


TABLES = (lambda r: r.frame(full=True), GradientRecorder.activation_frame, GradientRecorder.histogram_frame)
MOMENTS = [(0, 1), (2, 0), (2, 1), (3, 3)]


def train(points, checkpoint, *callbacks, jit_compile):
    """Trains a model with a recorder; returns its variables, its history and the recorder's tables."""
    model, recorder = create_model(), GradientRecorder(activations=True, histograms=True)
    settings = fit_options(validation_split=0.2, checkpoint_every=2, jit_compile=jit_compile)
    history = fit(model, *points, callbacks=[recorder, *callbacks], checkpoint=checkpoint, **settings)
    variables = [variable.numpy() for variable in (*model.variables, *model.optimizer.variables)]
    return variables, history.history, [table(recorder) for table in TABLES]


@pytest.fixture(scope="module")
def trainings(points, tmp_path_factory):
    """A function that returns an uninterrupted training and the checkpoint of one that was killed."""

    @functools.cache
    def train_both(jit_compile):
        folder = tmp_path_factory.mktemp("trainings")
        killed = folder / "killed.npz"
        with pytest.raises(Killed):
            train(points, killed, Kill(*MOMENTS, checkpoint=killed), jit_compile=jit_compile)
        return train(points, folder / "uninterrupted.npz", jit_compile=jit_compile), killed

    return train_both


@pytest.mark.parametrize(
    ("epoch", "call", "jit_compile"),
    [*((*moment, False) for moment in MOMENTS), pytest.param(2, 1, True, marks=pytest.mark.large)],
)
def test_a_resumed_training_has_the_same_numbers(points, trainings, epoch, call, jit_compile):
    (variables, history, tables), killed = trainings(jit_compile)
    resumed_variables, resumed_history, resumed_tables = train(
        points, copy_of(killed, (epoch, call)), jit_compile=jit_compile
    )
    for variable, resumed_variable in zip(variables, resumed_variables, strict=True):
        assert (variable == resumed_variable).all()
    assert resumed_history == history
    for table, resumed_table in zip(tables, resumed_tables, strict=True):
        expected = table.query(f"epoch > {epoch}").reset_index(drop=True)
        pd.testing.assert_frame_equal(resumed_table, expected, check_exact=True)


def test_early_stopping_resumes_with_its_patience(points, tmp_path):
    def create_callback():
        return keras.callbacks.EarlyStopping("loss", patience=3, min_delta=100)

    path = tmp_path / "checkpoint.npz"
    with pytest.raises(Killed):
        fit(
            create_model(),
            *points,
            callbacks=[create_callback(), Kill((2, 0))],
            checkpoint=path,
            **fit_options(epochs=9),
        )
    history = fit(create_model(), *points, callbacks=[create_callback()], checkpoint=path, **fit_options(epochs=9))
    assert len(history.history["loss"]) == 4


def test_a_reduced_learning_rate_is_not_reduced_again_on_resuming(points, tmp_path):
    def create_callback():
        return keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=100, factor=0.1)

    uninterrupted, resumed = create_model(), create_model()
    fit(
        uninterrupted,
        *points,
        callbacks=[create_callback()],
        checkpoint=tmp_path / "uninterrupted.npz",
        **fit_options(),
    )
    with pytest.raises(Killed):
        fit(
            create_model(),
            *points,
            callbacks=[create_callback(), Kill((2, 0))],
            checkpoint=tmp_path / "resumed.npz",
            **fit_options(),
        )
    fit(resumed, *points, callbacks=[create_callback()], checkpoint=tmp_path / "resumed.npz", **fit_options())
    assert float(resumed.optimizer.learning_rate) == float(uninterrupted.optimizer.learning_rate) < 0.01


def test_a_finished_training_is_not_trained_again(points, tmp_path):
    model, path = create_model(), tmp_path / "checkpoint.npz"
    fit(model, *points, checkpoint=path, **fit_options())
    resumed = create_model()
    history = fit(resumed, *points, checkpoint=path, **fit_options())
    assert len(history.history["loss"]) == 4
    assert all(
        (weight == expected).all() for weight, expected in zip(resumed.get_weights(), model.get_weights(), strict=True)
    )


def test_the_checkpoint_of_another_training_is_rejected(points, tmp_path):
    path = tmp_path / "checkpoint.npz"
    fit(create_model(), *points, checkpoint=path, **fit_options(epochs=1))
    with pytest.raises(RunFailed, match="is the checkpoint of another training: "):
        fit(create_model(keras.optimizers.SGD(0.1, momentum=0.9)), *points, checkpoint=path, **fit_options())


def test_a_file_that_is_not_a_checkpoint_is_rejected(points, tmp_path):
    path = tmp_path / "checkpoint.npz"
    path.write_bytes(b"PK\x03\x04 not a zip file")
    with pytest.raises(RunFailed, match="checkpoint.npz is damaged, or is not a checkpoint"):
        fit(create_model(), *points, checkpoint=path, **fit_options())


def test_a_full_disk_leaves_the_previous_checkpoint_intact(tmp_path, monkeypatch):
    import tensorflow as tf

    checkpoint = Checkpoint(tmp_path / "checkpoint.npz")
    checkpoint.save([tf.Variable([1.0, 2.0])], Position(epoch=1))

    def fail(path, **arrays):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(RunFailed, match="cannot be written: No space left on device. The previous one is intact"):
        checkpoint.save([tf.Variable([3.0, 4.0])], Position(epoch=2))
    monkeypatch.undo()
    assert checkpoint.read_position().epoch == 1
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.npz"]


def test_a_checkpoint_of_the_first_version_is_read(tmp_path):
    position = {"epoch": 1, "step": 0, "history": [{"loss": 0.5}], "way": [True, False], "seconds": 2.0}
    np.savez(tmp_path / "checkpoint.npz", position=np.array(json.dumps(position)))
    assert Checkpoint(tmp_path / "checkpoint.npz").read_position().compile_mode == [True, False]


@pytest.fixture(scope="module")
def uninterrupted_run(tmp_path_factory):
    """The folder of a run that was not interrupted."""
    folder = tmp_path_factory.mktemp("uninterrupted") / "run"
    return zoo.train("dropout_mlp", "moons", run_dir=folder, progress=False, **MODEL).folder


@pytest.fixture(scope="module")
def first_epoch(tmp_path_factory):
    folder = tmp_path_factory.mktemp("first epoch") / "run"
    return zoo.train("deep_mlp", "moons", run_dir=folder, progress=False, epochs=1).folder


@pytest.fixture
def run_of_one_epoch(first_epoch, tmp_path):
    """The folder of a run of one epoch, for a test to change."""
    return shutil.copytree(first_epoch, tmp_path / "run")


class TestRuns:
    @pytest.mark.large
    def test_a_run_killed_at_random_moments_has_the_numbers_of_an_uninterrupted_one(self, tmp_path, uninterrupted_run):
        generator = random.Random(0)
        command = [sys.executable, "-m", "zoo.cli", "train"]
        start = [*command, "dropout_mlp", "--dataset", "moons", "--epochs", "4", "--batch-size", "16", "--seed", "3",
                 "--checkpoint-every", "7", "--run-dir", str(tmp_path / "killed")]  # fmt: skip
        kills = 0
        arguments = start
        for _ in range(12):
            process = subprocess.Popen(arguments, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
            wait_for_checkpoint(tmp_path / "killed" / "checkpoint.npz", process)
            time.sleep(generator.uniform(0, 0.1))
            if kills < 3 and process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
                kills += 1
            _, errors = process.communicate()
            arguments = [*command, "--resume", str(tmp_path / "killed")]
            if process.returncode == 0:
                break
        assert kills
        assert process.returncode == 0, errors[-2000:]
        assert_same_runs(uninterrupted_run, tmp_path / "killed")

    @pytest.mark.large
    def test_a_kill_while_a_checkpoint_is_written_loses_at_most_an_epoch(self, tmp_path, uninterrupted_run):
        program = """
import os, signal, sys
import numpy as np, zoo
savez, calls = np.savez, []
def save_or_kill(path, **arrays):
    calls.append(path)
    if len(calls) == 3:
        savez(path, **{name: arrays[name] for name in list(arrays)[:3]})
        os.kill(os.getpid(), signal.SIGKILL)
    savez(path, **arrays)
np.savez = save_or_kill
zoo.train("dropout_mlp", "moons", epochs=4, batch_size=16, seed=3, run_dir=sys.argv[1], progress=False)
"""
        folder = tmp_path / "killed"
        process = subprocess.run([sys.executable, "-c", program, str(folder)], cwd=ROOT, capture_output=True)
        assert process.returncode == -signal.SIGKILL
        assert Checkpoint(folder / "checkpoint.npz").read_position().epoch == 2
        assert len(pd.read_csv(folder / "metrics.csv")) == 3  # ahead of the checkpoint
        zoo.resume(folder, progress=False)
        assert_same_runs(uninterrupted_run, folder)

    def test_a_run_can_be_made_longer(self, tmp_path, uninterrupted_run):
        run = zoo.train("dropout_mlp", "moons", run_dir=tmp_path / "run", progress=False, **{**MODEL, "epochs": 2})
        longer = zoo.resume(run.folder, epochs=4, progress=False)
        assert longer.seconds > run.seconds  # both parts count
        assert zoo.resume(run.folder, progress=False).seconds == longer.seconds
        assert_same_runs(uninterrupted_run, run.folder)

    def test_a_folder_without_a_run_is_rejected(self, tmp_path):
        with pytest.raises(InvalidValue, match="There is no run in .*: it has no config.json"):
            zoo.resume(tmp_path, progress=False)

    def test_a_run_on_other_data_is_rejected(self, run_of_one_epoch):
        config = json.loads((run_of_one_epoch / "config.json").read_text())
        config["dataset"]["digest"] = "0" * 64
        (run_of_one_epoch / "config.json").write_text(json.dumps(config))
        with pytest.raises(InvalidValue, match="The data set moons is not the one that the run was trained on"):
            zoo.resume(run_of_one_epoch, epochs=2, progress=False)

    def test_a_folder_that_cannot_be_written_ends_the_run_with_an_error(self, run_of_one_epoch, monkeypatch):
        def fail(*_, **__):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(pd.DataFrame, "to_csv", fail)
        with pytest.raises(
            RunFailed, match="metrics.csv cannot be written: Permission denied. An earlier version of it is intact"
        ):
            zoo.resume(run_of_one_epoch, epochs=2, progress=False)
        assert Checkpoint(run_of_one_epoch / "checkpoint.npz").read_position().epoch == 1


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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimizer": keras.optimizers.SGD(0.5)}, "its learning rate was .*, that of this one is 0.5"),
        ({"optimizer": "adam"}, "its optimizer was SGD"),
        ({"batch_size": 9}, "its batch size was 10"),
        ({"rows": 50}, "its number of examples was 64"),
        ({"scale": 2}, "its data was"),
    ],
)
def test_a_checkpoint_of_other_data_or_another_optimizer_is_refused(points, tmp_path, change, message):
    x, y = points
    options = {"epochs": 1, "verbose": 0, "checkpoint": tmp_path / "checkpoint.npz", "jit_compile": False}
    fit(create_model("sgd"), x, y, batch_size=10, **options)
    rows, x = change.get("rows", 64), x * change.get("scale", 1)
    model = create_model(change.get("optimizer", "sgd"))
    with pytest.raises(RunFailed, match=message):
        fit(model, x[:rows], y[:rows], batch_size=change.get("batch_size", 10), **options)
