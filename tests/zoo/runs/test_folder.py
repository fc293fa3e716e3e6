import pytest

from zoo.errors import RunFailed
from zoo.runs.folder import RunFolder


def test_a_runs_folder_that_leads_nowhere_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").symlink_to(tmp_path / "unmounted")
    with pytest.raises(RunFailed, match=r"cannot be made"):
        RunFolder(None, name="deep_mlp")
    with pytest.raises(RunFailed, match=r"cannot be made"):
        RunFolder("runs/mine", name="deep_mlp")


def test_tables_are_replaced_whole(tmp_path):
    import pandas as pd

    folder = RunFolder(tmp_path / "run", name="x")
    for rows in (3, 1):
        folder.write_table("metrics.csv", pd.DataFrame({"epoch": range(rows)}))
    assert len(pd.read_csv(folder.path / "metrics.csv")) == 1
    assert [path.name for path in folder.path.iterdir()] == ["metrics.csv"]
