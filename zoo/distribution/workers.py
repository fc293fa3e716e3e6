"""Several worker processes on this machine, for a training over loopback."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

from zoo.errors import InvalidValue, RunFailed

GRACE = 10.0  # seconds that a worker has to end after another one has


def launch(arguments: Sequence[str], workers: int) -> int:
    """Runs a command of `zoo` in several processes that train together, and waits for them.

    The first one is the chief: its output is shown, and it alone writes. When one ends in error or is
    killed, the others are ended. No process is left behind.

    Args:
        arguments: What follows `zoo` on the command line.
        workers: How many processes.

    Returns:
        The exit status of the chief.

    Raises:
        RunFailed: A worker ended before its time; the message names it and has its last words.
    """
    addresses = [f"localhost:{port}" for port in free_ports(workers)]
    processes: list[subprocess.Popen[str]] = []
    logs = [_Log() for _ in range(workers)]
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # and so pass through `finally`
    try:
        for index in range(workers):
            task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "zoo.cli", *arguments],
                    env={**os.environ, "TF_CONFIG": json.dumps(task)},
                    stdout=None if index == 0 else logs[index].file,
                    stderr=None if index == 0 else logs[index].file,
                    text=True,
                )
            )
        return _wait(processes, addresses, logs)
    finally:
        signal.signal(signal.SIGTERM, before)
        for process in processes:
            if process.poll() is None:
                process.kill()
            process.wait()


def _wait(processes: list[subprocess.Popen[str]], addresses: list[str], logs: list[_Log]) -> int:
    try:
        while True:
            statuses = [process.poll() for process in processes]
            failed = [index for index, status in enumerate(statuses) if status]
            if failed:
                return _end(processes, failed[0], addresses, logs)
            if None not in statuses:
                return 0
            time.sleep(0.1)
    except KeyboardInterrupt:
        # The terminal has told all of them; the chief tidies up.
        deadline = time.monotonic() + GRACE
        while processes[0].poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        return processes[0].poll() or 130


def _end(processes: list[subprocess.Popen[str]], first: int, addresses: list[str], logs: list[_Log]) -> int:
    """Tells of the worker that ended first; the chief has a moment to say what it makes of it."""
    deadline = time.monotonic() + GRACE
    while processes[0].poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    status = processes[first].returncode
    if first == 0 or status == processes[0].returncode == InvalidValue.exit_code:
        return status  # a mistake of the user's, which the chief has told
    how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
    last = logs[first].last_line()
    raise RunFailed(
        f"Worker {first} of {len(processes)} ({addresses[first]}) {how}; the others were ended with it."
        + (f" Its last words: {last}" if last else "")
    )


class _Log:
    """What a worker that is not the chief prints, of which only the end is ever wanted."""

    def __init__(self) -> None:
        self.file = tempfile.TemporaryFile(mode="w+", encoding="utf-8", errors="replace")  # noqa: SIM115

    def last_line(self) -> str:
        self.file.seek(0)
        lines = [line.strip() for line in self.file if line.strip()]
        told = [line for line in lines if re.match(r"zoo: ", line)]
        return (told or lines or [""])[-1]


def free_ports(count: int) -> list[int]:
    """Returns so many ports of this machine that nothing listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("localhost", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
