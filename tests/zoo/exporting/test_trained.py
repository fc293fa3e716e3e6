"""Models export after a training of every kind: on replicas, together with others, layer by layer."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo import datasets
from zoo.datasets.dataset import Split
from zoo.ensembles import train_ensemble
from zoo.runs.opening import open_model

ROOT = Path(__file__).parents[3]
ON_TWO_REPLICAS = """
import json, sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import zoo
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
run = zoo.train("shallow_mlp", "moons", epochs=1, strategy=strategy, run_dir=sys.argv[1] + "/run", progress=False)
exported = zoo.export(run.model, sys.argv[1] + "/moons")
own = run.model(tf.constant([[0.5, -0.5], [1.0, 0.0]])).numpy().tolist()
print(json.dumps({"replicas": run.division, "off": dict(exported.signatures), "own": own}))
"""


@pytest.fixture(scope="module")
def few():
    """So few digits that a training is soon over."""
    data = datasets.load("digits")
    return replace(data, **{name: Split(split.x[:100], split.y[:100]) for name, split in data.splits.items()})


def served(exported, signature, **inputs):
    function = tf.saved_model.load(exported.path).signatures[signature]
    return function(**{name: tf.constant(value) for name, value in inputs.items()})


@pytest.mark.large
def test_trained_on_two_replicas(tmp_path):
    command = [sys.executable, "-c", ON_TWO_REPLICAS, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert "over 2 replicas" in told["replicas"]
    assert max(told["off"].values()) <= 1e-5
    again = tf.saved_model.load(tmp_path / "moons" / "1").signatures["serve"]
    np.testing.assert_allclose(again(inputs=tf.constant([[0.5, -0.5], [1.0, 0.0]]))["probabilities"], told["own"], 1e-5)


def test_an_ensemble_is_one_model_whose_members_can_be_asked(few, tmp_path):
    ensemble, _ = train_ensemble("shallow_mlp", few, members=2, epochs=1, options={"hidden": 5})
    exported = zoo.export(ensemble, tmp_path / "ensemble", dataset="digits")
    assert {"serve", "serve_float", "members"} <= set(exported.signatures)
    assert max(exported.signatures.values()) <= 1e-5
    x = few.test.x[:3]
    of_each = served(exported, "members", images=x)["members"].numpy()
    np.testing.assert_allclose(of_each.mean(axis=1), ensemble.predict(x, verbose=0), atol=1e-6)
    raw = np.round(16 * x).astype("uint8")
    np.testing.assert_allclose(served(exported, "serve", images=raw)["probabilities"], of_each.mean(axis=1), atol=1e-6)


@pytest.mark.large
def test_the_run_of_a_fine_tuned_dbn(few, tmp_path):
    how = {"options": {"depth": 1, "width": 8}, "epochs": 1, "pretraining_epochs": 1}
    run = zoo.train("dbn", few, run_dir=tmp_path / "run", progress=False, **how)
    exported = zoo.export(open_model(run.folder), tmp_path / "dbn")
    assert {"serve", "serve_float", "hidden"} <= set(exported.signatures)
    assert max(exported.signatures.values()) <= 1e-5
    x = few.test.x[:3]
    found = served(exported, "serve_float", images=x)["probabilities"]
    np.testing.assert_allclose(found, run.model.predict(x, verbose=0), atol=1e-5)
    description = json.loads((exported.path / "assets" / "description.json").read_text())
    assert description["metrics"] == pytest.approx(dict(run.test))
