import keras
import numpy as np
import pytest
from scipy import stats

import zoo


@pytest.mark.parametrize(("depth", "parameters"), [(1, 23_860), (2, 24_790), (3, 25_720), (4, 26_650)])
def test_nielsens_networks_have_the_published_numbers_of_parameters(depth, parameters):
    assert zoo.create("deep_mlp", depth=depth).count_params() == parameters
    if depth == 1:
        assert zoo.create("shallow_mlp").count_params() == parameters


def test_nielsen_initializer_has_his_variances():
    model = zoo.create("deep_mlp", depth=2, width=100, initializer="nielsen")
    for layer in ("hidden_1", "hidden_2", "output"):
        kernel, bias = model.get_layer(layer).get_weights()
        assert stats.kstest(kernel.ravel() * kernel.shape[0] ** 0.5, "norm").pvalue > 1e-3
        if layer != "output":
            assert stats.kstest(bias, "norm").pvalue > 1e-3


@pytest.mark.parametrize(
    ("initializer", "variance"),
    [("he", lambda n_in, n_out: 2 / n_in), ("glorot", lambda n_in, n_out: 2 / (n_in + n_out))],
)
def test_other_initializers_have_the_published_variance_and_zero_biases(initializer, variance):
    kernel, bias = zoo.create("shallow_mlp", hidden=200, initializer=initializer).get_layer("hidden_1").get_weights()
    assert kernel.var() == pytest.approx(variance(784, 200), rel=0.03)
    assert (bias == 0).all()


def test_penalty_applies_to_kernels_only():
    model = zoo.create("shallow_mlp", l2=0.1)
    model.set_weights([np.ones_like(w) for w in model.get_weights()])
    assert float(sum(model.losses)) == pytest.approx(0.1 * (784 * 30 + 30 * 10))


@pytest.mark.parametrize("keep", [0.2, 0.5, 0.8])
def test_dropout_keeps_the_given_fraction_and_the_expectation(keep):
    model = zoo.create("dropout_mlp", input_shape=(100_000,), width=1, depth=1, input_keep_probability=keep)
    kept = np.asarray(model.get_layer("dropout_input")(np.ones((1, 100_000)), training=True))
    assert (kept != 0).mean() == pytest.approx(keep, abs=0.01)
    assert kept.mean() == pytest.approx(1, abs=0.02)


def test_prediction_equals_the_lectures_network_with_weights_times_p():
    """Trained by the lecture's rule (no division by p), the weights are those of Keras over p."""
    model = zoo.create("dropout_mlp", input_shape=(4,), classes=3, depth=1, width=6, keep_probability=0.5)
    x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    w1, b1, w2, b2 = model.get_weights()
    lecture_w1, lecture_w2 = w1 / 0.8, w2 / 0.5
    hidden = np.maximum(x @ (lecture_w1 * 0.8) + b1, 0)
    scores = hidden @ (lecture_w2 * 0.5) + b2
    expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5)


def test_keep_probability_1_means_no_dropout():
    model = zoo.create("dropout_mlp", keep_probability=1.0, input_keep_probability=1.0)
    assert not [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]


def test_max_norm_bounds_the_incoming_weights(points):
    model = zoo.create("dropout_mlp", input_shape=(2,), classes=2, width=20, max_norm=0.5)
    model.compile(keras.optimizers.SGD(10.0), "sparse_categorical_crossentropy")
    model.fit(*points, epochs=3, verbose=0)
    for number in (1, 2):
        norms = np.linalg.norm(model.get_layer(f"hidden_{number}").get_weights()[0], axis=0)
        assert norms.max() == pytest.approx(0.5, rel=1e-5)


@pytest.mark.large
def test_the_gradient_vanishes_through_sigmoid_layers_and_not_through_relu_layers():
    """Averaged over seeds, the first of four sigmoid layers has a far smaller bias gradient than the last."""
    x = np.random.default_rng(0).uniform(size=(200, 784)).astype("float32")
    y = np.arange(200) % 10

    def ratio(seed, **options):
        keras.utils.set_random_seed(seed)
        model = zoo.create("deep_mlp", input_shape=(784,), **options)
        model.compile("sgd", "sparse_categorical_crossentropy")
        recorder = zoo.telemetry.GradientRecorder(every=1)
        model.fit(x, y, batch_size=200, verbose=0, callbacks=[recorder])
        bias = recorder.frame().query("variable == 'bias'").set_index("layer")["l2"]
        return bias["hidden_4"] / bias["hidden_1"]

    sigmoid = np.median([ratio(seed, activation="sigmoid", initializer="nielsen") for seed in range(5)])
    relu = np.median([ratio(seed, activation="relu", initializer="he") for seed in range(5)])
    assert sigmoid > 40
    assert relu < 5
