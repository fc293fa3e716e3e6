"""What needs TensorFlow says so on another backend of Keras, before anything is imported."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from zoo.errors import InvalidValue
from zoo.utils.tensorflow_import import require_tensorflow

ROOT = Path(__file__).parents[3]


def run(*command, **environment):
    command = [sys.executable, *command]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={**os.environ, **environment})


def test_the_backend_of_this_process_is_accepted():
    require_tensorflow("This test")


def test_the_error_names_the_backend(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "torch")
    with pytest.raises(InvalidValue, match="This test needs Keras' backend tensorflow; got torch"):
        require_tensorflow("This test")


@pytest.mark.parametrize("source", ["environment", "file"])
def test_a_training_is_refused_before_keras_is_imported(tmp_path, source):
    (tmp_path / "keras.json").write_text('{"backend": "jax"}')
    environment = {"KERAS_BACKEND": "jax"} if source == "environment" else {"KERAS_HOME": str(tmp_path)}
    program = """
import sys, zoo
from zoo.errors import InvalidValue
try:
    zoo.train("shallow_mlp", "moons", epochs=1)
except InvalidValue as error:
    print(error, "keras" in sys.modules)
"""
    done = run("-c", program, **environment)
    assert done.stdout.startswith("Training needs Keras' backend tensorflow; got jax."), done.stderr
    assert done.stdout.endswith("False\n")


@pytest.mark.skipif(not importlib.util.find_spec("jax"), reason="JAX is not on this machine")
def test_models_work_on_another_backend():
    program = """
import numpy as np, zoo
x, y = np.random.default_rng(0).normal(size=(64, 2)), np.arange(64) % 2
model = zoo.create("deep_mlp", input_shape=(2,), classes=2)
model.compile("sgd", "sparse_categorical_crossentropy")
model.fit(x, y, verbose=0)
print(model.predict(x, verbose=0).shape)
"""
    done = run("-c", program, KERAS_BACKEND="jax")
    assert done.stdout == "(64, 2)\n", done.stderr
