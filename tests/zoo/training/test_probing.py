import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo import datasets
from zoo.errors import InvalidValue, UnknownName, UnsafeFile
from zoo.training import probe


@pytest.fixture(scope="module", params=["modern", "nielsen"])
def run(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    return zoo.train("deep_mlp", recipe=request.param, epochs=1, run_dir=folder, progress=False)


def test_the_model_of_a_run_is_measured_as_it_was_trained(run):
    data, nielsen = datasets.load("digits"), run.model.loss == "binary_crossentropy"
    x, y = data.train.x[:100], data.train.y[:100]
    x, y = (x * np.float32(255 / 256), keras.utils.to_categorical(y, 10)) if nielsen else (x, y)
    with tf.GradientTape() as tape:
        loss = run.model.compute_loss(x, y, run.model(x))
    expected = [float(tf.norm(g)) for g in tape.gradient(loss, run.model.trainable_variables)]
    actual = probe(run.folder / "model.keras", "digits", examples=100)
    np.testing.assert_allclose(actual["l2"], expected, rtol=1e-4)


def test_models_and_data_that_do_not_fit_are_errors(run, tmp_path):
    with pytest.raises(InvalidValue, match="There is no model file"):
        probe(tmp_path / "model.keras")
    (tmp_path / "model.keras").write_bytes(b"rubbish")
    with pytest.raises(UnsafeFile, match="not a complete .keras archive"):
        probe(tmp_path / "model.keras")
    with pytest.raises(UnknownName, match='Did you mean "mnist"'):
        probe(run.folder / "model.keras", "minst")
    with pytest.raises(InvalidValue, match=r"takes inputs of shape \(8, 8, 1\); moons has \(2,\)"):
        probe(run.folder / "model.keras", "moons")
    with pytest.raises(InvalidValue, match="examples must be an integer >= 1"):
        probe(run.folder / "model.keras", examples=0)
    assert json.loads((run.folder / "config.json").read_text())["model"] == "deep_mlp"
