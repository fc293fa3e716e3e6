from itertools import pairwise, product

import keras
import numpy as np
import pytest

import zoo
from zoo import datasets, experiments
from zoo.errors import InvalidValue
from zoo.experiments.dropout import study as dropout

QUICK = {"labels": 60, "width": 20, "updates": 30, "seeds": 1, "thinned": 10, "progress": False}


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(dropout, "SMALL", {1: 6, 2: 3})
        yield experiments.run("dropout", "digits", run_dir=tmp_path_factory.mktemp("runs") / "run", **QUICK)


def test_it_writes_its_tables_and_figures(outcome):
    _, folder = outcome
    names = [
        "all_thinned.csv",
        "averages.csv",
        "averages.png",
        "config.json",
        "curves.csv",
        "curves.png",
        "summary.csv",
    ]
    assert sorted(path.name for path in folder.iterdir()) == names


def test_with_one_hidden_layer_the_scaled_weights_are_exactly_the_geometric_mean_of_all_thinned_nets(outcome):
    table = outcome[0].tables["all_thinned"].set_index("hidden_layers")
    assert table["thinned_nets"].tolist() == [2**6, 2**6]
    assert table.loc[1, "geometric_mean"] < 1e-5
    assert table.loc[1, "arithmetic_mean"] > 100 * table.loc[1, "geometric_mean"]
    assert table.loc[2, "geometric_mean"] > 100 * table.loc[1, "geometric_mean"]


@pytest.mark.parametrize("keep", [0.3, 0.5])
@pytest.mark.parametrize("depth", [1, 2])
def test_thinned_nets_are_those_with_some_units_removed(keep, depth):
    random = np.random.default_rng(0)
    sizes = [4, *[2] * depth, 3]
    weights = [w for n, m in pairwise(sizes) for w in (random.normal(size=(n, m)), random.normal(size=m))]
    x = random.normal(size=(5, 4))
    outputs, shares = dropout.enumerate_thinned(weights, x, keep)
    assert shares.sum() == pytest.approx(1)
    for number, mask in enumerate(product((0, 1), repeat=2 * depth)):
        assert shares[number] == pytest.approx(keep ** sum(mask) * (1 - keep) ** (2 * depth - sum(mask)))
        h = x
        for layer in range(depth):
            h = np.maximum(h @ weights[2 * layer] + weights[2 * layer + 1], 0) * mask[2 * layer : 2 * layer + 2] / keep
        np.testing.assert_allclose(outputs[number], softmax(h @ weights[-2] + weights[-1]), rtol=1e-10)


@pytest.mark.large
def test_the_mean_of_random_thinned_nets_is_that_of_all():
    """Keras drops units at random; `enumerate_thinned` removes every set of them."""
    keras.utils.set_random_seed(0)
    options = {"depth": 1, "width": 4, "keep_probability": 0.5, "input_keep_probability": 1.0}
    model = zoo.create("dropout_mlp", input_shape=(8, 8, 1), **options)
    split = datasets.load("digits").with_labels(20).train
    outputs, shares = dropout.enumerate_thinned(model.get_weights(), split.x, 0.5)
    expected = np.tensordot(shares, outputs, 1)
    mean = np.mean([np.asarray(model(split.x, training=True)) for _ in range(3000)], axis=0)
    np.testing.assert_allclose(mean, expected, atol=0.02)


def test_a_geometric_mean_is_scaled_to_probabilities():
    outputs = np.array([[[0.5, 0.5]], [[0.9, 0.1]]])
    expected = np.sqrt([0.5 * 0.9, 0.5 * 0.1])
    np.testing.assert_allclose(dropout.geometric_mean(outputs, np.array([0.5, 0.5]))[0], expected / expected.sum())


def test_averages_of_the_same_number_share_no_nets(outcome):
    counts = outcome[0].tables["averages"].query("split == 'test'")["nets"].value_counts()
    assert counts.to_dict() == {1: 10, 2: 5, 5: 2, 10: 1}


def test_accuracy_and_loss_equal_those_of_keras():
    outputs, y = softmax(np.random.default_rng(0).normal(size=(30, 4))), np.arange(30) % 4
    measures = dropout.measure(outputs, y)
    assert measures["loss"] == pytest.approx(float(np.mean(keras.losses.sparse_categorical_crossentropy(y, outputs))))
    assert measures["accuracy"] == (outputs.argmax(axis=1) == y).mean()


def test_fewer_labels_than_classes_are_refused():
    with pytest.raises(InvalidValue, match="labels must be from 10, one per class, to 1294; got 9"):
        dropout.run("digits", **{**QUICK, "labels": 9})
