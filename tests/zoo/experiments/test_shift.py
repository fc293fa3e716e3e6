import numpy as np
import pytest

from zoo import datasets, experiments
from zoo.datasets.transforms import framed
from zoo.errors import InvalidValue
from zoo.experiments import shift

QUICK = {"updates": 60, "furthest": 2, "progress": False}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(shift, "NETS", {name: shift.NETS[name] for name in list(shift.NETS)[::3]})  # one of each kind
        yield experiments.run("shift", "digits", run_dir=tmp_path_factory.mktemp("runs") / "run", **QUICK)


def test_it_writes_its_table_and_figure(outcome):
    _, folder = outcome
    names = ["accuracies.csv", "accuracies.png", "config.json", "summary.csv"]
    assert sorted(path.name for path in folder.iterdir()) == names


def test_digits_are_moved_in_eight_directions(outcome):
    for _, rows in outcome[0].tables["accuracies"].groupby("net"):
        assert rows["pixels"].tolist() == [0, *[1] * 8, *[2] * 8]
        assert len(rows[["pixels", "down", "right"]].drop_duplicates()) == 17


def test_the_summary_has_means_and_numbers_of_weights(outcome):
    summary, table = outcome[0].summary.set_index("net"), outcome[0].tables["accuracies"]
    name = "LeNet-5, ReLU and max-pooling"
    assert summary.loc[name, "weights"] == 61_706
    expected = 100 * table[(table["net"] == name) & (table["pixels"] == 2)]["accuracy"].mean()
    assert summary.loc[name, "2_px"] == pytest.approx(expected, abs=0.006)


def test_accuracy_on_moved_digits_equals_that_of_keras(outcome):
    data = framed(datasets.load("digits"), 32)
    model = shift.train_net(shift.NETS["perceptron, 1 hidden layer"], data, updates=60, seed=0)
    moved = np.roll(data.test.x, (-1, 1), axis=(1, 2))  # nothing leaves: there is a margin
    expected = model.evaluate(moved, data.test.y, verbose=0)[1]
    (accuracy,) = [
        r["accuracy"] for r in shift.measure_accuracies(model, data, 1) if (r["down"], r["right"]) == (-1, 1)
    ]
    assert accuracy == pytest.approx(expected)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"updates": 0}, "updates must be an integer >= 1 or None; got 0"),
        ({"furthest": 9}, "furthest must be an integer from 0 to 8; got 9"),
    ],
)
def test_a_setting_out_of_range_is_refused(settings, message):
    with pytest.raises(InvalidValue, match=message):
        shift.run("digits", **{**QUICK, **settings})
