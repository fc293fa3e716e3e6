import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import keras
import pandas as pd
import pytest

from tests.stress.kill_search import kill, list_processes, read_finished, wait_for_end
from zoo import tuning
from zoo.distribution.processes import Supervisor
from zoo.errors import InvalidValue, RunFailed
from zoo.tuning import workers
from zoo.tuning.failures import DiskFull, InvalidSearch

ROOT = Path(__file__).parents[2]
SPACE = tuning.space("shallow_mlp").with_(hidden=5)
SEARCH = {"algorithm": "random", "max_trials": 4, "epochs": 2, "progress": False}
pytestmark = pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="processes as Linux shows them")


@pytest.fixture
def project(tmp_path):
    """The folder of a search; processes that still run in it at the end of the test are killed."""
    yield tmp_path / "search"
    kill(list_processes(tmp_path / "search"))


def start(project, *options):
    command = [sys.executable, "-m", "zoo.cli", "tune", "shallow_mlp", "--dataset", "moons", "--algorithm", "random"]
    command += ["--set", "hidden=5", "--max-trials", "4", "--project-dir", str(project), *options]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_until(condition, seconds=200):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def list_begun(project):
    return [path.parent.name for path in project.glob("trial_*/begun.json")]


@pytest.mark.large
def test_a_killed_worker_is_started_again_and_its_trial_tried_again(project):
    killed = []

    def kill_a_worker():
        wait_until(lambda: list_begun(project))
        name = json.loads((project / list_begun(project)[0] / "begun.json").read_text())["worker"]
        killed.extend(pid for pid, other in list_processes(project).items() if other == name)
        kill(killed)

    thread = threading.Thread(target=kill_a_worker)
    thread.start()
    frame = tuning.search(SPACE, "moons", workers=2, project_dir=project, **SEARCH).frame
    thread.join()
    assert len(killed) == 1
    assert frame["status"].tolist() == ["finished"] * 4
    assert pd.read_csv(project / "trials.csv")["status"].tolist() == ["finished"] * 4
    assert not wait_for_end(project)
    # The metrics depend on the number of cores, the trials do not.
    alone = tuning.search(SPACE, "moons", project_dir=project.with_name("alone"), **SEARCH).frame
    assert sorted(round(rate, 5) for rate in frame["learning_rate"]) == sorted(
        round(rate, 5) for rate in alone["learning_rate"]
    )


@pytest.mark.large
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_without_the_launcher_no_process_is_left_and_the_search_can_be_resumed(project, number):
    launcher = start(project, "--workers", "2", "--epochs", "20")
    wait_until(lambda: read_finished(project))
    launcher.send_signal(number)
    launcher.communicate(timeout=60)
    assert launcher.returncode in (-number, 128 + number)
    assert not wait_for_end(project)
    before = read_finished(project)
    result = tuning.resume(project, progress=False)
    assert result.frame["status"].tolist() == ["finished"] * 4
    assert before.items() <= read_finished(project).items()


