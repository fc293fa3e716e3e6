"""Kills a search a hundred times, at random moments (the chief, a worker, the whole group), until it has ended.

python -m tests.stress.kill_search [KILLS] [SEED] [WORKERS]

After every kill: no finished trial is lost or changed, what is left of the group ends by itself, and the
same command goes on. KILLS 0 runs it once.
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
PATIENCE = 30  # seconds that the rest of a group may take to end, on a busy machine
HANG = 900  # seconds that a search may take to do anything at all


def main(kills=100, seed=0, workers=2):
    """Kills and goes on until all is done; says what was found."""
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder, "search")
        trials = max(4, kills // 3)
        command = [sys.executable, "-m", "zoo.cli", "tune", *SEARCH.split(), "--max-trials", str(trials)]
        command += ["--workers", str(workers), "--project-dir", str(project)]
        done, starts, kept = 0, 0, {}
        while True:
            launcher = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            starts += 1
            began, wait = time.monotonic(), draw.uniform(0, 30)
            while launcher.poll() is None and done < kills and time.monotonic() - began < wait:
                time.sleep(0.02)
            if launcher.poll() is None and done < kills:
                target = draw.choice(["chief", "worker", "group"])
                pids = group_of(project, launcher.pid)
                victims = [pid for pid, name in pids.items() if target == "group" or target in name] or [launcher.pid]
                kill([draw.choice(victims)] if target == "worker" else victims)
                done += 1
                print(f"kill {done}: {target}, {len(finished(project))} trials finished", flush=True)
                if target == "worker":
                    # The launcher starts it anew; half of the time all of them go soon after.
                    time.sleep(draw.uniform(0, 5))
                    if done < kills and draw.random() < 0.5:
                        kill(group_of(project, launcher.pid))
                        done += 1
            try:
                output, _ = launcher.communicate(timeout=HANG)
            except subprocess.TimeoutExpired:
                kill(group_of(project, launcher.pid))
                sys.exit("HANG: the search does not end.")
            left = wait_for_end(project)
            if left:
                sys.exit(f"Processes are left: {left}")
            now = finished(project)
            for trial, content in kept.items():
                if now.get(trial) != content:
                    sys.exit(f"Trial {trial} was finished and is lost or changed.")
            kept = now
            if launcher.returncode == 0:
                break
            if launcher.returncode not in (-signal.SIGKILL, 1):
                sys.exit(f"A start ended with status {launcher.returncode}: {output[-2000:]}")
        statuses = [json.loads(content)["status"] for content in kept.values()]
        print(
            f"{done} kills, {starts} starts: {len(kept)} of {trials} trials, {statuses.count('failed')} of them failed"
        )
        sys.exit(len(kept) != trials)


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
