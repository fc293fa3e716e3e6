import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.errors import InvalidValue
from zoo.layers import RBM
from zoo.models.boltzmann_machine import BoltzmannMachine
from zoo.training import fit

STATES = np.array(np.meshgrid(*[[0.0, 1.0]] * 6)).reshape(6, -1).T.astype("float32")
DATA = (np.random.default_rng(5).uniform(size=(12, 6)) < 0.4).astype("float32")


def made(*, hidden=4, scale=0.7, seed=0, sample_visible=True, **options):
    rbm = RBM(hidden, seed=seed)
    model = BoltzmannMachine(rbm, input_shape=(6,), sample_visible=sample_visible, biases_from_data=False, **options)
    random = np.random.default_rng(seed)
    for variable in (rbm.kernel, rbm.visible_bias, rbm.hidden_bias):
        variable.assign(random.normal(0, scale, variable.shape))
    return model


def gradient(model, x=DATA):
    with tf.GradientTape() as tape:
        loss = model.compute_loss(tf.constant(x))
    return [np.asarray(each) for each in tape.gradient(loss, [each.value for each in model.rbm.trainable_variables])]


def likelihood_gradient(model, x=DATA):
    """Minus the gradient of the mean log-likelihood, by enumeration of all states."""
    kernel, b, c = (np.asarray(each, "float64") for each in model.rbm.get_weights()[:3])

    def statistics(v, p):
        h = 1 / (1 + np.exp(-(c + v @ kernel)))
        return [(v * p[:, None]).T @ h, p @ v, p @ h]

    logs = STATES @ b + np.logaddexp(0, c + STATES @ kernel).sum(1)
    p = np.exp(logs - logs.max())
    data, model_ = statistics(x, np.full(len(x), 1 / len(x))), statistics(STATES, p / p.sum())
    return [m - d for d, m in zip(data, model_, strict=True)]


def expected(model, repeats=400):
    x = np.repeat(DATA, repeats, axis=0)
    return np.concatenate([each.ravel() for each in gradient(model, x)])


