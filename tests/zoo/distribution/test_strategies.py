import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tensorflow as tf

import zoo
from zoo.distribution import strategies
from zoo.distribution.strategies import describe_division, read_cluster, resolve_strategy, writes_files
from zoo.errors import InvalidValue, RunFailed

ROOT = Path(__file__).parents[3]
TRAIN = [sys.executable, "-m", "zoo.cli", "train"]


def cluster(*addresses, task=0):
    return json.dumps({"cluster": {"worker": list(addresses)}, "task": {"type": "worker", "index": task}})


class TestNames:
    def test_a_machine_without_several_gpus_trains_on_one_device(self, monkeypatch):
        monkeypatch.delenv("TF_CONFIG", raising=False)
        for name in ("auto", "none"):
            strategy = resolve_strategy(name)
            assert strategy.num_replicas_in_sync == 1
            assert writes_files(strategy)

    def test_a_strategy_is_returned_as_it_is(self):
        strategy = tf.distribute.OneDeviceStrategy("CPU:0")
        assert resolve_strategy(strategy) is strategy

    def test_the_error_for_an_unknown_name_lists_the_known_ones(self):
        with pytest.raises(InvalidValue, match="strategy must be one of 'auto', 'none', 'mirrored', 'multiworker'"):
            resolve_strategy("miror")

    @pytest.mark.parametrize(
        "config", ["", "{}", '{"cluster": {}}', '{"task": {"type": "worker", "index": 0}}', '{"environment": "cloud"}']
    )
    def test_an_empty_cluster_is_one_machine_as_in_tensorflow(self, monkeypatch, config):
        monkeypatch.setenv("TF_CONFIG", config)
        assert resolve_strategy("auto") is tf.distribute.get_strategy()
        if config:
            assert not tf.distribute.cluster_resolver.TFConfigClusterResolver().cluster_spec()

    def test_parameter_servers_are_an_error(self, monkeypatch):
        strategy = object.__new__(tf.distribute.ParameterServerStrategy)  # a real one needs running servers
        with pytest.raises(InvalidValue, match="strategy must update the weights .*; got ParameterServerStrategyV2"):
            resolve_strategy(strategy)
        config = {"cluster": {"ps": ["a:1"], "worker": ["b:1"]}, "task": {"type": "worker", "index": 0}}
        monkeypatch.setenv("TF_CONFIG", json.dumps(config))
        with pytest.raises(InvalidValue, match="parameter servers are not supported"):
            resolve_strategy("auto")

    def test_multiworker_needs_the_cluster_in_the_environment(self, monkeypatch):
        monkeypatch.delenv("TF_CONFIG", raising=False)
        with pytest.raises(InvalidValue, match="multiworker needs TF_CONFIG in the environment, as in"):
            resolve_strategy("multiworker")

    @pytest.mark.parametrize(
        "config", ["{", '{"cluster": {}}', cluster("a:1", task=1), '{"cluster": {"worker": 3}, "task": 1}']
    )
    def test_the_error_for_an_invalid_cluster_shows_it(self, monkeypatch, config):
        monkeypatch.setenv("TF_CONFIG", config)
        with pytest.raises(InvalidValue, match="TF_CONFIG must be like .*; got .* \\("):
            read_cluster()

    def test_the_error_names_a_worker_that_does_not_answer(self, monkeypatch, free_ports):
        this, other = (f"localhost:{port}" for port in free_ports(2))
        monkeypatch.setattr(strategies, "PATIENCE", 0.5)
        with pytest.raises(RunFailed, match=f"No worker answers at {other} after 0.5 s"):
            strategies._wait_for_workers(json.loads(cluster(this, other)))


def test_the_division_of_a_batch_in_words():
    class Three:
        num_replicas_in_sync = 3

    assert describe_division(tf.distribute.get_strategy(), 10) == "10 on one device"
    assert describe_division(Three, 12) == "12 over 3 replicas, 4 on each"
    assert describe_division(Three, 10) == "10 over 3 replicas, 3 or 4 on each"


def test_mixed_precision_computes_in_half_precision_with_weights_in_single(tmp_path):
    run = zoo.train("deep_mlp", "moons", epochs=3, mixed_precision=True, run_dir=tmp_path / "run", progress=False)
    assert run.model.get_layer("hidden_1").compute_dtype == "float16"
    assert run.model.get_layer("hidden_1").kernel.dtype == "float32"
    assert type(run.model.optimizer).__name__ == "LossScaleOptimizer"
    assert run.metrics["loss"].iloc[-1] < run.metrics["loss"].iloc[0]


class TestWorkers:
    @pytest.mark.large
    def test_two_processes_write_the_run_of_one(self, tmp_path):
        arguments = ["deep_mlp", "--dataset", "moons", "--epochs", "2", "--run-dir"]
        for folder, options in (("one", []), ("two", ["--workers", "2"])):
            done = subprocess.run(
                [*TRAIN, *arguments, tmp_path / folder, *options], capture_output=True, text=True, cwd=ROOT
            )
            assert done.returncode == 0, done.stderr[-2000:]
        assert "over 2 replicas, " in done.stdout
        results = [json.loads((tmp_path / folder / "result.json").read_text()) for folder in ("one", "two")]
        assert results[1]["test"] == pytest.approx(results[0]["test"], rel=1e-4)
        assert results[1]["batch"] == "32 over 2 replicas, 16 on each"
        assert {path.name for path in (tmp_path / "two").iterdir()} == {
            path.name for path in (tmp_path / "one").iterdir()
        }

    @pytest.mark.large
    def test_a_killed_worker_ends_the_others_and_the_run_resumes_from_its_checkpoint(self, tmp_path):
        run = tmp_path / "run"
        command = [
            *TRAIN,
            "shallow_mlp",
            "--dataset",
            "moons",
            "--epochs",
            "100000",
            "--workers",
            "2",
            "--run-dir",
            run,
        ]
        launcher = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, cwd=ROOT)
        deadline = time.monotonic() + 120
        while not (run / "checkpoint.npz").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        workers = children(launcher.pid)
        assert len(workers) == 2
        os.kill(workers[1], signal.SIGKILL)
        start = time.monotonic()
        _, errors = launcher.communicate(timeout=60)
        assert time.monotonic() - start < 60
        assert launcher.returncode == 1
        assert "zoo: Worker 1 of 2 (localhost:" in errors
        assert "was ended by SIGKILL" in errors
        assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
        epochs = len((run / "metrics.csv").read_text().splitlines()) - 1
        resume = [*TRAIN, "--resume", run, "--epochs", str(epochs + 2), "--workers", "2"]
        done = subprocess.run(resume, capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0, done.stderr[-2000:]
        assert len((run / "metrics.csv").read_text().splitlines()) - 1 == epochs + 2

    def test_a_mistake_is_reported_once(self, tmp_path):
        done = subprocess.run([*TRAIN, "deep_mpl", "--workers", "2"], capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 2
        assert done.stderr.count('zoo: Unknown model "deep_mpl"') == 1


def children(pid):
    return sorted(int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
