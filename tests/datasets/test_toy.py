import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from zoo import datasets


@pytest.mark.parametrize("name", ["xor", "rings", "moons", "spirals"])
def test_neighbors_separate_the_classes_and_no_line_does(name):
    data = datasets.load(name)
    line = LogisticRegression().fit(data.train.x, data.train.y)
    near = KNeighborsClassifier(5).fit(data.train.x, data.train.y)
    assert line.score(data.test.x, data.test.y) < 0.92
    assert near.score(data.test.x, data.test.y) > 0.95


def test_xor_is_the_exclusive_or_of_the_signs():
    x, y = datasets.toy.xor(noise=0)
    assert ((x[:, 0] > 0) ^ (x[:, 1] > 0) == y).all()


def test_without_noise_the_rings_are_circles():
    x, y = datasets.toy.rings(noise=0)
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), np.where(y, 0.5, 1), rtol=1e-6)


def test_without_noise_the_spirals_have_the_requested_turns():
    x, y = datasets.toy.spirals(noise=0, turns=2)
    radius = np.linalg.norm(x, axis=1)
    angle = 2 * np.pi * 2 * radius + np.pi * y
    np.testing.assert_allclose(x, radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1), atol=1e-5)
