import numpy as np
import pytest

from zoo import datasets, experiments
from zoo.errors import InvalidValue
from zoo.experiments.rbm import study as rbm

QUICK = {"hidden": 12, "updates": 1500, "steps": (1, 5), "runs": 20, "progress": False}


@pytest.fixture(scope="module")
def digits():
    data = datasets.load("digits")
    return tuple(rbm.binarize(split.x) for split in (data.train, data.validation, data.test))


def test_pixels_are_on_with_the_probability_of_their_grey():
    x = np.full((2000, 2, 2), [[0, 0.25], [0.75, 1]])
    drawn = rbm.binarize(x, np.random.default_rng(0))
    assert set(np.unique(drawn)) == {0, 1}
    np.testing.assert_allclose(drawn.mean(0), [0, 0.25, 0.75, 1], atol=0.03)
    np.testing.assert_array_equal(rbm.binarize(x[:1]), [[0, 0, 1, 1]])


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    return experiments.run("rbm", "digits", run_dir=tmp_path_factory.mktemp("runs") / "run", **QUICK)


def test_it_writes_its_tables_and_figures(outcome):
    _, folder = outcome
    figures = {"filters.png", "samples.png", "reconstructions.png", "monitors.png"}
    tables = {"summary.csv", "monitors.csv", "likelihoods.csv"}
    assert {path.name for path in folder.iterdir()} == {"config.json", *tables, *figures}


def test_every_epoch_has_its_monitors(outcome):
    for _, rows in outcome[0].tables["monitors"].groupby("method"):
        assert rows["epoch"].tolist() == list(range(1, 117))  # 13 updates each
        assert {"reconstruction_error", "val_free_energy", "pseudo_log_likelihood"} < set(rows)
        assert rows["reconstruction_error"].iloc[-1] < 0.9 * rows["reconstruction_error"].iloc[0]
        assert rows.notna().all(axis=None)


def test_both_beat_a_model_of_independent_pixels(outcome, digits):
    train, _, test = digits
    mean = (train.sum(axis=0) + 1) / (len(train) + 2)
    independent = (test * np.log(mean) + (1 - test) * np.log(1 - mean)).sum(axis=1).mean()
    likelihoods = outcome[0].tables["likelihoods"]
    assert (likelihoods["test_log_likelihood"] > independent + 1).all()
    assert likelihoods["standard_error"].between(0, 0.3, inclusive="neither").all()


def test_the_estimate_is_close_to_the_enumerated_likelihood(digits):
    train, validation, test = digits
    model, _ = rbm.train_rbm("CD-1", train, validation, hidden=8, updates=300, seed=0)
    estimate = rbm.estimate_likelihood(model.rbm, train, test, runs=30, seed=0).iloc[0]
    exact = model.rbm.log_partition(method="exact")
    assert estimate["log_partition"] == pytest.approx(exact.value, abs=4 * estimate["standard_error"])
    mean = float(np.mean(model.rbm.log_likelihood(test, exact)))
    assert estimate["test_log_likelihood"] == pytest.approx(mean, abs=4 * estimate["standard_error"])


def test_a_seed_gives_the_same_rbm(digits):
    def kernel(seed):
        return rbm.train_rbm("persistent CD", *digits[:2], hidden=6, updates=30, seed=seed)[0].rbm.kernel.numpy()

    np.testing.assert_array_equal(kernel(1), kernel(1))
    assert (kernel(1) != kernel(2)).any()


def test_chains_begin_at_images_or_noise_and_continue_as_probabilities(digits):
    train, validation, test = digits
    model, _ = rbm.train_rbm("CD-1", train, validation, hidden=6, updates=1, seed=0)
    chains = rbm.run_chains(model.rbm, test[:4], steps=(1, 3), seed=0)
    np.testing.assert_array_equal(chains["test images"][0], test[:4])
    assert set(np.unique(chains["noise"][0])) == {0, 1}
    for states in chains.values():
        assert [state.shape for state in states] == [(4, 64)] * 3
        assert all(((state > 0) & (state < 1)).all() for state in states[1:])


def test_a_data_set_without_images_is_refused():
    with pytest.raises(InvalidValue, match=r"dataset must be one of images; an example of moons has shape \(2,\)"):
        rbm.run("moons", **QUICK)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden": 0}, "hidden must be an integer >= 1; got 0"),
        ({"steps": (0, 1)}, "steps must be positive integers"),
        ({"runs": None}, "runs must be an integer >= 1; got None"),
    ],
)
def test_a_setting_out_of_range_is_refused(settings, message):
    with pytest.raises(InvalidValue, match=message):
        rbm.run("digits", **{**QUICK, **settings})
