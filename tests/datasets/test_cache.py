"""A file is found, downloaded completely, or refused with a helpful message."""

import gc
import hashlib
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from zoo.datasets.cache import RemoteFile, content_digest, find, open_checked
from zoo.errors import DataError

# The library that downloads leaves a connection that broke off to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

X, Y = np.arange(6, dtype=np.uint8).reshape(3, 2), np.array([0, 1, 2], np.uint8)
BYTES = b"0 1 0\n2 3 1\n4 5 2\n"


def parse(path):
    table = np.array([line.split() for line in path.read_text().splitlines()], np.uint8)
    return table[:, :2], table[:, 2]


@pytest.fixture(autouse=True)
def _collected():
    yield
    gc.collect()


@pytest.fixture
def server():
    """A server that sends `server.answer` and counts the requests."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.requests += 1
            status, length, body = self.server.answer
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.answer, server.requests = (200, len(BYTES), BYTES), 0
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def file(server):
    return RemoteFile(
        names=("tiny.data", "tiny.csv"),
        url=f"http://127.0.0.1:{server.server_port}/tiny.data",
        sha256=hashlib.sha256(BYTES).hexdigest(),
        content=content_digest((X, Y)),
    )


def test_a_file_is_downloaded_into_the_cache_once(empty_machine, server, file):
    for _ in range(2):
        x, y = open_checked(file, parse)
        assert (x == X).all()
        assert (y == Y).all()
    assert server.requests == 1
    assert [path.name for path in empty_machine.iterdir()] == ["tiny.data"]


def test_zoo_data_comes_before_the_cache(empty_machine, file, tmp_path, monkeypatch):
    empty_machine.mkdir(parents=True)
    (empty_machine / "tiny.data").write_bytes(BYTES)
    assert find(file) == empty_machine / "tiny.data"
    (tmp_path / "mine").mkdir()
    monkeypatch.setenv("ZOO_DATA", str(tmp_path / "mine"))
    assert find(file) == empty_machine / "tiny.data"
    (tmp_path / "mine" / "tiny.csv").write_bytes(BYTES)
    assert find(file) == tmp_path / "mine" / "tiny.csv"


def test_zoo_data_must_be_a_folder(empty_machine, file, monkeypatch):
    monkeypatch.setenv("ZOO_DATA", "/nowhere/at/all")
    with pytest.raises(DataError, match=r"\$ZOO_DATA must be a folder; got /nowhere/at/all"):
        open_checked(file, parse)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is truncated, damaged or another kind of file"),
        (BYTES[:-3], "is truncated, damaged or another kind of file"),
        (b"\xff\xfe\x00rubbish", "is truncated, damaged or another kind of file"),
        (BYTES[:12], "does not hold the data of tiny.data"),
        (BYTES.replace(b"5", b"6"), "does not hold the data of tiny.data"),
    ],
)
def test_a_bad_file_is_refused_and_left_alone(empty_machine, server, file, content, message):
    empty_machine.mkdir(parents=True)
    (empty_machine / "tiny.data").write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        open_checked(file, parse)
    assert str(empty_machine / "tiny.data") in str(error.value)
    assert "Replace it with a valid copy of tiny.data" in str(error.value)
    assert (empty_machine / "tiny.data").read_bytes() == content
    assert server.requests == 0


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param((404, 0, b""), id="not found"),
        pytest.param((200, len(BYTES), BYTES[:7]), id="cut off"),
        pytest.param((200, 5, b"<htm>"), id="something else"),
    ],
)
def test_a_failed_download_leaves_nothing_behind(empty_machine, server, file, answer):
    server.answer = answer
    with pytest.raises(DataError) as error:
        open_checked(file, parse)
    assert file.url in str(error.value)
    assert "Put a valid copy of tiny.data in" in str(error.value)
    assert "$ZOO_DATA" in str(error.value)
    assert list(empty_machine.iterdir()) == []


def test_a_missing_network_is_reported(empty_machine, server, file):
    file = RemoteFile(file.names, "http://127.0.0.1:9/tiny.data", file.sha256, file.content)
    with pytest.raises(
        DataError, match=r"tiny.data cannot be downloaded from http://127.0.0.1:9/tiny.data .*no network"
    ):
        open_checked(file, parse)


def test_a_cache_that_cannot_be_created_is_reported(tmp_path, monkeypatch, file):
    monkeypatch.delenv("ZOO_DATA", raising=False)
    (tmp_path / "home").write_text("a file where a folder should be")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    with pytest.raises(DataError, match="Put a valid copy of tiny.data in") as error:
        open_checked(file, parse)
    assert str(tmp_path / "home") in str(error.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_cache_is_reported(empty_machine, file):
    empty_machine.mkdir(parents=True)
    empty_machine.chmod(0o500)
    with pytest.raises(DataError, match="cannot be written"):
        open_checked(file, parse)


def test_processes_that_download_at_once_all_get_a_complete_file(empty_machine, server, file):
    program = (
        "import sys, numpy as np; from datasets.cache import RemoteFile, open_checked\n"
        "def parse(path):\n"
        "    table = np.loadtxt(path, np.uint8)\n"
        "    return table[:, :2], table[:, 2]\n"
        "print(open_checked(RemoteFile(('tiny.data',), *sys.argv[1:]), parse)[0].tolist())"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, file.url, file.sha256, file.content], stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    assert [process.communicate(timeout=60)[0].strip() for process in processes] == [str(X.tolist())] * 4
    assert [path.name for path in empty_machine.iterdir()] == ["tiny.data"]
