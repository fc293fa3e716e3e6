import numpy as np
import pytest

from zoo import datasets, experiments
from zoo.errors import InvalidValue
from zoo.experiments import semeion_codes

QUICK = {"hidden": (64, 32), "updates": 3000, "progress": False}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    return experiments.run("semeion-codes", "digits", run_dir=tmp_path_factory.mktemp("runs") / "run", **QUICK)


def test_it_writes_its_table_and_figure(outcome):
    result, folder = outcome
    names = ["codes.csv", "codes.png", "config.json", "summary.csv"]
    assert sorted(path.name for path in folder.iterdir()) == names
    codes = result.tables["codes"]
    assert codes.groupby("method").size().tolist() == [359, 359]
    assert np.isfinite(codes[["x", "y"]]).all(axis=None)


def test_the_autoencoder_beats_the_principal_components(outcome):
    summary = outcome[0].summary.set_index("codes")
    components, units, pixels = summary.to_dict("records")
    assert units["train_error"] < 0.9 * components["train_error"]
    assert units["test_error"] < 0.9 * components["test_error"]
    assert components["nearest_neighbours"] + 5 < units["nearest_neighbours"] < pixels["nearest_neighbours"]
    assert pixels["test_error"] == 0


def test_the_components_are_those_of_a_singular_value_decomposition(outcome):
    data = datasets.load("digits")
    train, test = (split.x.reshape(len(split), -1).astype("float64") for split in (data.train, data.test))
    mean = train.mean(axis=0)
    directions = np.linalg.svd(train - mean, full_matrices=False)[2][:2]
    error = np.square(test - mean - (test - mean) @ directions.T @ directions).sum(axis=1).mean()
    assert outcome[0].summary["test_error"][0] == pytest.approx(error, abs=0.01)


def test_a_seed_gives_the_same_codes():
    x = datasets.load("digits").train.x.reshape(1294, -1)[:200]

    def codes(seed):
        return semeion_codes.autoencoder(x, x[:9], hidden=(8,), updates=20, seed=seed)[1].codes

    np.testing.assert_array_equal(codes(1), codes(1))
    assert (codes(1) != codes(2)).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"updates": 0}, "updates must be an integer >= 1; got 0"),
        ({"hidden": 64}, "hidden must be positive integers"),
        ({"seed": -1}, "seed must be an integer from 0 to 4294967295; got -1"),
    ],
)
def test_a_setting_out_of_range_is_refused(settings, message):
    with pytest.raises(InvalidValue, match=message):
        semeion_codes.run("digits", **{**QUICK, **settings})
