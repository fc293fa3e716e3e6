import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from zoo.distribution.processes import Supervisor
from zoo.distribution.workers import wait
from zoo.errors import RunFailed

ROOT = Path(__file__).parents[3]
CHILD = """
import os, sys, time

def main():
    for argument in sys.argv[1:]:
        print(argument, flush=True)
    sys.exit(eval(sys.argv[-1]))
"""
SLEEP = "time.sleep(600)"


@pytest.fixture
def supervisor(tmp_path, monkeypatch):
    """A supervisor whose processes can run the module `child`, which evaluates its last argument as its status."""
    (tmp_path / "child.py").write_text(CHILD)
    monkeypatch.syspath_prepend(tmp_path)
    with Supervisor(tmp_path / "logs") as supervisor:
        yield supervisor


def wait_until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_process_runs_a_module_and_writes_its_output_into_its_log(supervisor):
    supervisor.start("one", "child", ["zoo: no room", "later", "3"])
    assert supervisor.wait("one", seconds=30) == 3
    assert supervisor.describe_end("one") == "ended with status 3"
    assert supervisor.last_words("one") == "zoo: no room"


def test_a_process_reads_lines(supervisor):
    supervisor.start("one", "child", ["int(input())"])
    supervisor.send("one", "7")
    assert supervisor.wait("one", seconds=30) == 7
    supervisor.send("one", "8")  # the process has ended


def test_a_process_can_be_started_again(supervisor):
    supervisor.start("one", "child", [SLEEP])
    assert supervisor.wait("one", seconds=0) is None
    supervisor.start("one", "child", ["0"])
    assert supervisor.wait("one", seconds=30) == 0


def test_all_processes_are_killed_on_exit(tmp_path, supervisor):
    with supervisor:
        supervisor.start("one", "child", [SLEEP])
    assert supervisor.describe_end("one") == "was ended by SIGKILL"


def test_ctrl_c_is_forwarded(supervisor):
    supervisor.start("one", "child", [SLEEP])
    wait_until(lambda: supervisor.last_words("one") == SLEEP)
    supervisor.interrupt()
    assert supervisor.wait("one", seconds=30) == -signal.SIGINT


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_process_outlives_its_parent(tmp_path, supervisor, number):
    program = (
        "import time\nfrom pathlib import Path\nfrom zoo.distribution.processes import Supervisor\n"
        f"with Supervisor(Path({str(tmp_path)!r}, 'logs')) as supervisor:\n"
        "    supervisor.start('grandchild', 'child', ['print(os.getpid(), flush=True) or time.sleep(600)'])\n"
        "    time.sleep(600)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])}
    parent = subprocess.Popen([sys.executable, "-c", program], env=environment)
    log = tmp_path / "logs" / "grandchild.log"
    wait_until(lambda: log.exists() and log.read_text().strip().rpartition("\n")[2].isdigit())
    grandchild = int(log.read_text().strip().rpartition("\n")[2])
    os.kill(grandchild, 0)
    parent.send_signal(number)
    assert parent.wait(30) in (-number, 128 + number)

    def is_gone():
        try:
            return "Z" in Path(f"/proc/{grandchild}/stat").read_text().split()[2]
        except OSError:
            return True

    wait_until(is_gone)


def test_a_process_ends_when_its_server_ends(free_ports):
    port = free_ports(1)[0]
    program = (
        "import time\nfrom zoo.distribution.processes import watch_server\n"
        f"watch_server('127.0.0.1', {port}, patience=30, silence=0.2)\ntime.sleep(600)"
    )
    with socket.create_server(("127.0.0.1", port)) as server:
        process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True, cwd=ROOT)
        for _ in range(3):
            server.accept()[0].close()
        assert process.poll() is None
    assert process.communicate(timeout=30)[1] == f"zoo: The chief at 127.0.0.1:{port} cannot be reached any more.\n"
    assert process.returncode == 1


ADDRESSES = {"worker-0": "localhost:1", "worker-1": "localhost:2"}


class TestTraining:
    def start(self, supervisor, chief, other):
        for name, status in zip(ADDRESSES, (chief, other), strict=True):
            supervisor.start(name, "child", [status])

    def test_workers_that_fail_at_the_same_time(self, supervisor):
        self.start(supervisor, "2", "2")
        assert wait(supervisor, ADDRESSES) == 2

    def test_workers_that_succeed(self, supervisor):
        self.start(supervisor, "0", "0")
        assert wait(supervisor, ADDRESSES) == 0

    def test_the_error_names_the_first_failure_with_its_last_words(self, supervisor):
        self.start(supervisor, "time.sleep(3) or 1", "3")
        with pytest.raises(RunFailed) as error:
            wait(supervisor, ADDRESSES)
        assert str(error.value) == (
            "Worker 1 of 2 (localhost:2) ended with status 3; the others were ended with it. Its last words: 3"
        )
