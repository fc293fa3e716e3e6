"""Trials in several processes on this machine: KerasTuner's chief, its workers, and who looks after them."""

from __future__ import annotations

import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.distribution.workers import free_ports
from zoo.errors import InvalidValue, RunFailed, ZooError
from zoo.tuning.results import folder_of, read_results
from zoo.utils.files import replacing

if TYPE_CHECKING:
    from zoo.tuning.project import Plan

DEATHS = 3  # of the workers that train a trial, or that have none yet, before it is given up
POLL = 0.2  # seconds
SILENCE = 15.0  # seconds without a chief, after which a worker ends
PATIENCE = 600.0  # seconds that it waits for the chief to be there at all


def launch(plan: Plan, project: Path, workers: int, *, look: Callable[[], None]) -> None:
    """Searches in several processes, and sees that none hangs and none is left.

    A worker that ends before its time is started anew and gets its trial again, which goes on from its
    checkpoint. A trial on which workers have ended three times has failed. Without a chief the workers end.

    Args:
        plan: The search.
        project: Its folder; what the processes print goes into `logs` there.
        workers: How many.
        look: Called now and then.

    Raises:
        RunFailed: The chief ended before its time, or no worker can be started.
        InvalidValue: The chief refused the search; or the builder cannot be handed to another process.
    """
    with tempfile.TemporaryDirectory() as private:
        task = Path(private, "plan.pickle")
        task.write_bytes(_pickled(plan))
        crew = _Crew(task, project, workers)
        before = _raise_on_sigterm()
        try:
            crew.start("chief")
            for number in range(1, workers + 1):
                crew.start(f"worker-{number}")
            while not crew.is_done():
                look()
                time.sleep(POLL)
        finally:
            crew.end()
            if before is not None:
                signal.signal(signal.SIGTERM, before)


