import pytest

from zoo.utils.files import making_folder, replacing


def test_a_file_appears_when_the_block_succeeds(tmp_path):
    with replacing(tmp_path / "a.csv") as temporary:
        temporary.write_text("new")
        assert not (tmp_path / "a.csv").exists()
        assert temporary.suffix == ".csv"
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_the_previous_file_stays_complete_when_the_block_fails(tmp_path):
    (tmp_path / "a.csv").write_text("old")

    def write_half():
        with replacing(tmp_path / "a.csv") as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_a_folder_that_fails_leaves_nothing_behind(tmp_path):
    def make_half(path):
        with making_folder(path) as temporary:
            temporary.mkdir()
            raise KeyboardInterrupt

    (tmp_path / "existing").mkdir()
    for path in (tmp_path / "new" / "deep" / "1", tmp_path / "existing" / "1"):
        with pytest.raises(KeyboardInterrupt):
            make_half(path)
    assert [path.name for path in tmp_path.rglob("*")] == ["existing"]


def test_a_folder_to_work_in_is_removed_and_what_was_written_beside_it_stays(tmp_path):
    with making_folder(tmp_path / "new" / "model", keep=False) as temporary:
        temporary.mkdir()
        (tmp_path / "new" / "model.onnx").write_text("model")
    assert [path.name for path in tmp_path.rglob("*")] == ["new", "model.onnx"]
