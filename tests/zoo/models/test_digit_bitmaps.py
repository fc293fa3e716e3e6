import numpy as np
from scipy.spatial import distance

from zoo.models.digit_bitmaps import BITMAPS


def test_ten_bitmaps_of_7_by_12():
    bitmaps = np.array(BITMAPS)
    assert bitmaps.shape == (10, 7 * 12)
    assert set(np.unique(bitmaps)) == {-1, 1}
    assert (bitmaps == 1).sum(axis=1).tolist() == [35, 27, 33, 32, 41, 35, 39, 25, 43, 39]


def test_distances_are_as_published():
    squared = distance.squareform(distance.pdist(BITMAPS, "sqeuclidean"))
    apart = squared + 1000 * np.eye(10)
    assert apart.min() == 48
    assert np.argwhere(apart == 48).tolist() == [[6, 8], [8, 6]]
    assert squared.max() == 200
    assert np.argwhere(np.triu(squared) == 200).tolist() == [[1, 4], [1, 8], [4, 7]]
