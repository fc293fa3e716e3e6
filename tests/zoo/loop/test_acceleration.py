"""The compile mode is measured once and remembered."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.errors import InvalidValue
from zoo.loop import acceleration
from zoo.loop.acceleration import MODES, CompileMode, choose_compile_mode
from zoo.training import fit


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """The seconds that a step takes in each mode, to be set, and the list of modes that were measured."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    seconds, names = {}, {mode: name for name, mode in MODES.items()}
    modes = []

    def measure(mode, rows, interval):
        modes.append(names[mode])
        if isinstance(result := seconds[names[mode]], Exception):
            raise result
        return result

    monkeypatch.setattr(acceleration, "_measure_step", measure)
    monkeypatch.setattr(acceleration, "_find_xla_failure", lambda mode, rows, interval: "")
    return seconds, modes


def create_model(*layers):
    model = keras.Sequential([keras.Input((6, 6, 1)), *layers, keras.layers.Flatten(), keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    return model


def choose_mode(model, *, steps=100, mode=None):
    rows = np.zeros((4, 2), int)
    return choose_compile_mode(lambda mode: mode, rows, model=model, steps=steps, mode=mode)[1]


@pytest.mark.parametrize("fastest", list(MODES))
def test_the_fastest_mode_is_chosen(measured, fastest):
    seconds, modes = measured
    seconds.update({name: 1.0 if name == fastest else 2.0 for name in MODES})
    assert choose_mode(create_model(keras.layers.Conv2D(2, 3))) == MODES[fastest]
    assert modes == list(MODES)


def test_a_mode_that_is_hardly_faster_is_not_chosen(measured):
    measured[0].update({"plain": 1.0, "xla": 0.95, "xla, products": 0.91})
    assert choose_mode(create_model(keras.layers.Conv2D(2, 3))) == MODES["plain"]


def test_products_are_measured_only_for_convolutions(measured):
    seconds, modes = measured
    seconds.update({"plain": 2.0, "xla": 3.0, "xla, products": 1.0})
    assert choose_mode(create_model()) == MODES["plain"]
    assert modes == ["plain", "xla"]


def test_measurements_are_remembered(measured, tmp_path):
    seconds, modes = measured
    seconds.update({"plain": 2.0, "xla": 1.0})
    model = create_model()
    assert choose_mode(model) == choose_mode(model) == MODES["xla"]
    assert modes == ["plain", "xla"]
    assert json.loads((tmp_path / "classic_zoo" / "seconds_a_step.json").read_text()).popitem()[1] == seconds


def test_a_long_training_repeats_measurements_that_a_busy_machine_may_have_distorted(measured, tmp_path):
    seconds, modes = measured
    model = create_model(keras.layers.Conv2D(2, 3))
    seconds.update({"plain": 1.8, "xla": 1.0, "xla, products": 9.0})
    assert choose_mode(model) == MODES["xla"]
    seconds.update({"plain": 0.5, "xla": 1.2})
    assert choose_mode(model) == MODES["xla"]
    assert choose_mode(model, steps=10_000) == MODES["plain"]
    assert modes == [*MODES, "plain", "xla"]
    least = {"plain": 0.5, "xla": 1.0, "xla, products": 9.0}
    assert json.loads((tmp_path / "classic_zoo" / "seconds_a_step.json").read_text()).popitem()[1] == least


def test_a_short_training_is_not_compiled_by_xla(measured):
    seconds, modes = measured
    seconds.update({"plain": 0.001})
    assert choose_mode(create_model(), steps=10) == MODES["plain"]
    assert modes == ["plain"]


def test_a_model_that_xla_cannot_compile_is_trained_without_it(measured):
    seconds, _ = measured
    seconds.update({"plain": 2.0, "xla": tf.errors.InvalidArgumentError(None, None, "no such operation")})
    assert choose_mode(create_model()) == MODES["plain"]


@pytest.mark.parametrize("error", [tf.errors.ResourceExhaustedError, tf.errors.NotFoundError])
def test_a_mode_that_could_not_be_measured_is_measured_again_by_the_next_training(measured, error):
    seconds, modes = measured
    seconds.update({"plain": 2.0, "xla": error(None, None, "not now")})
    model = create_model()
    assert choose_mode(model) == MODES["plain"]
    seconds["xla"] = 1.0
    assert choose_mode(model) == MODES["xla"]
    assert modes == ["plain", "xla", "xla"]


class SumInNumPy(keras.metrics.Sum):
    def update_state(self, y_true, y_pred, sample_weight=None):
        super().update_state(tf.reshape(tf.numpy_function(np.sum, [y_pred], tf.float32), ()))


class TestNumPyMetric:
    """XLA cannot compile a metric in NumPy."""

    @pytest.fixture
    def model(self):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)], name="perceptron")
        model.compile("sgd", "mse", metrics=[SumInNumPy()])
        return model

    def test_xla_is_an_error_before_the_training(self, model, points):
        callback = keras.callbacks.LambdaCallback(on_train_begin=lambda logs: pytest.fail("The training began."))
        message = (
            "jit_compile must be False or 'auto' for perceptron, which XLA cannot compile: it has no operation PyFunc"
        )
        with pytest.raises(InvalidValue, match=message):
            fit(model, *points, batch_size=16, jit_compile=True, callbacks=[callback], verbose=0)

    def test_a_remembered_mode_that_fails_since_is_not_used(self, model, points, tmp_path, monkeypatch):
        monkeypatch.setenv("KERAS_HOME", str(tmp_path))
        monkeypatch.setattr(acceleration, "_measure_step", lambda *arguments: pytest.fail("A mode was measured."))
        monkeypatch.setattr(acceleration, "_compute_fingerprint", lambda *arguments: "this model")
        (tmp_path / "classic_zoo").mkdir()
        timings = {"this model": {"plain": 10.0, "xla": 1.0}}
        (tmp_path / "classic_zoo" / "seconds_a_step.json").write_text(json.dumps(timings))
        history = fit(model, *points, batch_size=16, verbose=0)
        assert history.history["sum"][0] != 0


def test_a_given_mode_is_not_measured(measured):
    assert choose_mode(create_model(), mode=CompileMode(jit_compile=True)) == MODES["xla"]
    assert measured[1] == []


def test_several_workers_do_not_measure(measured, monkeypatch):
    monkeypatch.setattr(acceleration, "has_several_workers", lambda strategy: True)
    assert choose_mode(create_model()) == MODES["plain"]
    assert measured[1] == []


def test_measurements_of_several_processes_are_all_remembered(measured, tmp_path):
    measured[0].update({"plain": 0.001})
    path = tmp_path / "classic_zoo" / "seconds_a_step.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"another model": {"plain": 1.0}}))
    choose_mode(create_model(), steps=1)
    assert [*json.loads(path.read_text()).values()] == [{"plain": 1.0}, {"plain": 0.001}]
