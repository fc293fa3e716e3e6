import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_another_package_called_datasets_is_told_from_ours(tmp_path):
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "__init__.py").write_text("def load_dataset(): ...\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    done = subprocess.run(
        [sys.executable, "-c", "from zoo.cli import main; main()", "datasets"],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("zoo: Python finds another package called `datasets`")
    assert str(tmp_path) in done.stderr
    assert "virtual environment" in done.stderr
    assert "Traceback" not in done.stderr
