import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import logsumexp
from sklearn.neural_network import BernoulliRBM

from zoo.errors import InvalidValue
from zoo.layers import RBM
from zoo.layers.rbm_likelihood import LogPartition, schedule


def made(size, hidden, *, scale=1.0, seed=0, **options):
    """An RBM with weights and biases drawn from N(0, scale^2)."""
    rbm = RBM(hidden, seed=seed, **options)
    rbm.build((None, size))
    random = np.random.default_rng(seed)
    for variable in (rbm.kernel, rbm.visible_bias, rbm.hidden_bias):
        variable.assign(random.normal(0, scale, variable.shape))
    return rbm


def states(units):
    return np.array(list(itertools.product([0.0, 1.0], repeat=units)), "float32")


def numbers(rbm):
    return (np.asarray(weight, "float64") for weight in (rbm.kernel, rbm.visible_bias, rbm.hidden_bias))


def all_energies(rbm):
    """The energy of every state of both layers, written out: `(2^visible, 2^hidden)`."""
    kernel, b, c = numbers(rbm)
    v, h = (states(units).astype("float64") for units in kernel.shape)
    return -(v @ kernel @ h.T) - (v @ b)[:, None] - (h @ c)[None]


class TestClosedForms:
    def test_without_weights_the_units_are_independent(self):
        rbm = made(12, 7)
        rbm.kernel.assign(np.zeros((12, 7)))
        _, b, c = numbers(rbm)
        independent = np.logaddexp(0, b).sum() + np.logaddexp(0, c).sum()
        assert rbm.log_partition(method="exact").value == pytest.approx(independent, rel=1e-9)
        assert rbm.log_partition(betas=[0, 0.5, 1], runs=3).value == pytest.approx(independent, rel=1e-6)

    def test_all_zero_784x500(self):
        rbm = RBM(500, kernel_initializer="zeros")
        x = (np.random.default_rng(0).uniform(size=(3, 784)) < 0.5).astype("float32")
        rbm(x)
        log_partition = rbm.log_partition(betas=[0, 1], runs=2)
        assert log_partition.value == pytest.approx(1284 * np.log(2), abs=1e-4)
        assert log_partition.standard_error == pytest.approx(0, abs=1e-6)
        assert np.asarray(rbm.log_likelihood(x, log_partition)) == pytest.approx(-784 * np.log(2), abs=1e-3)
        assert np.asarray(rbm.pseudo_log_likelihood(x)) == pytest.approx(-784 * np.log(2), rel=1e-6)

    def test_free_energy_sums_over_the_hidden_units(self):
        rbm = made(5, 4)
        summed = -logsumexp(-all_energies(rbm), axis=1)
        assert np.asarray(rbm.free_energy(states(5))) == pytest.approx(summed, abs=1e-4)

    def test_energy_of_both_layers(self):
        rbm = made(4, 3)
        energies = all_energies(rbm)
        for number, h in enumerate(states(3)):
            assert np.asarray(rbm.energy(states(4), np.tile(h, (16, 1)))) == pytest.approx(
                energies[:, number], abs=1e-5
            )

    def test_probabilities_follow_from_the_energy(self):
        rbm = made(4, 3)
        p = np.exp(-all_energies(rbm))
        hidden_on = (p @ states(3)) / p.sum(1, keepdims=True)
        visible_on = (p.T @ states(4)) / p.T.sum(1, keepdims=True)
        assert np.asarray(rbm(states(4))) == pytest.approx(hidden_on, abs=1e-5)
        assert np.asarray(rbm.visible_mean(states(3))) == pytest.approx(visible_on, abs=1e-5)

    def test_free_energy_equals_scikit_learn(self):
        x = (np.random.default_rng(0).uniform(size=(50, 64)) < 0.3).astype("float64")
        oracle = BernoulliRBM(n_components=20, n_iter=2, random_state=0).fit(x)
        rbm = RBM(20)
        rbm.build((None, 64))
        rbm.set_weights([oracle.components_.T, oracle.intercept_visible_, oracle.intercept_hidden_])
        assert np.asarray(rbm.free_energy(x)) == pytest.approx(oracle._free_energy(x), rel=1e-5)
        assert np.asarray(rbm(x)) == pytest.approx(oracle.transform(x), rel=1e-4)

    def test_pseudo_likelihood_is_the_sum_of_the_conditionals(self):
        rbm = made(5, 4)
        p = np.exp(-all_energies(rbm)).sum(1)
        v = states(5)
        position = {tuple(state): number for number, state in enumerate(v)}
        for number, state in enumerate(v):
            terms = []
            for unit in range(5):
                other = state.copy()
                other[unit] = 1 - other[unit]
                terms.append(np.log(p[number] / (p[number] + p[position[tuple(other)]])))
            estimates = [float(rbm.pseudo_log_likelihood(state[None], unit)[0]) for unit in range(5)]
            assert estimates == pytest.approx([5 * term for term in terms], rel=1e-4, abs=1e-4)


