"""Fixtures of the tests of the loop."""

import pytest


@pytest.fixture
def no_timings(tmp_path, monkeypatch):
    """An empty folder for the timings of the compile modes."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