@pytest.mark.large
def test_on_a_cluster_a_worker_ends_without_its_chief_and_the_search_can_be_resumed(project, free_ports):
    address = {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": str(free_ports(1)[0])}

    def start_cluster():
        processes = []
        for name in ("chief", "worker-1"):
            os.environ.update(address, KERASTUNER_TUNER_ID=name)
            processes.append(start(project, "--epochs", "20"))
            wait_until(lambda: (project / "search.json").exists())
        for name in (*address, "KERASTUNER_TUNER_ID"):
            del os.environ[name]
        return processes

    chief, worker = start_cluster()
    wait_until(lambda: read_finished(project))
    chief.kill()
    chief.communicate()
    output, _ = worker.communicate(timeout=60)
    assert worker.returncode == 1
    assert "cannot be reached any more" in output
    assert not wait_for_end(project)
    before = read_finished(project)
    for process in start_cluster():
        process.communicate(timeout=120)
        assert process.returncode == 0
    assert pd.read_csv(project / "trials.csv")["status"].tolist() == ["finished"] * 4
    assert before.items() <= read_finished(project).items()


class TestPool:
    """A pool whose workers import neither TensorFlow nor Keras."""

    WORKER = """
import json, os, signal, sys
from pathlib import Path

def main():
    plan, project, name = sys.argv[1:]
    for line in sys.stdin:
        content = json.loads(line)
        folder = Path(project, f"trial_{content['trial']}")
        folder.mkdir(exist_ok=True)
        units = content["hyperparameters"]["values"]["units"]
        if units == 5:
            sys.exit("zoo: no room")
        if units in (6, 7):
            print("zoo: " + {6: "The search stopped.", 7: "objective must be a metric."}[units], file=sys.stderr)
            sys.exit({6: 74, 7: 78}[units])
        begun = {"trial": content["trial"], "values": {"units": units}, "worker": name, "began": 0}
        (folder / "begun.json").write_text(json.dumps(begun))
        if units == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        result = {**begun, "status": "finished", "objective": units, "seconds": 0}
        (folder / ".result.json").write_text(json.dumps(result))
        (folder / ".result.json").rename(folder / "result.json")
"""

    @pytest.fixture
    def run(self, tmp_path, monkeypatch):
        """A function that runs a grid search over some units and returns its results by units."""
        import keras_tuner

        from zoo.tuning.oracles import make_oracle
        from zoo.tuning.plan import make_plan
        from zoo.tuning.project import read_results

        (tmp_path / "fake_worker.py").write_text(self.WORKER)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr(workers, "MODULE", "fake_worker")

        def run(units):
            plan = make_plan(
                SPACE, "moons", algorithm="grid", max_trials=None, epochs=1, seed=0, vanishing=None, prune=False
            )
            oracle = make_oracle(plan, tmp_path / "oracle.json")
            oracle._set_project_dir(str(tmp_path), "kerastuner")
            hp = keras_tuner.HyperParameters()
            hp.Choice("units", units)
            oracle.update_space(hp)
            with Supervisor(tmp_path / "logs") as supervisor:
                pool = workers.Pool(oracle, tmp_path / "plan", tmp_path, supervisor, workers=2)
                while pool.step():
                    time.sleep(0.02)
            assert len(oracle.end_order) == len(units)
            return {result["values"]["units"]: result for result in read_results(tmp_path).values()}

        return run

    def test_a_trial_on_which_workers_die_three_times_has_failed(self, run):
        results = run([2, 3, 4])
        assert {units: result["status"] for units, result in results.items()} == {
            2: "finished",
            3: "failed",
            4: "finished",
        }
        assert "was ended by SIGKILL 3 times" in results[3]["error"]

    def test_a_worker_that_cannot_be_started_ends_the_search(self, run, tmp_path):
        with pytest.raises(RunFailed) as error:
            run([2, 5])
        assert "ended with status 1 3 times. zoo: no room The log is" in str(error.value)

    @pytest.mark.parametrize(
        ("units", "error", "message"),
        [(6, DiskFull, "The search stopped."), (7, InvalidSearch, "objective must be a metric.")],
    )
    def test_what_ends_the_search_in_a_worker_ends_it_here(self, run, tmp_path, units, error, message):
        with pytest.raises(error) as ended:
            run([2, units])
        assert str(ended.value) == message
        assert not (tmp_path / "trial_0001" / "result.json").exists()  # it is not a failure of the trial

    def test_a_worker_whose_log_is_empty_had_no_room_for_that_either(self, run, tmp_path, monkeypatch):
        monkeypatch.setattr(Supervisor, "last_words", lambda self, name: "")
        with pytest.raises(DiskFull, match=f"its files in {tmp_path} cannot be written: No space left on device"):
            run([2, 6])


def test_a_builder_that_no_other_process_can_import_is_refused(tmp_path):
    model = tuning.HyperModel(lambda units: None, {"units": tuning.Range(1, 9)})
    with pytest.raises(InvalidValue, match="the builder <lambda> must be importable"):
        tuning.search(model, "moons", workers=2, project_dir=tmp_path / "search", progress=False)


def test_a_callback_that_no_other_process_can_import_is_refused(tmp_path):
    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None)
    with pytest.raises(InvalidValue, match="the callback LambdaCallback must be importable"):
        tuning.search(SPACE, "moons", workers=2, callbacks=[callback], project_dir=tmp_path / "search", **SEARCH)
    assert list(tmp_path.iterdir()) == []


