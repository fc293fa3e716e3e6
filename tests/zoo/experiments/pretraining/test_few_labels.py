import numpy as np
import pytest

from zoo import datasets, experiments
from zoo.errors import InvalidValue
from zoo.experiments.pretraining import few_labels
from zoo.experiments.pretraining.nets import STARTS

QUICK = {
    "labels": (5000, 50, 20),
    "depth": 1,
    "width": 16,
    "seeds": 1,
    "pretraining_epochs": 1,
    "epochs": 2,
    "progress": False,
}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    return experiments.run("few-labels", "digits", run_dir=tmp_path_factory.mktemp("runs") / "run", **QUICK)


def test_it_writes_its_table_and_figure(outcome):
    _, folder = outcome
    names = ["accuracies.csv", "accuracies.png", "config.json", "summary.csv"]
    assert sorted(path.name for path in folder.iterdir()) == names


def test_too_many_labels_are_left_out_and_all_labels_come_last(outcome):
    for _, rows in outcome[0].summary.groupby("start"):
        assert rows["labels"].tolist() == [20, 50, 1294]


def test_every_net_has_the_same_number_of_updates(outcome):
    updates = outcome[0].tables["accuracies"]["updates"]
    assert updates.tolist() == [2 * 65] * len(STARTS) * 3  # 1,294 examples, 20 at a time


def test_a_seed_gives_the_same_numbers_whatever_else_is_trained(outcome):
    alone = few_labels.run("digits", **{**QUICK, "labels": (20,)}).tables["accuracies"]
    among = outcome[0].tables["accuracies"]
    expected = among[among["labels"] != 50].reset_index(drop=True)
    np.testing.assert_array_equal(alone["accuracy"], expected["accuracy"])


def test_a_repeated_split_has_each_example_equally_often():
    few = datasets.load("digits").with_labels(30).train
    many = few_labels.repeat(few, 100)
    counts = [(many.x == image).all(axis=(1, 2, 3)).sum() for image in few.x]
    assert sorted(counts) == [3] * 20 + [4] * 10
    np.testing.assert_array_equal(many.y[30:60], few.y)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"labels": (9,)}, "labels must be from 10, one per class, to 1294; got 9"),
        ({"labels": ()}, "labels must be positive integers"),
        ({"width": -1}, "width must be an integer >= 1; got -1"),
    ],
)
def test_a_setting_out_of_range_is_refused(settings, message):
    with pytest.raises(InvalidValue, match=message):
        few_labels.run("digits", **{**QUICK, **settings})
