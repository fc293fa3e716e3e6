"""Kills a training a hundred times, at random moments, and compares what it ends with.

python -m tests.stress.kill_and_resume [KILLS] [SEED]
"""

import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

COMMAND = [sys.executable, "-m", "zoo.cli", "train"]
TRAINING = "dropout_mlp --dataset moons --batch-size 16 --seed 3 --checkpoint-every 7"


def main(kills=100, seed=0):
    """Kills and resumes until the training has ended, as often as it takes; says whether all is equal."""
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        whole, killed = Path(folder, "whole"), Path(folder, "killed")
        epochs = str(kills)
        start = [*COMMAND, *TRAINING.split(), "--epochs", epochs, "--run-dir"]
        subprocess.run([*start, str(whole)], check=True, capture_output=True)
        done = restarts = 0
        while True:
            if (killed / "config.json").exists():
                again = [*COMMAND, "--resume", str(killed)]
            else:
                shutil.rmtree(killed, ignore_errors=True)
                again = [*start, str(killed)]
            process = subprocess.Popen(again, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if done < kills:
                before = position(killed)
                # Half of them as it starts, half as it trains.
                if draw.random() < 0.5:
                    time.sleep(draw.uniform(0, 8))
                else:
                    while process.poll() is None and position(killed) == before:
                        time.sleep(0.002)
                    time.sleep(draw.uniform(0, 0.05))
                process.send_signal(signal.SIGKILL)
                done += 1
                print(f"kill {done}: at {position(killed)}", flush=True)
            output, _ = process.communicate()
            restarts += 1
            if process.returncode == 0:
                break
            if process.returncode != -signal.SIGKILL:
                sys.exit(f"A restart ended with status {process.returncode}: {output[-2000:]}")
        tables = [(run / "metrics.csv").read_text() for run in (whole, killed)]
        verdict = "equal" if arrays(whole) == arrays(killed) and tables[0] == tables[1] else "NOT equal"
        print(f"{done} kills, {restarts} starts: weights, optimiser and metrics.csv are {verdict}")
        sys.exit(verdict != "equal")


def position(folder):
    """Returns the epoch and step of the run's checkpoint, or None."""
    try:
        with np.load(folder / "checkpoint.npz") as content:
            stands = json.loads(str(content["position"]))
        return stands["epoch"], stands["step"]
    except OSError:
        return None


def arrays(folder):
    """Returns the bytes of all arrays of the run's checkpoint."""
    with np.load(folder / "checkpoint.npz") as content:
        return {name: content[name].tobytes() for name in content.files if name != "position"}


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
