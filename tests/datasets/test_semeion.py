import numpy as np
import pytest

from zoo import datasets
from zoo.datasets import cache, semeion
from zoo.errors import DataError

ROW_0 = ["0.0000"] * 255 + ["1.0000"] + ["1", *["0"] * 9]
ROW_7 = ["1.0000"] * 256 + ["0"] * 7 + ["1", "0", "0"]


@pytest.mark.parametrize(
    "text",
    [
        "".join(" ".join(row) + " \r\n" for row in (ROW_0, ROW_7)),
        "".join(",".join(row) + "\n" for row in (ROW_0, ROW_7)),
    ],
    ids=["spaces", "commas"],
)
def test_rows_separated_by_spaces_or_commas_are_read(tmp_path, text):
    (tmp_path / "semeion.data").write_bytes(text.encode())
    x, y = semeion.parse(tmp_path / "semeion.data")
    assert x.shape == (2, 16, 16)
    assert y.tolist() == [0, 7]
    assert x[0].sum() == x[0, 15, 15] == 1
    assert x[1].all()


@pytest.mark.parametrize(
    "row",
    [ROW_0[:-1], ["2.0", *ROW_0[1:]], ROW_0[:256] + ["0"] * 10, ROW_0[:256] + ["1"] * 10, ["x"] * 266],
    ids=["cut off", "grey", "no class", "all classes", "words"],
)
def test_a_damaged_row_is_refused(empty_machine, row):
    empty_machine.mkdir(parents=True)
    (empty_machine / "semeion.data").write_text("\n".join(" ".join(numbers) for numbers in (ROW_0, row)))
    with pytest.raises(DataError, match="semeion.data is truncated, damaged or another kind of file"):
        datasets.load("semeion")


def test_rows_of_another_data_set_are_refused(empty_machine):
    empty_machine.mkdir(parents=True)
    (empty_machine / "semeion.data").write_text("\n".join(" ".join(numbers) for numbers in (ROW_0, ROW_7)))
    with pytest.raises(DataError, match="does not hold the data of semeion.data"):
        datasets.load("semeion")


@pytest.mark.skipif(cache.find(semeion.FILE) is None, reason="SEMEION is not on this machine")
class TestTheRealFile:
    def test_its_class_counts_are_the_published_ones(self):
        _, y = semeion.read()
        assert np.bincount(y).tolist() == [161, 162, 159, 159, 161, 159, 161, 158, 155, 158]

    def test_nearest_neighbors_have_an_accuracy_computed_elsewhere(self):
        x, y = semeion.read()
        flat = x.reshape(len(x), -1)
        distance = flat @ (1 - flat.T) + (1 - flat) @ flat.T
        np.fill_diagonal(distance, 999)
        assert (y[distance.argsort(axis=1, kind="stable")[:, 0]] == y).sum() == 1593 - 132

    def test_the_test_set_is_a_shuffled_stratified_half(self):
        data = datasets.load("semeion", validation=0)
        assert (len(data.train), len(data.test)) == (797, 796)
        assert np.abs(np.diff(list(data.class_counts.values()), axis=0)).max() <= 1
        assert (np.diff(data.train.y) != 0).mean() > 0.8

    def test_commas_as_separators_give_the_same_data(self, tmp_path, monkeypatch):
        path = cache.find(semeion.FILE)
        digest = datasets.load("semeion").digest
        commas = "\n".join(",".join(line.split()) for line in path.read_text().splitlines())
        (tmp_path / "semeion.csv").write_text(commas)
        monkeypatch.setenv("ZOO_DATA", str(tmp_path))
        assert datasets.load("semeion").digest == digest
