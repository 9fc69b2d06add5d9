"""A clock that is ahead, for tests of what has not changed lately."""

import time

import pytest


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do everything when the last change is an hour ago."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 3_600_000_000_000)
