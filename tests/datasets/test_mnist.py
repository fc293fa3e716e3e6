import numpy as np
import pytest

from zoo import datasets
from zoo.datasets import cache, mnist
from zoo.errors import DataError


@pytest.fixture
def write(empty_machine):
    """Writes a file where MNIST is searched."""
    empty_machine.mkdir(parents=True)

    def write(content=None, **arrays):
        path = empty_machine / "mnist.npz"
        if arrays:
            np.savez_compressed(path, **arrays)
        else:
            path.write_bytes(content)
        return path

    return write


def arrays(n=5):
    images, labels = np.zeros((n, 28, 28), np.uint8), np.zeros(n, np.uint8)
    return {"x_train": images, "y_train": labels, "x_test": images, "y_test": labels}


def test_other_images_are_refused(write):
    write(**arrays())
    with pytest.raises(DataError, match="does not hold the data of mnist.npz"):
        datasets.load("mnist")


def test_missing_arrays_are_refused(write):
    write(x_train=np.zeros(3))
    with pytest.raises(DataError, match="mnist.npz is truncated, damaged or another kind of file"):
        datasets.load("mnist")


def test_a_truncated_file_is_refused(write):
    content = write(**arrays()).read_bytes()
    for length in (0, 10, len(content) // 2, len(content) - 1):
        write(content[:length])
        with pytest.raises(DataError, match="mnist.npz is truncated, damaged or another kind of file"):
            datasets.load("mnist")


def test_a_file_that_would_run_code_is_refused(write):
    write(**{**arrays(), "x_train": np.array([print], dtype=object)})
    with pytest.raises(DataError, match="truncated, damaged or another kind of file"):
        datasets.load("mnist")


@pytest.mark.skipif(cache.find(mnist.FILE) is None, reason="MNIST is not on this machine")
class TestTheRealFile:
    def test_it_is_split_as_nielsen_splits_it(self):
        data = datasets.load("mnist")
        x, y = mnist.read()
        for split, start, stop in (
            (data.train, 0, 50_000),
            (data.validation, 50_000, 60_000),
            (data.test, 60_000, 70_000),
        ):
            assert (split.y == y[start:stop]).all()
            assert (split.x == x[start:stop]).all()

    def test_the_first_thousand_labels_are_the_published_ones(self):
        data = datasets.load("mnist")
        assert np.bincount(data.train.y[:1000]).tolist() == [97, 116, 99, 93, 105, 92, 94, 117, 87, 100]

    def test_the_pixels_are_those_of_the_file_over_255(self):
        data = datasets.load("mnist")
        with np.load(cache.find(mnist.FILE)) as arrays:
            assert (np.rint(data.test.x[..., 0] * 255) == arrays["x_test"]).all()
        assert data.train.x.max() == 1
