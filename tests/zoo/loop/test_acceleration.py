import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.loop import acceleration
from zoo.loop.acceleration import MODES, CompileMode, choose_compile_mode


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """Lets each way take so many seconds a step, and tells which were measured."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    seconds, names = {}, {way: name for name, way in MODES.items()}
    seen = []

    def measure(way, rows, interval):
        seen.append(names[way])
        if isinstance(taken := seconds[names[way]], Exception):
            raise taken
        return taken

    monkeypatch.setattr(acceleration, "_measure_step", measure)
    return seconds, seen


def model_of(*layers):
    model = keras.Sequential([keras.Input((6, 6, 1)), *layers, keras.layers.Flatten(), keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    return model


def chosen(model, *, steps=100, mode=None):
    rows = np.zeros((4, 2), int)
    return choose_compile_mode(lambda mode: mode, rows, model=model, steps=steps, mode=mode)[1]


@pytest.mark.parametrize("fastest", list(MODES))
def test_the_fastest_way_is_taken(measured, fastest):
    seconds, seen = measured
    seconds.update({name: 1.0 if name == fastest else 2.0 for name in MODES})
    assert chosen(model_of(keras.layers.Conv2D(2, 3))) == MODES[fastest]
    assert seen == list(MODES)


def test_a_way_that_is_hardly_faster_is_not_taken(measured):
    measured[0].update({"plain": 1.0, "xla": 0.95, "xla, products": 0.91})
    assert chosen(model_of(keras.layers.Conv2D(2, 3))) == MODES["plain"]


def test_products_are_tried_only_where_there_is_a_convolution(measured):
    seconds, seen = measured
    seconds.update({"plain": 2.0, "xla": 3.0, "xla, products": 1.0})
    assert chosen(model_of()) == MODES["plain"]
    assert seen == ["plain", "xla"]


def test_what_was_measured_is_remembered(measured, tmp_path):
    seconds, seen = measured
    seconds.update({"plain": 2.0, "xla": 1.0})
    model = model_of()
    assert chosen(model) == chosen(model) == MODES["xla"]
    assert seen == ["plain", "xla"]
    assert json.loads((tmp_path / "classic_zoo" / "seconds_a_step.json").read_text()).popitem()[1] == seconds


def test_a_long_training_measures_again_what_a_busy_machine_may_have_measured_wrongly(measured, tmp_path):
    seconds, seen = measured
    model = model_of(keras.layers.Conv2D(2, 3))
    seconds.update({"plain": 1.8, "xla": 1.0, "xla, products": 9.0})
    assert chosen(model) == MODES["xla"]
    seconds.update({"plain": 0.5, "xla": 1.2})
    assert chosen(model) == MODES["xla"]
    assert chosen(model, steps=10_000) == MODES["plain"]
    assert seen == [*MODES, "plain", "xla"]
    least = {"plain": 0.5, "xla": 1.0, "xla, products": 9.0}
    assert json.loads((tmp_path / "classic_zoo" / "seconds_a_step.json").read_text()).popitem()[1] == least


def test_a_short_training_is_not_compiled_by_xla(measured):
    seconds, seen = measured
    seconds.update({"plain": 0.001})
    assert chosen(model_of(), steps=10) == MODES["plain"]
    assert seen == ["plain"]


def test_a_model_that_xla_cannot_compile_goes_without(measured):
    seconds, _ = measured
    seconds.update({"plain": 2.0, "xla": tf.errors.InvalidArgumentError(None, None, "no such operation")})
    assert chosen(model_of()) == MODES["plain"]


def test_a_way_that_is_given_is_not_measured(measured):
    assert chosen(model_of(), mode=CompileMode(jit_compile=True)) == MODES["xla"]
    assert measured[1] == []


def test_of_several_workers_none_measures_as_the_others_would_wait_for_it(measured, monkeypatch):
    monkeypatch.setattr(acceleration, "has_several_workers", lambda strategy: True)
    assert chosen(model_of()) == MODES["plain"]
    assert measured[1] == []