class TestGaussian:
    def test_free_energy_integrates_to_the_partition_function(self):
        rbm = made(1, 3, visible="gaussian", sigma=0.7, scale=0.8)
        v = np.linspace(-12, 12, 20_001, dtype="float32")[:, None]
        integral = np.trapezoid(np.exp(-np.asarray(rbm.free_energy(v), "float64")), v[:, 0])
        assert rbm.log_partition(method="exact").value == pytest.approx(np.log(integral), abs=1e-4)

    def test_visible_units_have_the_conditional_mean_and_deviation(self):
        rbm = made(2, 3, visible="gaussian", sigma=0.5)
        h = np.tile([[1.0, 0.0, 1.0]], (40_000, 1)).astype("float32")
        drawn = np.asarray(rbm.sample_visible(h))
        kernel, b, _ = numbers(rbm)
        assert drawn.mean(0) == pytest.approx(b + 0.5 * kernel @ h[0], abs=0.02)
        assert drawn.std(0) == pytest.approx([0.5, 0.5], rel=0.03)

    def test_annealing_estimates_the_partition_function(self):
        rbm = made(6, 5, visible="gaussian", sigma=0.8, scale=0.5)
        estimate = rbm.log_partition(betas=np.linspace(0, 1, 500), seed=1)
        low, high = estimate.interval
        assert low <= rbm.log_partition(method="exact").value <= high


class TestLabels:
    def test_exactly_one_label_unit_is_on(self):
        rbm = made(7, 4, labels=3)
        drawn = np.asarray(rbm.sample_visible(np.ones((200, 4), "float32")))
        assert (drawn[:, 4:].sum(1) == 1).all()
        assert np.asarray(rbm.visible_mean(np.ones((1, 4), "float32")))[:, 4:].sum() == pytest.approx(1)

    def test_partition_function_counts_only_states_with_one_label(self):
        rbm = made(6, 4, labels=3)
        allowed = states(6)[:, 3:].sum(1) == 1
        summed = logsumexp(-all_energies(rbm)[allowed])
        assert rbm.log_partition(method="exact").value == pytest.approx(summed, rel=1e-6)
        low, high = rbm.log_partition(betas=np.linspace(0, 1, 500), seed=2).interval
        assert low <= summed <= high


class TestPartition:
    @pytest.mark.parametrize(("visible", "hidden"), [(9, 5), (5, 9)])
    def test_enumeration_of_the_smaller_layer(self, visible, hidden):
        rbm = made(visible, hidden)
        assert rbm.log_partition(method="exact").value == pytest.approx(logsumexp(-all_energies(rbm)), rel=1e-6)

    @pytest.mark.large
    def test_annealing_is_within_three_standard_errors_of_50_exact_values(self):
        misses = []
        for seed in range(50):
            rbm = made(15, 10, scale=0.6, seed=seed)
            exact = rbm.log_partition(method="exact").value
            estimate = rbm.log_partition(betas=np.linspace(0, 1, 1000), runs=100, seed=seed)
            misses.append(abs(estimate.value - exact) / estimate.standard_error)
            assert estimate.standard_error < 0.2
        assert max(misses) <= 3

    def test_annealing_is_better_when_it_starts_near_the_data(self):
        rbm = made(20, 8, scale=0.3)
        data = np.asarray(rbm.gibbs(np.zeros((500, 20), "float32"), 30))
        far, near = (rbm.log_partition(betas=[0, 0.5, 1], data=start, runs=500) for start in (None, data))
        assert near.standard_error < far.standard_error

    def test_probabilities_sum_to_one(self):
        rbm = made(6, 4)
        assert np.exp(rbm.log_likelihood(states(6), rbm.log_partition(method="exact"))).sum() == pytest.approx(
            1, rel=1e-4
        )

    def test_too_many_states_raise_before_anything_is_computed(self):
        message = r'at most 25 units .*; got 784 x 500 units, 2\^500 states. Use method="ais"'
        with pytest.raises(InvalidValue, match=message):
            made(784, 500).log_partition(method="exact")

    def test_schedule_is_the_published_one(self):
        assert len(schedule()) == 14_503
        with pytest.raises(InvalidValue, match="betas must increase from 0 to 1; got "):
            made(3, 2).log_partition(betas=[0.5, 1])

    def test_an_interval_has_three_standard_errors(self):
        assert LogPartition(10.0, 0.5).interval == (8.5, 11.5)


