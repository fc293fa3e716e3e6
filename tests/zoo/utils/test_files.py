import pytest

from zoo.utils.files import replacing


def test_a_file_is_there_when_the_block_ends_well(tmp_path):
    with replacing(tmp_path / "a.csv") as temporary:
        temporary.write_text("new")
        assert not (tmp_path / "a.csv").exists()
        assert temporary.suffix == ".csv"
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_the_old_file_stays_whole_when_the_block_fails(tmp_path):
    (tmp_path / "a.csv").write_text("old")

    def write_half():
        with replacing(tmp_path / "a.csv") as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]
