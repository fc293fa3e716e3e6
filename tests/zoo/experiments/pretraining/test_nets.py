import numpy as np
import pandas as pd
import pytest

from zoo import datasets
from zoo.experiments.pretraining import nets
from zoo.pretraining import hidden_layers


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits")


def test_a_seed_has_the_same_weights(digits):
    first, same, other = (nets.sigmoid_net(digits, depth=2, width=8, seed=seed).get_weights() for seed in (3, 3, 4))
    for array, same_array, other_array in zip(first, same, other, strict=True):
        np.testing.assert_array_equal(array, same_array)
        assert not array.any() or (array != other_array).any()


def test_a_net_copies_the_hidden_layers_of_a_pretrained_one(digits):
    deep = nets.sigmoid_net(digits, depth=3, width=8, seed=3)
    random, net = (nets.sigmoid_net(digits, depth=2, width=8, seed=2, pretrained=start) for start in (None, deep))
    for layer, copied in zip(hidden_layers(net), hidden_layers(deep)[:2], strict=True):
        np.testing.assert_array_equal(layer.kernel, copied.kernel)
    for array, expected in zip(net.layers[-1].get_weights(), random.layers[-1].get_weights(), strict=True):
        np.testing.assert_array_equal(array, expected)


def test_pretraining_makes_a_deep_sigmoid_net_trainable(digits):
    shape = {"depth": 3, "width": 50, "seed": 0}
    random, pretrained = (nets.pretrain_net(digits, start, epochs=10, **shape) for start in ("random", "autoencoders"))
    accuracies = [nets.fine_tune(net, digits.train, digits.test, epochs=25, seed=0) for net in (random, pretrained)]
    assert accuracies[1] > accuracies[0] + 0.1


def test_the_gain_is_over_random_weights_of_the_same_depth():
    rows = [("random", 1, 0.5), ("random", 1, 0.7), ("random", 2, 0.1), ("rbms", 1, 0.7), ("rbms", 2, 0.9)]
    table = nets.compare(pd.DataFrame(rows, columns=["start", "depth", "accuracy"]), "depth")
    assert table["gain"].to_dict() == {("random", 1): 0, ("random", 2): 0, ("rbms", 1): 10, ("rbms", 2): 80}
    assert table["accuracy"].tolist() == [60, 10, 70, 90]
    assert table["spread"].dropna().tolist() == [14.14]
