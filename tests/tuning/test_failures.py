"""What goes wrong in a search: in one trial, in all of them, and on the disk."""

import contextlib
import errno
import os
import subprocess
from pathlib import Path

import keras
import keras_tuner
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from zoo import tuning
from zoo.errors import InvalidValue, RunFailed
from zoo.tuning import memory
from zoo.tuning.failures import describe_failure, find_disk_failure
from zoo.tuning.spaces import Choice, Range
from zoo.tuning.tuner import Tuner

SMALL = tuning.space("shallow_mlp").with_(hidden=Range(2, 20), batch_size=64)


def search(folder, model=SMALL, **settings):
    settings = {"algorithm": "grid", "epochs": 2, "progress": False, **settings}
    return tuning.search(model, "moons", project_dir=folder, **settings)


def make_model(units=3, **options):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(units), keras.layers.Dense(2, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", **options)
    return model


class Returns(keras_tuner.HyperModel):
    """Trains nothing and returns one of these numbers in each trial."""

    def __init__(self, *numbers):
        super().__init__()
        self.numbers = numbers

    def build(self, hp):
        return make_model()

    def fit(self, hp, model, x, y, **kwargs):
        return self.numbers[hp.Choice("number", list(range(len(self.numbers))))]


class TestObjective:
    @pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
    def test_a_trial_without_a_finite_one_fails_in_a_sentence(self, tmp_path, number):
        frame = search(tmp_path / "search", Returns(0.5, number), objective=("score", "max")).frame
        assert frame["status"].tolist() == ["finished", "failed"]
        assert frame["error"][1] == f"The objective score was not finite; it is {number}."

    def test_without_a_finite_one_in_any_trial_the_search_fails_with_that_sentence(self, tmp_path):
        nan = float("nan")
        with pytest.raises(RunFailed, match=r"All 3 trials failed. The first: The objective score was not finite"):
            search(tmp_path / "search", Returns(nan, nan, nan, nan), objective=("score", "max"))
        assert pd.read_csv(tmp_path / "search" / "trials.csv")["status"].tolist() == ["failed"] * 3

    def test_a_metric_that_is_nan_throughout_is_said_with_its_epochs(self, tmp_path):
        def broken(y, p):
            return keras.ops.mean(p) * float("nan")

        def build(hp):
            return make_model(hp.Choice("units", [3]), metrics=[broken])

        message = "The only trial failed: The objective val_broken was not finite in any of 2 epochs; it is nan."
        with pytest.raises(RunFailed, match=message):
            search(tmp_path / "search", build, objective=("val_broken", "max"))

    def test_one_that_no_training_reports_is_refused_before_any_and_nothing_is_left(self, tmp_path, monkeypatch):
        monkeypatch.setattr(Tuner, "run_trials", lambda self: pytest.fail("a trial is trained"))
        message = (
            "objective must be a metric of the training, loss, accuracy, val_loss, val_accuracy or gradient_ratio; "
            "got val_auc."
        )
        with pytest.raises(InvalidValue, match=message):
            search(tmp_path / "search", algorithm="random", max_trials=2, objective="val_auc")
        assert list(tmp_path.iterdir()) == []
        (tmp_path / "empty").mkdir()
        with pytest.raises(InvalidValue, match=message):
            search(tmp_path / "empty", algorithm="random", max_trials=2, objective="val_auc")
        assert [path.name for path in tmp_path.rglob("*")] == ["empty"]

    @pytest.mark.parametrize("objective", [("auc", "max"), ("val_extra", "max")])
    def test_one_of_the_training_or_beside_callbacks_is_refused_after_an_epoch(self, tmp_path, objective):
        callbacks = [keras.callbacks.EarlyStopping()] if objective[0] == "val_extra" else []
        settings = {"algorithm": "random", "max_trials": 1, "callbacks": callbacks, "epochs": 1}
        with pytest.raises(InvalidValue, match=f"objective must be a metric of the training, .*; got {objective[0]}."):
            search(tmp_path / "search", objective=objective, **settings)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("objective", [3, ["val_loss", "val_accuracy", "min"], [("val_loss", "min")]])
    def test_several_are_refused(self, tmp_path, objective):
        with pytest.raises(InvalidValue, match='objective must be a metric, or a metric and "min" or "max"; got'):
            search(tmp_path / "search", objective=objective)


class TestBuilder:
    @pytest.mark.parametrize(
        ("build", "message"),
        [
            (lambda hp: None, "must return a compiled keras.Model; got None."),
            (lambda hp: keras.Sequential([keras.Input((2,))]), "got a model that is not compiled."),
            (lambda hp: 1 / 0, "The builder <lambda> failed: ZeroDivisionError: division by zero"),
        ],
    )
    def test_one_that_builds_no_model_is_refused_and_nothing_is_left(self, tmp_path, build, message):
        with pytest.raises((InvalidValue, RunFailed)) as error:
            search(tmp_path / "search", build)
        assert message in str(error.value)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(("model", "message"), [("depth_cnn", "learns sequences"), ("lenet5", "must be")])
    def test_a_model_that_does_not_suit_the_data_is_refused_and_nothing_is_left(self, tmp_path, model, message):
        with pytest.raises(InvalidValue, match=message):
            search(tmp_path / "search", model)
        assert list(tmp_path.iterdir()) == []


class TestMemory:
    def test_a_model_that_this_machine_cannot_train_is_a_row(self, tmp_path):
        space = tuning.space("shallow_mlp").without("activation", "initializer", "learning_rate", "batch_size")
        frame = search(tmp_path / "search", space.with_(hidden=Choice([5, 10**12]))).frame
        assert frame["status"].tolist() == ["finished", "failed"]
        assert frame["error"][1].startswith(
            "The training does not fit into memory: the weights, their gradients and a copy of them take more than "
            "2.24e+04 GiB, and "  # 12 bytes for each of 2 x 10^12 weights
        )

    @pytest.mark.parametrize("first", [10**12, 3])
    def test_the_first_values_of_a_builder_may_be_too_large(self, tmp_path, first):
        class Large(Returns):
            def build(self, hp):
                return make_model(hp.Choice("units", [10**12, 3], default=first))

        frame = search(tmp_path / "search", Large(0.5), objective=("score", "max")).frame
        assert dict(zip(frame["units"], frame["status"], strict=True)) == {3: "finished", 10**12: "failed"}

    @pytest.mark.large
    def test_a_tensor_that_cannot_be_allocated_is_a_row(self, tmp_path):
        class Allocating(Returns):
            def build(self, hp):
                tf.zeros((10**6, 10**6 if hp.Choice("is_large", [False, True]) else 1))
                return make_model()

        frame = search(tmp_path / "search", Allocating(0.5), objective=("score", "max")).frame
        assert frame["error"].tolist() == [
            "",
            "The training does not fit into memory: a tensor of shape (1000000, 1000000) cannot be allocated.",
        ]

    def test_all_weights_count_and_variables_that_are_not_of_keras_do_not(self, monkeypatch):
        monkeypatch.setattr(memory, "_get_memory", lambda: 3 * 4 * 100)
        with memory.limiting_memory():
            keras.layers.Dense(9, use_bias=False).build((None, 10))
            tf.Variable(lambda: np.zeros(1000))
        second = keras.layers.Dense(11, use_bias=False)
        with memory.limiting_memory():
            keras.layers.Dense(9, use_bias=False).build((None, 10))
            with pytest.raises(MemoryError, match=r"1.12e-06 GiB are free"):
                second.build((None, 1))

    def test_a_batch_whose_outputs_do_not_fit_is_refused_and_an_evaluation_takes_fewer_examples(self, monkeypatch):
        inputs = keras.Input((10, 3))
        wide = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Dense(50)(inputs)))  # 500 outputs per example
        monkeypatch.setattr(memory, "_get_memory", lambda: 2 * 4 * 500 * 16)
        memory.check_batch(wide, 16)
        with pytest.raises(MemoryError, match=r"a batch of 17 takes more than 6.33e-05 GiB, and 5.96e-05 GiB are free"):
            memory.check_batch(wide, 17)
        monkeypatch.setattr(memory, "_EVALUATED", 500 * 20)
        assert memory.choose_evaluated_batch(wide, 16) == 20
        assert memory.choose_evaluated_batch(wide, 32) == 32
        assert memory.choose_evaluated_batch(make_model(), 16) == 1000

    def test_a_batch_of_more_examples_than_there_are_is_one_of_all(self, tmp_path):
        space = tuning.space("shallow_mlp").with_(hidden=5, learning_rate=0.01, batch_size=Choice([720, 10**12]))
        frame = search(tmp_path / "search", space.without("activation", "initializer"), epochs=1).frame
        assert frame["loss"][1] == frame["loss"][0]

    def test_errors_are_described_in_a_sentence_and_unknown_ones_with_their_type(self):
        oom = "OOM when allocating tensor with shape[64,1000000] and type float on /device:GPU:0 by allocator GPU_0_bfc"
        assert describe_failure(tf.errors.ResourceExhaustedError(None, None, oom)) == (
            "The training does not fit into memory: a tensor of shape (64, 1000000) cannot be allocated."
        )
        assert describe_failure(MemoryError()) == "The training does not fit into memory: no reason given."
        assert describe_failure(KeyError("units")) == "KeyError: 'units'"


