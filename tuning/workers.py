"""Trials in several processes on this machine: this process has the oracle, and its workers train."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.distribution.processes import POLL, Supervisor
from zoo.errors import InvalidValue, RunFailed
from zoo.tuning.failures import DiskFull, InvalidSearch, explain_disk_failure
from zoo.tuning.project import trial_folder

if TYPE_CHECKING:
    from zoo.tuning.plan import Plan
    from zoo.tuning.progress import TrialTable

MODULE = "zoo.tuning.workers"  # whose `main` a worker runs
MAX_DEATHS = 3  # of the workers that train a trial, after which it has failed
DISK_FULL, INVALID = 74, 78  # exit statuses of workers that end the search, as in sysexits.h


def search_with_workers(plan: Plan, project: Path, progress: TrialTable, workers: int) -> None:
    """Runs a search with several worker processes.

    A worker that dies is started again and continues its trial from the checkpoint. A trial fails when three workers
    have died on it. When this process dies, the workers end too.

    Args:
        plan: The search.
        project: Folder of the search; the output of the workers goes into its folder `logs`.
        progress: Table to keep up to date.
        workers: Number of workers.

    Raises:
        RunFailed: No worker can be started.
        InvalidValue: The builder cannot be imported by another process.
    """
    content = _pickle(plan)
    from zoo.distribution.strategies import resolve_strategy
    from zoo.tuning.tuner import Tuner

    resolve_strategy("none")  # which leaves the memory of the GPUs to the workers
    tuner = Tuner(plan, project, progress)
    tuner.resume()
    with tempfile.TemporaryDirectory() as folder, Supervisor(project / "logs") as supervisor:
        file = Path(folder, "plan.pickle")
        file.write_bytes(content)
        pool = Pool(tuner.oracle, file, project, supervisor, workers)
        while pool.step():
            progress.update()
            time.sleep(POLL)


class Pool:
    """Workers that train the trials of an oracle.

    Args:
        oracle: Oracle.
        plan: File with the pickled plan.
        project: Folder of the search.
        supervisor: Supervisor of the processes.
        workers: Number of workers.
    """

    def __init__(self, oracle: Any, plan: Path, project: Path, supervisor: Supervisor, workers: int) -> None:
        self._oracle, self._plan, self._project, self._supervisor = oracle, plan, project, supervisor
        self._shares = {f"worker-{index}": share for index, share in enumerate(divide_machine(workers), start=1)}
        self._trials: dict[str, Any] = {}  # of each worker
        self._deaths: Counter[str] = Counter()

    def step(self) -> bool:
        """Gives each idle worker a trial and collects results; returns whether the search goes on."""
        for name in list(self._shares):
            if name in self._trials:
                self._check(name)
            if name not in self._trials:
                self._assign(name)
        return bool(self._shares)

    def _assign(self, name: str) -> None:
        trial = self._oracle.create_trial(name)
        if trial.status == "STOPPED":
            del self._shares[name]
        elif trial.status == "RUNNING":
            self._trials[name] = trial
            self._run(name)

    def _check(self, name: str) -> None:
        """Ends the trial of a worker if it has a result; starts a worker that has died again."""
        from zoo.tuning.oracles import report_result

        trial = self._trials[name]
        if result := trial_folder(self._project, trial.trial_id).read_json("result.json"):
            report_result(self._oracle, self._trials.pop(name), result)
        elif not self._supervisor.is_running(name):
            self._check_status(name)
            self._count_death(name)
            self._run(name)

    def _check_status(self, name: str) -> None:
        """Raises what a worker has raised that ends the search; with a full disk, its log may be empty."""
        status = self._supervisor.status(name)
        if status == DISK_FULL:
            words = self._supervisor.last_words(name).removeprefix("zoo: ")
            raise DiskFull(words or explain_disk_failure(self._project, os.strerror(errno.ENOSPC)))
        if status == INVALID:
            raise InvalidSearch(self._supervisor.last_words(name).removeprefix("zoo: "))

    def _count_death(self, name: str) -> None:
        trial_id = self._trials[name].trial_id
        self._deaths[trial_id] += 1
        if self._deaths[trial_id] < MAX_DEATHS:
            return
        from zoo.tuning.trial import fail_trial

        reason = f"{self._supervisor.describe_end(name)} {MAX_DEATHS} times. {self._supervisor.last_words(name)}"
        if not trial_folder(self._project, trial_id).read_json("begun.json"):
            log = self._project / "logs" / f"{name}.log"
            raise RunFailed(f"{name} {reason.strip()} The log is {log}.")
        fail_trial(self._project, trial_id, f"The worker that trained it {reason.strip()}")

    def _run(self, name: str) -> None:
        """Sends a worker its trial; starts the worker if it does not run."""
        if not self._supervisor.is_running(name):
            arguments = [str(self._plan), str(self._project), name]
            self._supervisor.start(name, MODULE, arguments, environment=self._shares[name])
        trial = self._trials[name]
        content = {"trial": trial.trial_id, "hyperparameters": trial.hyperparameters.get_config()}
        self._supervisor.send(name, json.dumps(content))


def divide_machine(workers: int) -> list[dict[str, str]]:
    """Returns the environment of each worker, which divides the cores and the GPUs among them.

    Args:
        workers: Number of workers.
    """
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    gpus = _list_gpus()
    environments = []
    for number in range(workers):
        share = cores[number::workers] or [cores[number % len(cores)]]
        environment = {"ZOO_TUNE_CORES": ",".join(map(str, share)), "OMP_NUM_THREADS": str(len(share))}
        if gpus:
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(gpus[number::workers] or [gpus[number % len(gpus)]])
            environment["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"  # for several workers on one GPU
        environments.append(environment)
    return environments


def _list_gpus() -> list[str]:
    """Returns the GPUs of this process without TensorFlow, which would take their memory."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [gpu for gpu in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if gpu.strip()]
    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [str(number) for number, line in enumerate(listing.stdout.splitlines()) if line.startswith("GPU ")]


def _pickle(plan: Plan) -> bytes:
    """Returns the plan for the workers.

    Raises:
        InvalidValue: The builder or a callback cannot be imported by another process.
    """
    builder = getattr(plan.model, "builder", None)
    parts = {f"builder {plan.name}": builder}
    parts |= {f"callback {type(callback).__name__}": callback for callback in plan.callbacks}
    for name, part in parts.items():
        try:
            if getattr(part, "__module__", "") == "__main__":
                raise TypeError("it is in __main__; put it into a module")
            pickle.dumps(part)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise InvalidValue(f"With several workers the {name} must be importable: {error}.") from None
    return pickle.dumps(plan)


def main() -> None:
    """Trains the trials that arrive on the standard input."""
    file, project, name = sys.argv[1:]
    if (cores := os.environ.get("ZOO_TUNE_CORES")) and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, set(map(int, cores.split(","))))
    import keras_tuner

    from zoo.tuning.trial import run_trial

    plan = pickle.loads(Path(file).read_bytes())
    for line in sys.stdin:
        content = json.loads(line)
        hp = keras_tuner.HyperParameters.from_config(content["hyperparameters"])
        try:
            run_trial(hp, content["trial"], plan, Path(project), worker=name)
        except (DiskFull, InvalidSearch) as error:
            with contextlib.suppress(OSError):  # no room for the log
                print(f"zoo: {error}", file=sys.stderr, flush=True)
            sys.exit(DISK_FULL if isinstance(error, DiskFull) else INVALID)