class TestContrastiveDivergence:
    def test_cd_approaches_the_likelihood_gradient_as_k_grows(self):
        exact = np.concatenate([each.ravel() for each in likelihood_gradient(made())])
        errors = [np.abs(expected(made(k=k)) - exact).max() for k in (1, 3, 40)]
        assert errors[0] > errors[1] > errors[2]
        assert errors[2] < 0.03

    def test_persistent_chains_approach_it_with_one_step(self):
        exact = np.concatenate([each.ravel() for each in likelihood_gradient(made())])
        model = made(persistent=True, chains=5000)
        for _ in range(40):
            found = np.concatenate([each.ravel() for each in gradient(model)])
        assert np.abs(found - exact).max() < 0.03

    def test_update_uses_the_statistics_of_hintons_guide(self):
        """<v h> of the data and of the reconstruction, both with probabilities, the hidden units sampled between."""
        model = made(sample_visible=False)
        state = np.asarray(model.rbm.seed_generator.state.value)
        found = gradient(model)
        model.rbm.seed_generator.state.assign(state)
        kernel, b, c = (np.asarray(each) for each in model.rbm.get_weights()[:3])
        h0 = 1 / (1 + np.exp(-(c + DATA @ kernel)))
        sampled = np.asarray(model.rbm.bernoulli(tf.constant(h0)))
        v1 = 1 / (1 + np.exp(-(b + sampled @ kernel.T)))
        h1 = 1 / (1 + np.exp(-(c + v1 @ kernel)))
        n = len(DATA)
        np.testing.assert_allclose(found[0], (v1.T @ h1 - DATA.T @ h0) / n, atol=1e-6)
        np.testing.assert_allclose(found[1], (v1 - DATA).mean(0), atol=1e-6)
        np.testing.assert_allclose(found[2], (h1 - h0).mean(0), atol=1e-6)

    def test_examples_count_by_their_weights(self):
        model = made()
        weight = tf.constant(np.array([2.0] * 6 + [0.0] * 6, "float32"))
        x = np.repeat(DATA, 2000, axis=0)
        with tf.GradientTape() as tape:
            loss = model.compute_loss(tf.constant(x), sample_weight=tf.repeat(weight, 2000))
        weighted = tape.gradient(loss, model.rbm.kernel.value)
        np.testing.assert_allclose(weighted, gradient(model, x[: len(x) // 2])[0], atol=0.03)

    def test_sample_data_samples_pixels_at_each_update(self):
        model = made(sample_data=True)
        x = np.full((20_000, 6), 0.3, "float32")
        binary = (np.random.default_rng(0).uniform(size=x.shape) < 0.3).astype("float32")
        for found, wanted in zip(gradient(model, x), gradient(made(), binary), strict=True):
            np.testing.assert_allclose(found, wanted, atol=0.02)


class TestPenalties:
    def test_weight_cost_decays_weights_and_not_biases(self):
        plain = zoo.create("rbm", input_shape=(6,), hidden=4)
        costly = zoo.create("rbm", input_shape=(6,), hidden=4, weight_cost=0.5)
        for model in (plain, costly):
            for variable, value in zip(model.rbm.variables, made().rbm.variables, strict=True):
                variable.assign(value)
        without, with_it = gradient(plain), gradient(costly)
        np.testing.assert_allclose(with_it[0] - without[0], 0.5 * np.asarray(plain.rbm.kernel), atol=1e-6)
        for number in (1, 2):
            np.testing.assert_allclose(with_it[number], without[number], atol=1e-6)

    def test_mean_activity_approaches_the_sparsity_target(self):
        x = (np.random.default_rng(0).uniform(size=(500, 30)) < 0.5).astype("float32")
        activities = []
        for target in (None, 0.1):
            keras.utils.set_random_seed(0)
            model = zoo.create("rbm", input_shape=(30,), hidden=20, sparsity_target=target, sparsity_cost=1.0)
            model.compile()
            fit(model, x, batch_size=20, epochs=30, verbose=0)
            activities.append(model.predict(x, verbose=0).mean())
        assert activities[0] > 0.4
        assert activities[1] == pytest.approx(0.1, abs=0.03)


class TestFit:
    def test_fit_needs_neither_targets_nor_compile(self):
        model = zoo.create("rbm", input_shape=(6,), hidden=4)
        history = model.fit(DATA, epochs=2, verbose=0, validation_data=(DATA,)).history
        assert {"reconstruction_error", "free_energy", "pseudo_log_likelihood", "val_free_energy"} <= set(history)

    def test_compiled_loop_equals_keras_fit(self):
        weights = []
        for train in (
            lambda model: model.fit(DATA, batch_size=4, shuffle=False, verbose=0, epochs=3),
            lambda model: fit(model, DATA, batch_size=4, shuffle=False, verbose=0, epochs=3, jit_compile=False),
        ):
            model = made()
            model.compile()
            train(model)
            weights.append(model.rbm.get_weights()[:3])
        for one, other in zip(*weights, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)

    def test_visible_biases_start_at_the_log_odds_of_the_data(self):
        model = zoo.create("rbm", input_shape=(6,), hidden=4)
        model.adapt(DATA)
        mean = np.clip(DATA.mean(0), 1 / 14, 13 / 14)
        np.testing.assert_allclose(model.rbm.visible_bias, np.log(mean / (1 - mean)), rtol=1e-5)

    def test_trained_biases_are_kept(self):
        model = zoo.create("rbm", input_shape=(6,), hidden=4)
        model.fit(DATA, verbose=0)
        learnt = np.asarray(model.rbm.visible_bias)
        model.adapt(DATA[:3])
        np.testing.assert_array_equal(model.rbm.visible_bias, learnt)

    def test_it_learns_bars(self):
        """The likelihood of rows and columns of a 3 x 3 square rises, measured exactly."""
        bars = [np.eye(3)[[i]].repeat(3, axis=0) for i in range(3)]
        x = np.array([bar.ravel() for bar in bars] + [bar.T.ravel() for bar in bars], "float32").repeat(50, axis=0)
        keras.utils.set_random_seed(0)
        model = zoo.create("rbm", input_shape=(9,), hidden=12, persistent=True, k=5)
        model.compile(keras.optimizers.SGD(keras.optimizers.schedules.PolynomialDecay(0.1, 6 * 500)))
        model.adapt(x)

        def log_likelihood():
            return float(np.mean(model.rbm.log_likelihood(x, model.rbm.log_partition(method="exact"))))

        before = log_likelihood()
        fit(model, x, batch_size=50, epochs=500, verbose=0)
        assert before < -4.5
        assert log_likelihood() > -2.1  # ln 6 = 1.79 is the best there is

    def test_gaussian_rbm_learns_standardized_data(self):
        random = np.random.default_rng(0)
        x = (random.choice([-1.0, 1.0], size=(1000, 1)) * np.ones(8) + random.normal(0, 0.3, (1000, 8))).astype(
            "float32"
        )
        keras.utils.set_random_seed(0)
        model = zoo.create("rbm", input_shape=(8,), hidden=6, visible="gaussian")
        model.compile(keras.optimizers.SGD(0.01, momentum=0.5))
        errors = fit(model, x, batch_size=20, epochs=30, verbose=0).history["reconstruction_error"]
        assert errors[-1] < 0.3 * errors[0]


REPLICAS = """
import json, sys
import numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras, zoo
from zoo.training import fit
x = (np.random.default_rng(0).uniform(size=(20_001, 6)) < 0.4).astype("float32")
weights = []
for strategy in (tf.distribute.get_strategy(), tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])):
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = zoo.create("rbm", input_shape=(6,), hidden=4, **json.loads(sys.argv[1]))
        model.compile(keras.optimizers.SGD(0.1))
    fit(model, x, batch_size=len(x), epochs=3, verbose=0, jit_compile=False)
    weights.append(np.concatenate([each.ravel() for each in model.rbm.get_weights()[:3]]).tolist())
    if model.persistent and strategy.num_replicas_in_sync == 2:
        one, two = (each.numpy() for each in strategy.experimental_local_results(model._fantasies.value))
        assert (one != two).any()
print(json.dumps(weights))
"""


class TestReplicas:
    @pytest.mark.parametrize("options", [{"initializer": "glorot_sigmoid"}, {"persistent": True, "chains": 10_000}])
    def test_replicas_divide_the_gradient_and_draw_different_noise(self, options):
        """The weights are those of one device, up to what the noise of 20,001 examples averages out to."""
        done = subprocess.run(
            [sys.executable, "-c", REPLICAS, json.dumps(options)], capture_output=True, text=True, check=True
        )
        one, two = np.array(json.loads(done.stdout.splitlines()[-1]))
        np.testing.assert_allclose(two, one, atol=5e-3)
        assert (two != one).any()


@pytest.mark.parametrize(
    ("name", "options"), [("rbm", {"hidden": 5}), ("generative_dbn", {"hidden": (5,), "top": 4, "classes": 2})]
)
def test_under_mixed_precision_the_weights_are_those_of_single_precision(name, options):
    weights, policy = [], keras.config.dtype_policy()
    try:
        for dtype in ("float32", "mixed_float16"):
            keras.config.set_dtype_policy(dtype)
            keras.utils.set_random_seed(0)
            model = zoo.create(name, input_shape=(6,), **options)
            model.compile("sgd")
            model.fit(DATA, DATA[:, 0], verbose=0)
            weights.append(model.get_weights()[0])
    finally:
        keras.config.set_dtype_policy(policy)
    np.testing.assert_array_equal(*weights)


class TestBadInput:
    @pytest.mark.parametrize(
        ("x", "message"),
        [
            (DATA * 2, r"data of Bernoulli visible units must be in \[0, 1\]; got values from 0 to 2"),
            (np.where(DATA > 0, np.nan, 0), "data must be finite; got [0-9]+ values that are NaN or infinite"),
            (DATA[:, :5], r"examples must have shape \(6,\); got \(5,\)"),
        ],
    )
    def test_invalid_data_raise_before_training(self, x, message):
        for train in (lambda model: model.fit(x, verbose=0), lambda model: fit(model, x, verbose=0)):
            model = zoo.create("rbm", input_shape=(6,), hidden=4)
            model.compile()
            with pytest.raises(InvalidValue, match=message):
                train(model)

    @pytest.mark.parametrize("option", [{"k": 0}, {"chains": 0}, {"sparsity_target": 1.5}, {"weight_cost": -1}])
    def test_option_out_of_range_raises(self, option):
        with pytest.raises(InvalidValue, match=next(iter(option))):
            zoo.create("rbm", **option)


def test_save_and_load_keeps_the_chains(tmp_path):
    model = zoo.create("rbm", input_shape=(6,), hidden=4, persistent=True, chains=8, sparsity_target=0.2)
    model.fit(DATA, epochs=3, verbose=0)
    model.save(tmp_path / "rbm.keras")
    again = keras.saving.load_model(tmp_path / "rbm.keras")
    for one, other in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    again.fit(DATA, verbose=0)
