import numpy as np
import pandas as pd
import pytest

from zoo import experiments
from zoo.errors import InvalidValue
from zoo.experiments.pretraining import study as pretraining
from zoo.experiments.pretraining.nets import STARTS

QUICK = {"depths": (1, 2), "width": 16, "seeds": 1, "pretraining_epochs": 1, "epochs": 1, "progress": False}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    return experiments.run("pretraining", "digits", run_dir=tmp_path_factory.mktemp("runs") / "run", **QUICK)


def test_it_writes_its_tables_and_figures(outcome):
    result, folder = outcome
    names = ["accuracies.csv", "by_depth.png", "config.json", "gradients.csv", "gradients.png", "summary.csv"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert len(pd.read_csv(folder / "gradients.csv")) == len(result.tables["gradients"])


def test_every_layer_of_every_net_has_its_gradient(outcome):
    result, _ = outcome
    assert len(result.summary) == len(result.tables["accuracies"]) == len(STARTS) * 2
    for (_, depth), rows in result.tables["gradients"].groupby(["start", "depth"]):
        layers = [*(f"hidden_{number}" for number in range(1, depth + 1)), "output"]
        assert rows["layer"].tolist() == [layer for layer in layers for _ in ("kernel", "bias")]
        assert rows["number"].tolist() == [number for number in range(1, depth + 2) for _ in ("kernel", "bias")]
        assert (rows["l2"] > 0).all()


def test_the_gradient_vanishes_with_random_weights(outcome):
    first = outcome[0].summary.set_index(["start", "depth"])["first_layer"]
    assert first["random", 1] > 3 * first["random", 2]


def test_a_seed_gives_the_same_numbers_whatever_else_is_trained(outcome):
    alone = pretraining.run("digits", **{**QUICK, "depths": (1,)}).tables
    for name, column in (("accuracies", "accuracy"), ("gradients", "l2")):
        among = outcome[0].tables[name]
        np.testing.assert_array_equal(alone[name][column], among.loc[among["depth"] == 1, column])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seeds": 0}, "seeds must be an integer >= 1; got 0"),
        ({"epochs": 1.5}, "epochs must be an integer >= 1; got 1.5"),
        ({"depths": (0, 1)}, "depths must be positive integers"),
    ],
)
def test_a_setting_out_of_range_is_refused(settings, message):
    with pytest.raises(InvalidValue, match=message):
        pretraining.run("digits", **{**QUICK, **settings})
