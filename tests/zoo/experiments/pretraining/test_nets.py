import numpy as np
import pandas as pd
import pytest

from zoo import datasets
from zoo.experiments.pretraining import nets
from zoo.pretraining import hidden_layers


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits")


def test_a_seed_has_the_same_net(digits):
    one, same, other = (nets.sigmoid_net(digits, depth=2, width=8, seed=seed) for seed in (3, 3, 4))
    for mine, its, another in zip(one.get_weights(), same.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, its)
        assert not mine.any() or (mine != another).any()


def test_a_net_that_starts_from_another_keeps_its_own_output_layer(digits):
    deep, net = (nets.sigmoid_net(digits, depth=depth, width=8, seed=depth) for depth in (3, 2))
    output = net.get_layer("output").get_weights()
    nets.start_from(net, deep)
    for layer, its in zip(hidden_layers(net), hidden_layers(deep)[:2], strict=True):
        np.testing.assert_array_equal(layer.kernel, its.kernel)
    for now, before in zip(net.get_layer("output").get_weights(), output, strict=True):
        np.testing.assert_array_equal(now, before)


def test_pre_training_makes_a_deep_sigmoid_net_trainable(digits):
    pretrained, random = (nets.sigmoid_net(digits, depth=3, width=50, seed=0) for _ in range(2))
    nets.pretrain(pretrained, nets.STARTS["autoencoders"], digits.train.x, epochs=10, seed=0)
    for net in (pretrained, random):
        nets.fine_tune(net, digits.train, epochs=25, seed=0)
    assert nets.evaluate_accuracy(pretrained, digits) > nets.evaluate_accuracy(random, digits) + 0.1


def test_the_gain_is_over_random_weights_of_the_same_depth():
    rows = [("random", 1, 0.5), ("random", 1, 0.7), ("random", 2, 0.1), ("rbms", 1, 0.7), ("rbms", 2, 0.9)]
    found = nets.compare(pd.DataFrame(rows, columns=["start", "depth", "accuracy"]), "depth")
    assert found["gain"].to_dict() == {("random", 1): 0, ("random", 2): 0, ("rbms", 1): 10, ("rbms", 2): 80}
    assert found["accuracy"].tolist() == [60, 10, 70, 90]
    assert found["spread"].dropna().tolist() == [14.14]
