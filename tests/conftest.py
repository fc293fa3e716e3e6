"""What all tests share: a quiet TensorFlow and a machine without data of its own."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _seeded(request):
    """Draws the same random numbers in each test, whatever ran before it."""
    import sys

    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(0)


@pytest.fixture
def empty_machine(tmp_path, monkeypatch):
    """A home without data; returns the cache folder that would be downloaded to."""
    monkeypatch.delenv("ZOO_DATA", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "keras" / "datasets"


@pytest.fixture(scope="session")
def points():
    """Sixty-four points in the plane and the side of a line that they are on, to be read only."""
    x = np.random.default_rng(0).normal(size=(64, 2)).astype("float32")
    y = (x @ [1, -2] > 0).astype("int64")
    for each in (x, y):
        each.setflags(write=False)
    return x, y


@pytest.fixture
def free_ports():
    """A function that returns so many ports of this machine that nothing listens on."""
    from zoo.distribution.workers import free_ports

    return free_ports