OWN = """
import keras, keras_tuner

class Own(keras_tuner.HyperModel):
    def build(self, hp):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(hp.Choice("units", [2, 3]))])
        model.compile("sgd", "mse")
        return model

    def fit(self, hp, model, x, y, callbacks, **kwargs):
        kernel = model.layers[0].kernel
        kernel.assign(kernel * 0 + hp.Choice("score", [0.5, 0.25]))
        for callback in callbacks:
            callback.set_model(model)
            callback.on_epoch_end(0, {})
        return {"score": float(kernel[0, 0])}

class Half(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        kernel = self.model.layers[0].kernel
        kernel.assign(kernel / 2)
"""


@pytest.mark.large
def test_a_hypermodel_with_callbacks_is_trained_by_workers_and_its_model_loaded_by_another_process(
    tmp_path, monkeypatch
):
    (tmp_path / "own_model.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    import own_model

    settings = {"algorithm": "grid", "objective": ("score", "max"), "project_dir": tmp_path / "search"}
    frame = tuning.search(
        own_model.Own(), "moons", workers=2, callbacks=[own_model.Half()], executions_per_trial=2, progress=False,
        **settings,
    ).frame  # fmt: skip
    scores = {(row["units"], row["hp/score"]): row["objective"] for row in frame.to_dict("records")}
    assert scores == {(2, 0.5): 0.25, (2, 0.25): 0.125, (3, 0.5): 0.25, (3, 0.25): 0.125}  # halved by the callback
    program = (
        "import tuning, own_model; folder = 'search'; hp = tuning.load_hyperparameters(folder); "
        "print(hp.get('units'), tuning.load_model(folder, own_model.Own()).layers[0].kernel.numpy()[0, 0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
    )  # fmt: skip
    assert done.stdout.split() == ["2", "0.25"]


def test_on_a_cluster_a_search_that_cannot_be_is_reported_to_the_chief_as_failed_trials(tmp_path, monkeypatch):
    from zoo.tuning.plan import make_plan
    from zoo.tuning.progress import TrialTable
    from zoo.tuning.tuner import Tuner

    monkeypatch.setenv("KERASTUNER_TUNER_ID", "worker-1")
    plan = make_plan(
        SPACE, "moons", algorithm="random", max_trials=9, epochs=1, seed=0, vanishing=None, prune=False,
        objective=("auc", "max"),
    )  # fmt: skip
    tuner = Tuner(plan, tmp_path, TrialTable(tmp_path, plan.objective, 9, shown=False))
    tuner.run_trials()
    trials = tuner.oracle.trials.values()
    assert [trial.status for trial in trials] == ["FAILED"] * 3
    assert all("objective must be a metric of the training" in trial.message for trial in trials)


def test_cores_and_gpus_are_divided(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3, 4})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5,7")
    shares = workers.divide_machine(2)
    assert [share["ZOO_TUNE_CORES"] for share in shares] == ["0,2,4", "1,3"]
    assert [share["CUDA_VISIBLE_DEVICES"] for share in shares] == ["2,7", "5"]
    assert [share["CUDA_VISIBLE_DEVICES"] for share in workers.divide_machine(4)] == ["2", "5", "7", "2"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "CUDA_VISIBLE_DEVICES" not in workers.divide_machine(2)[0]
