import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from tests.stress.kill_search import finished, group_of, kill, wait_for_end
from zoo import tuning
from zoo.errors import InvalidValue
from zoo.tuning import workers

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="processes as Linux shows them")


@pytest.fixture
def project(tmp_path):
    """A search's folder; whatever still runs in it at the end of the test is killed."""
    yield tmp_path / "search"
    kill(pid for pid in group_of(tmp_path / "search", 0) if pid)


def start(project, max_trials=4, epochs=3):
    search = ["tune", "shallow_mlp", "--dataset", "moons", "--algorithm", "random", "--set", "hidden=5"]
    search += [
        "--workers",
        "2",
        "--epochs",
        str(epochs),
        "--max-trials",
        str(max_trials),
        "--project-dir",
        str(project),
    ]
    return subprocess.Popen(
        [sys.executable, "-m", "zoo.cli", *search],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def wait(condition, seconds=200):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def named(project, name):
    return [pid for pid, each in group_of(project, 0).items() if each.startswith(name) and pid]


def begun(project):
    return [path.parent.name for path in project.glob("trial_*/begun.json")]


def test_a_killed_worker_is_started_anew_and_its_trial_tried_again(project):
    launcher = start(project)
    wait(lambda: begun(project))
    trial = json.loads((project / begun(project)[0] / "begun.json").read_text())
    kill(named(project, trial["worker"]))
    output, _ = launcher.communicate(timeout=300)
    assert launcher.returncode == 0, output
    frame = pd.read_csv(project / "trials.csv")
    assert frame["status"].tolist() == ["finished"] * 4
    assert not wait_for_end(project)
    # One processor's numbers are another's: the trials are those of a search without workers.
    alone = tuning.search(
        tuning.space("shallow_mlp").with_(hidden=5), "moons", algorithm="random", max_trials=4, epochs=3,
        project_dir=project.with_name("alone"), progress=False,
    ).frame  # fmt: skip
    assert sorted(round(each, 5) for each in frame["learning_rate"]) == sorted(
        round(each, 5) for each in alone["learning_rate"]
    )


def test_without_its_chief_a_search_ends_and_goes_on_when_it_is_called_again(project):
    launcher = start(project)
    wait(lambda: finished(project))
    kill(named(project, "chief"))
    output, _ = launcher.communicate(timeout=60)
    assert launcher.returncode == 1
    assert "The chief was ended by SIGKILL; the workers were ended with it." in output
    assert not wait_for_end(project)
    before = finished(project)
    found = tuning.resume(project, progress=False)
    assert found.frame["status"].tolist() == ["finished"] * 4
    assert before.items() <= finished(project).items()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_without_the_launcher_no_process_is_left(project, number):
    launcher = start(project, epochs=100_000)
    wait(lambda: begun(project))
    launcher.send_signal(number)
    launcher.communicate(timeout=60)
    assert not wait_for_end(project)


def test_a_trial_on_which_workers_end_three_times_has_failed(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "deadly.py").write_text(
        "import os, signal, keras\n"
        "def build(units):\n"
        "    if units == 3 and 'worker' in os.environ.get('KERASTUNER_TUNER_ID', ''):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    layers = [keras.Input((2,)), keras.layers.Dense(units), keras.layers.Dense(2, 'softmax')]\n"
        "    model = keras.Sequential(layers)\n"
        "    model.compile('adam', 'sparse_categorical_crossentropy', metrics=['accuracy'])\n"
        "    return model\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import deadly  # type: ignore[import-not-found]

    found = tuning.search(
        tuning.HyperModel(deadly.build, {"units": tuning.Choice([2, 3, 4])}), "moons", algorithm="grid", epochs=2,
        workers=2, project_dir=tmp_path / "search", progress=False,
    )  # fmt: skip
    frame = found.frame.set_index("units")
    assert frame["status"].to_dict() == {2: "finished", 3: "failed", 4: "finished"}
    assert "was ended by SIGKILL 3 times" in frame["error"][3]


def test_a_builder_that_no_other_process_can_import_is_refused(tmp_path):
    own = tuning.HyperModel(lambda units: None, {"units": tuning.Range(1, 9)})
    with pytest.raises(InvalidValue, match="the builder must be importable"):
        tuning.search(own, "moons", workers=2, project_dir=tmp_path / "search", progress=False)


def test_cores_and_gpus_are_divided(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3, 4})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5,7")
    shares = workers.shares(2)
    assert [each["ZOO_TUNE_CORES"] for each in shares] == ["0,2,4", "1,3"]
    assert [each["CUDA_VISIBLE_DEVICES"] for each in shares] == ["2,7", "5"]
    assert [each["CUDA_VISIBLE_DEVICES"] for each in workers.shares(4)] == ["2", "5", "7", "2"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "CUDA_VISIBLE_DEVICES" not in workers.shares(2)[0]
