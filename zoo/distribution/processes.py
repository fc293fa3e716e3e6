"""Supervision of child processes: they are started, watched and ended together, and none outlives its parent."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

POLL = 0.1  # seconds


class Supervisor:
    """Child processes that end together.

    A context manager: on exit, also after an error, Ctrl-C or SIGTERM, it kills every process that still runs. Each
    process runs in its own session, so signals of the terminal reach only this process, and ends itself when this
    process dies.

    Args:
        logs: Folder for the output of the processes, one file each.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._sigterm_handler: Any = None

    def __enter__(self) -> Supervisor:
        self._logs.mkdir(exist_ok=True)
        if threading.current_thread() is threading.main_thread():
            # An exception, unlike the default action, passes through `__exit__`.
            self._sigterm_handler = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            _kill(process)
        if self._sigterm_handler is not None:
            signal.signal(signal.SIGTERM, self._sigterm_handler)

    def start(
        self,
        name: str,
        module: str,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        log: bool = True,
    ) -> None:
        """Starts a process, or starts it again.

        Args:
            name: Name of the process and of its log.
            module: Module whose function `main` the process runs.
            arguments: Its command line arguments.
            environment: Additional environment variables. Defaults to none.
            log: Whether the output goes into the log instead of this process's output. Defaults to True.
        """
        if name in self._processes:
            _kill(self._processes[name])
        with self._log(name).open("ab") as file:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", __name__, str(os.getpid()), module, *arguments],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **(environment or {})},
                stdin=subprocess.PIPE,
                stdout=file if log else None,
                stderr=file if log else None,
                start_new_session=True,
                text=True,
            )

    def send(self, name: str, line: str) -> None:
        """Writes a line to the standard input of a process, if it still runs."""
        stdin = self._processes[name].stdin
        assert stdin is not None
        with contextlib.suppress(OSError):  # `status` reports the end of a process
            stdin.write(f"{line}\n")
            stdin.flush()

    def interrupt(self) -> None:
        """Passes Ctrl-C on to every process."""
        for process in self._processes.values():
            process.send_signal(signal.SIGINT)

    def is_running(self, name: str) -> bool:
        """Returns whether a process has been started and has not ended."""
        return name in self._processes and self.status(name) is None

    def status(self, name: str) -> int | None:
        """Returns the exit status of a process, or None while it runs."""
        return self._processes[name].poll()

    def wait(self, name: str, *, seconds: float) -> int | None:
        """Waits for a process to end and returns its exit status, or None if it still runs after `seconds`."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._processes[name].wait(seconds)
        return self.status(name)

    def wait_for_failure(self) -> str | None:
        """Waits until a process fails and returns its name, or None when all have succeeded."""
        while True:
            statuses = {name: self.status(name) for name in self._processes}
            failed = [name for name, status in statuses.items() if status]
            if failed or None not in statuses.values():
                return failed[0] if failed else None
            time.sleep(POLL)

    def describe_end(self, name: str) -> str:
        """Describes how a process ended, as in `"was ended by SIGKILL"`."""
        status = self.status(name) or 0
        return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"

    def last_words(self, name: str) -> str:
        """Returns the last error message in the log of a process, else its last line."""
        text = self._log(name).read_text(encoding="utf-8", errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        messages = [line for line in lines if line.startswith("zoo: ")]
        return (messages or lines or [""])[-1]

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"


def _kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def exit_now(message: str = "") -> NoReturn:
    """Ends this process at once, from any thread.

    `sys.exit` ends only the thread that calls it, and the main thread may wait in C++ code for a process that is gone.
    """
    if message:
        print(f"zoo: {message}", file=sys.stderr, flush=True)
    os._exit(1)


def watch_parent(parent: int) -> None:
    """Ends this process when its parent is gone."""
    _watch(lambda: os.getppid() == parent, seconds=POLL)


def watch_server(address: str, port: int, *, patience: float, silence: float) -> None:
    """Ends this process when a server that it needs cannot be reached any more.

    Args:
        address: Address of the server.
        port: Port of the server.
        patience: Seconds to wait for the server's first answer.
        silence: Seconds to wait after an answer.
    """
    deadline = time.monotonic() + patience

    def is_alive() -> bool:
        nonlocal deadline
        try:
            socket.create_connection((address, port), timeout=5).close()
        except OSError:
            return time.monotonic() < deadline
        deadline = time.monotonic() + silence
        return True

    _watch(is_alive, seconds=min(2.0, silence), message=f"The chief at {address}:{port} cannot be reached any more.")


def _watch(is_alive: Callable[[], bool], *, seconds: float, message: str = "") -> None:
    def check() -> None:
        while is_alive():
            time.sleep(seconds)
        exit_now(message)

    threading.Thread(target=check, daemon=True).start()


def main() -> None:
    """Runs the function `main` of a module, and ends when the parent process is gone."""
    parent, module, *arguments = sys.argv[1:]
    watch_parent(int(parent))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the parent inherited that it is ignored
    sys.argv = ["zoo", *arguments]
    importlib.import_module(module).main()


if __name__ == "__main__":
    main()
