"""Kills searches a hundred times, at random moments (the launcher, a worker, all of them), until they have ended.

python -m tests.stress.kill_search [KILLS] [SEED] [WORKERS]

After every kill, no finished trial is lost or changed, the processes that are left end by themselves, and the same
command resumes the search. KILLS 0 runs one search.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SEARCH = "shallow_mlp --dataset moons --algorithm random --epochs 20 --range hidden=4:64"
TRIALS = 20
MAX_DELAY = 15  # seconds from a start or a kill to the next kill
PATIENCE = 30  # seconds that the other processes may take to end, on a busy machine
TIMEOUT = 900  # seconds that a search may take


def main(kills=100, seed=0, workers=2):
    """Kills and resumes as many searches as it takes, and prints their counts."""
    draw = random.Random(seed)
    killed = starts = searches = trials = failed = 0
    while killed < kills or not searches:
        with tempfile.TemporaryDirectory() as folder:
            new_kills, new_starts, statuses = run_search(Path(folder, "search"), kills - killed, draw, workers)
        killed, starts, searches = killed + new_kills, starts + new_starts, searches + 1
        trials, failed = trials + len(statuses), failed + statuses.count("failed")
        print(
            f"{killed} kills, {starts} starts: {searches} searches of {TRIALS} trials, {trials} trials ended, "
            f"{failed} of them failed",
            flush=True,
        )
        if len(statuses) != TRIALS:
            sys.exit("The search has ended without all of its trials.")


def run_search(project, kills, draw, workers):
    """Kills and resumes one search until it ends; returns the kills, the starts and the statuses of its trials."""
    command = [sys.executable, "-m", "zoo.cli", "tune", *SEARCH.split(), "--max-trials", str(TRIALS)]
    command += ["--workers", str(workers), "--project-dir", str(project)]
    killed, starts, before = 0, 0, {}
    while True:
        launcher = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        starts, target = starts + 1, "worker"
        while target == "worker" and killed < kills:  # the launcher starts it again
            until = time.monotonic() + draw.uniform(0, MAX_DELAY)
            while launcher.poll() is None and time.monotonic() < until:
                time.sleep(0.02)
            if launcher.poll() is not None:
                break
            target = draw.choice(["launcher", "worker", "all"])
            names = list_processes(project)
            victims = [pid for pid, name in names.items() if target == "all" or target in name] or [launcher.pid]
            kill([draw.choice(victims)] if target == "worker" else victims)
            killed += 1
            print(f"kill {killed} of this search: {target}, {len(read_finished(project))} trials finished", flush=True)
        try:
            output, _ = launcher.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            kill(list_processes(project))
            sys.exit("HANG: the search does not end.")
        if left := wait_for_end(project):
            sys.exit(f"Processes are left: {left}")
        now = read_finished(project)
        for trial, content in before.items():
            if now.get(trial) != content:
                sys.exit(f"Trial {trial} was finished and is lost or changed.")
        before = now
        if launcher.returncode == 0:
            return killed, starts, [json.loads(content)["status"] for content in before.values()]
        if launcher.returncode not in (-signal.SIGKILL, 1):
            sys.exit(f"A start ended with status {launcher.returncode}: {output[-2000:]}")


def list_processes(project):
    """Returns the names of the processes of a search by their ids."""
    names = {}
    for entry in Path("/proc").iterdir():
        try:
            arguments = (entry / "cmdline").read_text().split("\0")
        except OSError:
            continue
        if entry.name.isdigit() and int(entry.name) != os.getpid() and str(project) in arguments:
            names[int(entry.name)] = arguments[-2] if "zoo.tuning.workers" in arguments else "launcher"
    return names


def kill(pids):
    """Kills processes that may have ended already."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def wait_for_end(project):
    """Waits until no process of a search is left; returns those that are."""
    deadline = time.monotonic() + PATIENCE
    while (left := list_processes(project)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def read_finished(project):
    """Returns the results on disk as text."""
    return {path.parent.name: path.read_text() for path in project.glob("trial_*/result.json")}


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
