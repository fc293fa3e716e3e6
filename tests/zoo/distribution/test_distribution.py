"""Trainings on several replicas and in several processes end with the weights of one device."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from zoo.distribution.workers import free_ports

pytestmark = pytest.mark.large
ROOT = Path(__file__).parents[3]
PROGRAM = """
import json, sys
import numpy as np, tensorflow as tf
kind, cases, out = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
if kind == "mirrored":
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
elif kind == "workers":
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
else:
    strategy = tf.distribute.get_strategy()
import keras
from zoo.telemetry import GradientRecorder
from zoo.training import fit

class Masks(keras.layers.Layer):
    def build(self, shape):
        self.sum = self.add_weight(shape=(), trainable=False, aggregation="none", name="masks")

    def call(self, x, training=False):
        if training:
            powers = keras.ops.cast(2 ** np.arange(16), "float32")
            self.sum.assign(keras.ops.sum(keras.ops.cast(x[0] > 0, "float32") * powers))
        return x

def train(examples, dropout):
    x = np.random.default_rng(0).normal(size=(examples, 2)).astype("float32")
    y = (x[:, 0] > 0).astype("int64")
    with strategy.scope():
        keras.utils.set_random_seed(1)
        hidden = keras.layers.Dense(16, "sigmoid", kernel_regularizer="l2", name="hidden")
        noise = [keras.layers.Dropout(dropout), Masks()] if dropout else []
        model = keras.Sequential([keras.Input((2,)), hidden, *noise, keras.layers.Dense(2, "softmax", name="output")])
        model.compile(keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy", metrics=["accuracy"])
    recorder = GradientRecorder(every=1)
    history = fit(
        model, x, y, batch_size=16, epochs=2, verbose=0, callbacks=[recorder], validation_data=(x[:33], y[:33]),
        jit_compile=False,
    )
    masks = []
    if dropout:
        masks = [float(copy) for copy in strategy.experimental_local_results(model.layers[2].sum.value)]
    frame = recorder.frame(full=True)
    return {
        "weights": [weight.tolist() for weight in model.get_weights()[:2] + model.get_weights()[-2:]],
        "history": history.history,
        "labels": frame.iloc[:, :4].to_numpy().tolist(),
        "gradients": frame.iloc[:, 4:].to_numpy().tolist(),
        "masks": masks,
    }

with open(out, "w") as file:
    json.dump([train(*case) for case in cases], file)
"""
# Numbers of examples, and dropout. The last batch of 70 examples has 6; of 67, 3, which two replicas cannot share
# evenly; of 65, 1.
CASES = {
    "alone": [(70, 0), (67, 0), (65, 0)],
    "mirrored": [(70, 0), (67, 0), (65, 0), (70, 0.5)],
    "workers": [(67, 0), (70, 0.5)],
}


@pytest.fixture(scope="module")
def results_of(tmp_path_factory):
    """A function that returns the results of each process of a kind in a case; the processes of a kind run once."""

    @functools.cache
    def run(kind):
        folder = tmp_path_factory.mktemp(kind)
        processes, outs = [], []
        ports = free_ports(2)
        for task in range(2 if kind == "workers" else 1):
            config = {
                "cluster": {"worker": [f"localhost:{port}" for port in ports]},
                "task": {"type": "worker", "index": task},
            }
            environment = {"TF_CONFIG": json.dumps(config)} if kind == "workers" else {}
            outs.append(folder / f"{task}.json")
            command = [sys.executable, "-c", PROGRAM, kind, json.dumps(CASES[kind]), str(outs[-1])]
            processes.append(
                subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=env(environment))
            )
        for process in processes:
            _, errors = process.communicate(timeout=240)
            assert process.returncode == 0, errors[-3000:]
        return [json.loads(out.read_text()) for out in outs]

    return lambda kind, *case: [results[CASES[kind].index(case)] for results in run(kind)]


def env(changes):
    return {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **changes}


@pytest.mark.parametrize(("kind", "examples"), [("mirrored", 70), ("mirrored", 67), ("mirrored", 65), ("workers", 67)])
def test_two_replicas_train_and_record_as_one_device(results_of, kind, examples):
    (one,) = results_of("alone", examples, 0)
    for other in results_of(kind, examples, 0):
        for first, second in zip(one["weights"], other["weights"], strict=True):
            np.testing.assert_allclose(second, first, rtol=1e-5, atol=1e-6)
        assert other["labels"] == one["labels"]
        ours, expected = np.array(other["gradients"]), np.array(one["gradients"])
        np.testing.assert_allclose(ours[:, :7], expected[:, :7], rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(ours[:, 7], expected[:, 7], rtol=1e-4)  # relative to biases that are close to zero
        for name, values in one["history"].items():
            assert other["history"][name] == pytest.approx(values, rel=1e-5), name


@pytest.mark.parametrize("kind", ["mirrored", "workers"])
def test_replicas_draw_different_noise(results_of, kind):
    masks = [mask for result in results_of(kind, 70, 0.5) for mask in result["masks"]]
    assert len(masks) == 2
    assert masks[0] != masks[1]


UNEVEN = """
import sys
import numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 3)
import keras
from zoo.training import fit

def train(strategy, examples, weights):
    tokens, y = np.arange(examples) % 4, np.arange(examples) % 2
    with strategy.scope():
        keras.utils.set_random_seed(1)
        layers = [keras.layers.Embedding(4, 3), keras.layers.Dense(2, "softmax", kernel_regularizer="l2")]
        model = keras.Sequential([keras.Input((), dtype="int32"), *layers])
        metrics = {"metrics": ["accuracy"], "weighted_metrics": ["sparse_categorical_crossentropy"]}
        model.compile(keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy", **metrics)
    history = fit(
        model, tokens, y, sample_weight=weights, batch_size=5, epochs=2, verbose=0, validation_data=(tokens, y),
        jit_compile=False,
    )
    return [*model.get_weights(), *history.history.values()]

one = tf.distribute.get_strategy()
several = tf.distribute.MirroredStrategy([f"CPU:{number}" for number in range(int(sys.argv[1]))])
for examples in range(1, 10):
    for weights in (None, np.linspace(0.2, 2, examples)):
        for ours, expected in zip(train(several, examples, weights), train(one, examples, weights), strict=True):
            np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-6, err_msg=f"{examples} examples")
"""


@pytest.mark.parametrize("replicas", [2, 3])
def test_batches_that_do_not_divide_evenly_count_as_on_one_device(replicas):
    command = [sys.executable, "-c", UNEVEN, str(replicas)]
    done = subprocess.run(command, cwd=ROOT, env=env({}), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