class TestSampling:
    def test_a_long_chain_visits_states_in_proportion_to_their_probability(self):
        rbm = made(3, 2, scale=1.2)
        p = np.exp(rbm.log_likelihood(states(3), rbm.log_partition(method="exact")))
        v = np.asarray(rbm.gibbs(np.zeros((40_000, 3), "float32"), 30))
        visited = np.bincount((v @ [4, 2, 1]).astype(int), minlength=8) / len(v)
        assert visited == pytest.approx(np.asarray(p), abs=0.01)

    def test_equal_seeds_give_equal_samples(self):
        v = np.full((4, 6), 0.5, "float32")
        one, same, other = (np.asarray(made(6, 5, seed=seed).sample_hidden(v)) for seed in (0, 0, 1))
        assert (one == same).all()
        assert (one != other).any()

    def test_reconstruction_does_not_sample(self):
        rbm = made(6, 5)
        v = states(6)
        assert (np.asarray(rbm.reconstruct(v)) == np.asarray(rbm.reconstruct(v))).all()


class TestLayer:
    def test_save_and_load(self, tmp_path):
        model = keras.Sequential([keras.Input((6,)), RBM(4, visible="gaussian", sigma=0.5, kernel_regularizer="l2")])
        model.save(tmp_path / "rbm.keras")
        again = keras.saving.load_model(tmp_path / "rbm.keras")
        x = np.random.default_rng(0).normal(size=(5, 6)).astype("float32")
        assert np.asarray(again(x)) == pytest.approx(np.asarray(model(x)))
        assert again.layers[0].get_config() == model.layers[0].get_config()

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"hidden": 0}, "hidden must be an integer >= 1; got 0"),
            ({"hidden": 3, "visible": "binary"}, "visible must be one of 'bernoulli', 'gaussian'"),
            ({"hidden": 3, "sigma": 0}, "sigma must be a number > 0"),
            ({"hidden": 3, "labels": 2, "visible": "gaussian"}, "labels require Bernoulli .*; got visible='gaussian'"),
        ],
    )
    def test_invalid_argument_raises(self, wrong, message):
        with pytest.raises(InvalidValue, match=message):
            RBM(**wrong)


@pytest.mark.parametrize("options", [{}, {"labels": 3}, {"visible": "gaussian"}, {"visible": "gaussian", "sigma": 0.5}])
def test_free_energy_of_has_the_gradient_of_free_energy(options):
    layer = RBM(5, seed=0, kernel_initializer="glorot_normal", hidden_bias_initializer="random_normal", **options)
    v = tf.constant(np.random.default_rng(0).uniform(size=(4, 7)).astype("float32"))
    layer(v)
    weight = tf.constant([1.0, -2.0, 0.5, 3.0])

    def energies_and_gradients(of):
        with tf.GradientTape() as tape:
            energies = of(v)
            total = tf.reduce_sum(weight * energies)
        return [energies, *tape.gradient(total, [weight.value for weight in layer.trainable_variables])]

    plain = energies_and_gradients(layer.free_energy)
    known = energies_and_gradients(lambda v: layer.free_energy_of(v, layer.hidden_input(v)))
    for one, other in zip(known, plain, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_free_energy_of_is_accurate_for_saturated_units():
    layer = RBM(6, kernel_initializer="zeros")
    layer.build((None, 1))
    inputs = tf.constant([[-200.0, -20.0, -1e-4, 1e-4, 20.0, 200.0]])
    energies = layer.free_energy_of(tf.zeros((1, 1)), inputs)
    np.testing.assert_allclose(energies, -tf.reduce_sum(tf.math.softplus(inputs), axis=-1), rtol=1e-6)
