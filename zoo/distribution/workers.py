"""Local worker processes for a training over loopback."""

from __future__ import annotations

import contextlib
import json
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path

from zoo.distribution.processes import Supervisor
from zoo.errors import InvalidValue, RunFailed

GRACE = 10.0  # seconds that the chief has to end after another worker has, or after Ctrl-C


def launch(arguments: Sequence[str], workers: int) -> int:
    """Runs a `zoo` command in several processes that train together.

    The first process is the chief: its output is shown, and it alone writes files. When one process fails or is
    killed, the others are ended.

    Args:
        arguments: Command line arguments after `zoo`.
        workers: Number of processes.

    Returns:
        Exit status of the chief.

    Raises:
        RunFailed: A worker failed; the message names it and quotes the last line of its output.
    """
    addresses = {f"worker-{index}": f"localhost:{port}" for index, port in enumerate(free_ports(workers))}
    with tempfile.TemporaryDirectory() as logs, Supervisor(Path(logs)) as supervisor:
        for index, name in enumerate(addresses):
            task = {"cluster": {"worker": list(addresses.values())}, "task": {"type": "worker", "index": index}}
            supervisor.start(name, "zoo.cli", arguments, environment={"TF_CONFIG": json.dumps(task)}, log=index > 0)
        return wait(supervisor, addresses)


def wait(supervisor: Supervisor, addresses: dict[str, str]) -> int:
    """Waits for the workers of a training and returns the exit status of the chief.

    Args:
        supervisor: Supervisor of the workers.
        addresses: Address of each worker by its name, the chief's first.
    """
    chief = next(iter(addresses))
    try:
        failed = supervisor.wait_for_failure()
    except KeyboardInterrupt:
        supervisor.interrupt()
        return supervisor.wait(chief, seconds=GRACE) or 130
    if failed is None:
        return 0
    chief_status = supervisor.wait(chief, seconds=GRACE)
    status = supervisor.status(failed) or 0
    if failed == chief or status == chief_status == InvalidValue.exit_code:
        return status  # the chief has printed its error
    last_words = supervisor.last_words(failed)
    raise RunFailed(
        f"Worker {list(addresses).index(failed)} of {len(addresses)} ({addresses[failed]}) "
        f"{supervisor.describe_end(failed)}; the others were ended with it."
        + (f" Its last words: {last_words}" if last_words else "")
    )


def free_ports(count: int) -> list[int]:
    """Returns `count` ports of this machine on which nothing listens."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("localhost", 0))) for _ in range(count)]
        return [server.getsockname()[1] for server in servers]
