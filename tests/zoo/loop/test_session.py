"""Callbacks, recorders and probes in a training of compiled calls."""

import functools

import keras
import numpy as np
import pytest

from tests.zoo.loop.small_model import create_model
from zoo.telemetry import GradientProbe, GradientRecorder
from zoo.training import fit

pytestmark = pytest.mark.usefixtures("no_timings")


@pytest.fixture(scope="module")
def recorded_by_keras(points):
    """A function that returns the tables of a recorder in Keras' own fit; every training runs once."""
    return functools.cache(lambda every: train_recorded(points, every, keras.Model.fit))


def train_recorded(points, every, train, **options):
    recorder = GradientRecorder(every=every, samples=3, activations=True, histograms=True)
    common = {"batch_size": 10, "epochs": 3, "shuffle": False, "verbose": 0}
    train(create_model("adam"), *points, callbacks=[recorder], **common, **options)
    return recorder.frame(full=True), recorder.activation_frame(full=True), recorder.histogram_frame()


def test_a_callback_that_is_content_with_calls_is_called_once_per_call(points):
    class Counter(keras.callbacks.Callback):
        content_with_calls = True
        ends = ()

        def on_train_batch_end(self, batch, logs=None):
            self.ends += (batch,)

    counter = Counter()
    fit(create_model(), *points, batch_size=10, verbose=0, callbacks=[counter], jit_compile=False)
    assert counter.ends == (5, 6)


@pytest.mark.parametrize(
    ("every", "jit_compile"),
    [
        *(("epoch", False), (1, False), (3, False), ("epoch", True)),
        *(pytest.param(every, True, marks=pytest.mark.large) for every in (1, 3)),
    ],
)
def test_a_recorder_has_the_same_records_as_in_keras_fit(points, recorded_by_keras, every, jit_compile):
    expected = recorded_by_keras(every)
    gradients, activations, histograms = train_recorded(points, every, fit, jit_compile=jit_compile)
    labels = ["epoch", "step", "layer", "variable"]
    assert gradients[labels].equals(expected[0][labels])
    np.testing.assert_allclose(gradients.iloc[:, 4:], expected[0].iloc[:, 4:], rtol=2e-5, atol=1e-7)
    np.testing.assert_allclose(activations.iloc[:, 3:], expected[1].iloc[:, 3:], rtol=2e-5, atol=1e-7)
    assert histograms["count"].sum() == expected[2]["count"].sum()


def test_the_step_of_the_first_broken_gradient_is_reported(points):
    x, y = points[0].copy(), points[1]
    x[34] = np.inf
    recorder = GradientRecorder(samples=1)
    fit(create_model(), x, y, batch_size=10, shuffle=False, verbose=0, callbacks=[recorder], jit_compile=False)
    assert recorder.first_broken() == (4, "output", "bias")


def test_a_recorder_can_return_to_keras_fit(points):
    recorder, network = GradientRecorder(), create_model()
    fit(network, *points, batch_size=10, verbose=0, callbacks=[recorder], jit_compile=False)
    network.fit(*points, batch_size=10, verbose=0, callbacks=[recorder])
    assert recorder.frame()["step"].unique().tolist() == [7, 14]


def test_a_probe_measures_at_its_steps(points):
    probe = GradientProbe(*points, every=3)
    fit(create_model(), *points, batch_size=10, verbose=0, callbacks=[probe], jit_compile=False)
    assert probe.frame()["step"].unique().tolist() == [0, 3, 6]
