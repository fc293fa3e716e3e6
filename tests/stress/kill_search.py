"""Kills searches a hundred times, at random moments (the chief, a worker, the whole group), until they have ended.

python -m tests.stress.kill_search [KILLS] [SEED] [WORKERS]

After every kill: no finished trial is lost or changed, what is left of the group ends by itself, and the
same command goes on. KILLS 0 runs one.
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
LONGEST = 15  # seconds from a start or a kill to the next kill
PATIENCE = 30  # seconds that the rest of a group may take to end, on a busy machine
HANG = 900  # seconds that a search may take to do anything at all


def main(kills=100, seed=0, workers=2):
    """Kills and goes on until all is done, with as many searches as that takes; says what was found."""
    draw = random.Random(seed)
    done = starts = searches = trials = failed = 0
    while done < kills or not searches:
        with tempfile.TemporaryDirectory() as folder:
            killed, started, statuses = one_search(Path(folder, "search"), kills - done, draw, workers)
        done, starts, searches = done + killed, starts + started, searches + 1
        trials, failed = trials + len(statuses), failed + statuses.count("failed")
        print(
            f"{done} kills, {starts} starts: {searches} searches of {TRIALS} trials, {trials} of them there, "
            f"{failed} of those failed",
            flush=True,
        )
        if len(statuses) != TRIALS:
            sys.exit("The search has ended without all of its trials.")


def one_search(project, kills, draw, workers):
    """Kills a search so many times, or until it has ended; returns kills, starts, and the trials' statuses."""
    command = [sys.executable, "-m", "zoo.cli", "tune", *SEARCH.split(), "--max-trials", str(TRIALS)]
    command += ["--workers", str(workers), "--project-dir", str(project)]
    done, starts, kept = 0, 0, {}
    while True:
        launcher = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        starts, target = starts + 1, "worker"
        while target == "worker" and done < kills:  # which the launcher starts anew
            until = time.monotonic() + draw.uniform(0, LONGEST)
            while launcher.poll() is None and time.monotonic() < until:
                time.sleep(0.02)
            if launcher.poll() is not None:
                break
            target = draw.choice(["chief", "worker", "group"])
            pids = group_of(project, launcher.pid)
            victims = [pid for pid, name in pids.items() if target == "group" or target in name] or [launcher.pid]
            kill([draw.choice(victims)] if target == "worker" else victims)
            done += 1
            print(f"kill {done} of this search: {target}, {len(finished(project))} trials finished", flush=True)
        try:
            output, _ = launcher.communicate(timeout=HANG)
        except subprocess.TimeoutExpired:
            kill(group_of(project, launcher.pid))
            sys.exit("HANG: the search does not end.")
        if left := wait_for_end(project):
            sys.exit(f"Processes are left: {left}")
        now = finished(project)
        for trial, content in kept.items():
            if now.get(trial) != content:
                sys.exit(f"Trial {trial} was finished and is lost or changed.")
        kept = now
        if launcher.returncode == 0:
            return done, starts, [json.loads(content)["status"] for content in kept.values()]
        if launcher.returncode not in (-signal.SIGKILL, 1):
            sys.exit(f"A start ended with status {launcher.returncode}: {output[-2000:]}")


def group_of(project, launcher):
    """Returns the processes of a search by their ids: what each is called."""
    found = {launcher: "launcher"}
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(project) in (entry / "cmdline").read_text().split("\0"):
                environment = (entry / "environ").read_text().split("\0")
                name = [each.partition("=")[2] for each in environment if each.startswith("KERASTUNER_TUNER_ID=")]
                found[int(entry.name)] = (name or ["launcher"])[0]
        except OSError:
            continue
    return found


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
    while time.monotonic() < deadline:
        left = {pid: name for pid, name in group_of(project, 0).items() if pid}
        if not left:
            return {}
        time.sleep(0.1)
    return left


def finished(project):
    """Returns the results on disk, as they are."""
    return {path.parent.name: path.read_text() for path in project.glob("trial_*/result.json")}


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
