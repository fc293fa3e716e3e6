import numpy as np
import pandas as pd
import pytest

from zoo.errors import InvalidValue, RunFailed
from zoo.runs.folder import RunFolder


def test_a_folder_that_cannot_be_created_is_an_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").symlink_to(tmp_path / "unmounted")
    with pytest.raises(RunFailed, match=r"The run folder runs/deep_mlp-.* cannot be created: runs is not a folder"):
        RunFolder.create(None, name="deep_mlp")
    with pytest.raises(RunFailed, match=r"The run folder runs/mine cannot be created: runs is not a folder"):
        RunFolder.create("runs/mine", name="deep_mlp")


def test_an_existing_folder_is_an_error(tmp_path):
    with pytest.raises(InvalidValue, match=r"The run folder .* exists already; name another, or remove it."):
        RunFolder.create(tmp_path, name="x")


def test_a_process_that_does_not_write_creates_nothing(tmp_path):
    folder = RunFolder.create(tmp_path / "run", name="x", writes=False)
    folder.write_json("config.json", {})
    assert list(tmp_path.iterdir()) == []


def test_tables_are_replaced_as_a_whole(tmp_path):
    folder = RunFolder.create(tmp_path / "run", name="x")
    for rows in (3, 1):
        folder.write_table("metrics.csv", pd.DataFrame({"epoch": range(rows)}))
    assert len(pd.read_csv(folder.path / "metrics.csv")) == 1
    assert [path.name for path in folder.path.iterdir()] == ["metrics.csv"]


def test_a_table_is_read_back_exactly(tmp_path):
    numbers = np.random.default_rng(0).normal(size=1000) * 10.0 ** np.arange(-300, 700, 1).clip(-300, 300)
    special = {0: np.nan, 1: np.inf, 2: -np.inf, 3: 0.1, 4: 3.0, 5: 5e-324}
    numbers[list(special)] = list(special.values())
    names = np.where(np.arange(1000) % 2, "nan", "7")
    table = pd.DataFrame({"epoch": np.arange(1000), "layer": names, "variable": "None", "loss": numbers})
    folder = RunFolder.create(tmp_path / "run", name="x")
    folder.write_table("table.csv", table)
    pd.testing.assert_frame_equal(folder.read_table("table.csv"), table, check_exact=True)


def test_empty_and_absent_tables_are_none(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write_table("empty.csv", pd.DataFrame(columns=["epoch", "loss"]))
    assert folder.read_table("empty.csv") is None
    assert folder.read_table("absent.csv") is None