class _Crew:
    """The processes of a search, by their names."""

    def __init__(self, task: Path, project: Path, workers: int) -> None:
        self._task, self._project, self._workers = task, project, workers
        self._port = str(free_ports(1)[0])
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._deaths: Counter[str] = Counter()
        self._logs = project / "logs"
        self._logs.mkdir(exist_ok=True)

    def start(self, name: str) -> None:
        """Starts a process, or starts it anew."""
        share = shares(self._workers)[int(name.rpartition("-")[2]) - 1] if name != "chief" else CHIEF
        environment = {
            **os.environ,
            **share,
            "KERASTUNER_TUNER_ID": name,
            "KERASTUNER_ORACLE_IP": "127.0.0.1",
            "KERASTUNER_ORACLE_PORT": self._port,
            "no_grpc_proxy": "127.0.0.1",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        command = [sys.executable, "-m", "zoo.tuning.workers", str(self._task), str(self._project), str(os.getpid())]
        with (self._logs / f"{name}.log").open("ab") as log:
            # In a session of its own: Ctrl-C is for the launcher, which ends them.
            self._processes[name] = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def is_done(self) -> bool:
        """Says whether the search has ended; starts workers that are needed anew."""
        chief = self._processes["chief"].poll()
        if chief is not None and chief != 0:
            self._tell_of_chief(chief)
        statuses = {name: process.poll() for name, process in self._processes.items() if name != "chief"}
        if chief == 0 or all(status == 0 for status in statuses.values()):
            return True
        for name, status in statuses.items():
            if status:
                self._replace(name, status)
        return False

    def end(self) -> None:
        """Ends all that still runs: the state of the search is on disk at every moment."""
        for process in self._processes.values():
            if process.poll() is None:
                process.kill()
            process.wait()

    def _replace(self, name: str, status: int) -> None:
        results = read_results(self._project)
        running = [each for each in results.values() if "status" not in each and each["worker"] == name]
        trial = max(running, key=lambda each: each["began"])["trial"] if running else ""
        self._deaths[trial or name] += 1
        if self._deaths[trial or name] >= DEATHS:
            words = f"{_how(status)} {DEATHS} times. {self._last_words(name)}".strip()
            if not trial:
                raise RunFailed(f"{name} {words} The log is {self._logs / name}.log.")
            _give_up(self._project, trial, f"The worker that trained it {words}")
        self.start(name)

    def _tell_of_chief(self, status: int) -> None:
        words = self._last_words("chief")
        if status == InvalidValue.exit_code and words.startswith("zoo: "):
            raise InvalidValue(words.removeprefix("zoo: "))
        raise RunFailed(
            f"The chief {_how(status)}; the workers were ended with it. {words} What they had done stands: call the "
            f"same again with the folder {self._project}.".replace("  ", " ")
        )

    def _last_words(self, name: str) -> str:
        lines = (self._logs / f"{name}.log").read_text(errors="replace").strip().splitlines()
        told = [line for line in lines if line.startswith("zoo: ")]
        return (told or lines or [""])[-1]


def _how(status: int) -> str:
    return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"


def _give_up(project: Path, trial: str, error: str) -> None:
    """Writes the result of a trial that cannot be trained; whoever gets it next tells the chief."""
    folder = folder_of(project, trial)
    begun = json.loads((folder / "begun.json").read_text())
    content = {**begun, "status": "failed", "error": error, "seconds": round(time.time() - begun["began"], 3)}
    with replacing(folder / "result.json") as temporary:
        temporary.write_text(json.dumps(content))


CHIEF: Mapping[str, str] = {"CUDA_VISIBLE_DEVICES": ""}  # it trains nothing


def shares(workers: int) -> list[dict[str, str]]:
    """Returns the environment of each worker, which divides the GPUs and the processor's cores among them.

    Args:
        workers: How many there are.
    """
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    gpus = _gpus()
    found = []
    for number in range(workers):
        own = cores[number::workers] or [cores[number % len(cores)]]
        share = {"ZOO_TUNE_CORES": ",".join(map(str, own)), "OMP_NUM_THREADS": str(len(own))}
        if gpus:
            share["CUDA_VISIBLE_DEVICES"] = ",".join(gpus[number::workers] or [gpus[number % len(gpus)]])
            share["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"  # where several share one
        found.append(share)
    return found


def _gpus() -> list[str]:
    """Returns the GPUs that this process may use, without importing TensorFlow, which would take their memory."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [each for each in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if each.strip()]
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [str(number) for number, line in enumerate(listed.stdout.splitlines()) if line.startswith("GPU ")]


def _pickled(plan: Plan) -> bytes:
    builder = getattr(plan.own, "builder", None)
    if getattr(builder, "__module__", "") == "__main__":
        raise InvalidValue(
            f"With several workers the builder must be importable: put {plan.name} into a module; it is in __main__."
        )
    try:
        return pickle.dumps(plan.arguments)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise InvalidValue(
            f"With several workers the builder must be importable; {plan.name} is not: {error}"
        ) from None


def _raise_on_sigterm() -> Any:
    if threading.current_thread() is not threading.main_thread():
        return None
    return signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # and so pass through `finally`


def watch_chief(address: str, port: int) -> None:
    """Ends this worker when the chief has gone; KerasTuner's own would wait for an hour.

    Args:
        address: Where the chief is.
        port: Its port.
    """

    def watch() -> None:
        was_there, heard = False, time.monotonic()
        while True:
            try:
                socket.create_connection((address, port), timeout=5).close()
                was_there, heard = True, time.monotonic()
            except OSError:
                if time.monotonic() - heard > (SILENCE if was_there else PATIENCE):
                    print(
                        f"zoo: The chief at {address}:{port} cannot be reached any more.", file=sys.stderr, flush=True
                    )
                    os._exit(RunFailed.exit_code)
            time.sleep(2)

    threading.Thread(target=watch, daemon=True).start()


def _watch_launcher(launcher: int) -> None:
    def watch() -> None:
        while os.getppid() == launcher:
            time.sleep(POLL)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main() -> None:
    """What a process of `launch` runs."""
    task, project, launcher = sys.argv[1:]
    _watch_launcher(int(launcher))
    if (cores := os.environ.get("ZOO_TUNE_CORES")) and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, set(map(int, cores.split(","))))
    from zoo.tuning.project import make_plan
    from zoo.tuning.searching import take_part

    try:
        take_part(make_plan(**pickle.loads(Path(task).read_bytes())), Path(project))
    except ZooError as error:
        print(f"zoo: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