@contextlib.contextmanager
def limit_writes(number):
    """Fails, as on a full disk, each renaming of a finished file in the block after the first ones."""
    replace, done = Path.replace, []

    def fail(self, target):
        done.append(target)
        if len(done) > number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))
        return replace(self, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "replace", fail)
        yield


def list_unfinished(folder):
    """Returns the hidden files in a folder, except the lock."""
    return [path for path in folder.rglob(".*") if path.name != ".lock"]


class TestDisk:
    def test_a_search_stops_at_any_file_and_resumes_where_there_is_room(self, tmp_path):
        expected = search(tmp_path / "whole", Returns(0.5, 0.7)).frame
        stops, result, messages = 0, None, set()
        while result is None:
            with limit_writes(stops):
                try:
                    result = search(tmp_path / "search", Returns(0.5, 0.7))
                except RunFailed as error:
                    messages.add(str(error))
            assert not list_unfinished(tmp_path / "search")
            stops += 1
        assert stops > 5
        assert messages == {
            f"The search stopped, because its files in {tmp_path / 'search'} cannot be written: No space left on "
            "device. Every finished trial is intact; the same call resumes the search."
        }
        pd.testing.assert_frame_equal(result.frame.drop(columns="seconds"), expected.drop(columns="seconds"))

    def test_a_full_disk_fails_no_trial(self, tmp_path):
        class Saving(Returns):
            def fit(self, hp, model, x, y, **kwargs):
                try:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                except OSError as error:
                    raise ValueError("cannot be saved") from error

        with pytest.raises(RunFailed, match="No space left on device"):
            search(tmp_path / "search", Saving(0.5))
        assert not list((tmp_path / "search").glob("trial_*/result.json"))

    def test_the_reason_is_found_in_the_errors_of_others(self):
        full = tf.errors.ResourceExhaustedError(None, None, "/logs/events; No space left on device")
        assert find_disk_failure(full) == "No space left on device"
        assert find_disk_failure(tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")) == ""
        assert find_disk_failure(FileNotFoundError(errno.ENOENT, "No such file")) == ""

    @pytest.mark.large
    @pytest.mark.parametrize("workers", [1, 2])
    def test_a_disk_that_is_really_full(self, tmp_path, workers):
        def mount(*options):
            done = subprocess.run(
                ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(tmp_path)], check=False
            )
            if done.returncode:
                pytest.skip("needs the right to mount")

        settings = {"algorithm": "random", "max_trials": 2, "workers": workers}
        callbacks = [keras.callbacks.ModelCheckpoint(str(tmp_path / "models" / "best.keras"))]
        mount("size=4k")
        try:
            for size in (8, 40, 90, 140):
                mount("remount", f"size={size}k")
                with pytest.raises(RunFailed, match="cannot be written: No space left on device"):
                    search(tmp_path / "search", callbacks=callbacks, **settings)
                assert not list_unfinished(tmp_path)
            mount("remount", "size=20m")
            frame = search(tmp_path / "search", callbacks=callbacks, **settings).frame
            assert frame["status"].tolist() == ["finished"] * 2
        finally:
            subprocess.run(["umount", str(tmp_path)], check=True)
