import numpy as np
import pandas as pd
import pytest

from zoo import datasets, experiments
from zoo.errors import InvalidValue, UnknownName
from zoo.experiments.vanishing_gradient import published
from zoo.experiments.vanishing_gradient import study as vanishing_gradient

QUICK = {"seeds": 6, "curve_seeds": 3, "accuracy_seeds": 2, "updates": 5, "epochs": 1, "progress": False}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    return experiments.run("vanishing-gradient", "digits", run_dir=tmp_path_factory.mktemp("runs") / "run", **QUICK)


def test_it_writes_its_tables_and_figures(outcome):
    result, folder = outcome
    assert {path.name for path in folder.iterdir()} == {
        "config.json",
        "summary.csv",
        "accuracies.csv",
        "accuracies.png",
        "initial_norms.csv",
        "initial_norms.png",
        "learning_speeds.csv",
        "learning_speeds.png",
        "variants.png",
    }
    for name, table in result.tables.items():
        assert len(pd.read_csv(folder / f"{name}.csv")) == len(table)


def test_it_has_every_kind_of_net(outcome):
    result, _ = outcome
    kinds = len(vanishing_gradient.VARIANTS) * len(vanishing_gradient.DEPTHS)
    assert len(result.summary) == kinds
    assert len(result.tables["accuracies"]) == kinds * 2
    layers = sum(vanishing_gradient.DEPTHS)
    assert len(result.tables["initial_norms"]) == len(vanishing_gradient.VARIANTS) * layers * 6
    assert len(result.tables["learning_speeds"]) == len(vanishing_gradient.VARIANTS) * (layers - 1) * 5


def test_gradients_vanish_in_sigmoid_layers_and_not_in_relu_layers(outcome):
    ratio = outcome[0].summary.set_index(["activation", "depth"])["ratio"]
    assert (ratio["sigmoid"][4] > 50).all()
    assert (ratio["sigmoid"][10] > 1e5).all()
    assert ratio["relu"][4] < 4
    assert ratio["tanh"][4] < 4


def test_the_first_row_of_the_curves_is_the_initial_norm(outcome):
    speeds, norms = outcome[0].tables["learning_speeds"], outcome[0].tables["initial_norms"]
    kind = ["activation", "initializer", "depth", "layer"]
    first = speeds[speeds["update"] == 0].set_index(kind)["max"]
    expected = norms[(norms["seed"] < 3) & (norms["depth"] > 1)].groupby(kind)["norm"].max()
    np.testing.assert_allclose(first.sort_index(), expected.sort_index(), rtol=1e-5)


@pytest.mark.parametrize("settings", [{"seeds": 0}, {"updates": -1}, {"epochs": 1.5}])
def test_a_setting_out_of_range_is_refused(settings):
    with pytest.raises(InvalidValue, match="must be an integer >= 1"):
        vanishing_gradient.run("digits", **{**QUICK, **settings})


def test_misspelled_names_are_refused_before_a_folder_is_made(tmp_path):
    with pytest.raises(UnknownName, match='Did you mean "vanishing-gradient"'):
        experiments.run("vanishing-gradients", run_dir=tmp_path / "run")
    with pytest.raises(UnknownName, match='Did you mean "mnist"'):
        experiments.run("vanishing-gradient", "minst", run_dir=tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def first_thousand():
    train = datasets.load("mnist").train
    return vanishing_gradient.as_nielsen(train.x[:1000], train.y[:1000])


@pytest.mark.skipif(datasets.cache.find(datasets.mnist.FILE) is None, reason="MNIST is not on this machine")
class TestOnTheRealDigits:
    @pytest.mark.parametrize(
        ("depth", "medians"),
        [(2, [0.0605, 0.301]), (3, [0.0116, 0.0553, 0.287]), (4, [0.0023, 0.0115, 0.0586, 0.291])],
    )
    def test_the_medians_of_a_hundred_seeds_are_those_computed_elsewhere(self, first_thousand, depth, medians):
        norms = vanishing_gradient.initial_norms(
            first_thousand, vanishing_gradient.Kind("sigmoid", "nielsen", depth), seeds=range(100)
        )
        np.testing.assert_allclose(norms.groupby("layer")["norm"].median(), medians, rtol=0.1)

    @pytest.mark.parametrize("depth", [2, 4])
    def test_nielsen_s_recorded_norms_lie_within_thirty_seeds(self, first_thousand, depth):
        kind = vanishing_gradient.Kind("sigmoid", "nielsen", depth)
        speeds = vanishing_gradient.learning_speeds(first_thousand, kind, seeds=range(30), updates=401)
        speeds = speeds.set_index("update")
        for update in (0, 1, 10, 50, 100, 200, 400):
            band = speeds.loc[update].sort_values("layer")
            recorded = np.array(published.LEARNING_SPEED[depth][update])
            assert ((band["min"] <= recorded) & (recorded <= band["max"])).all()
