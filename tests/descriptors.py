"""The descriptors of a daemon, and our own, which must be again what they were before."""

import gc
import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from errno import ENAMETOOLONG
from pathlib import Path

import pytest

from revcrypt.view.source import MAX_DIR_FDS

STATUS = "user.revcrypt.status"
PATIENCE = 10
"""Seconds; a client may be another daemon, which closes a file when it comes to it."""


def descriptors(pid: int) -> Counter[str]:
    """Return what a process has open, but for the few directories that it may keep."""
    found: Counter[str] = Counter()
    kept = 0
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            info = Path(f"/proc/{pid}/fdinfo/{name}").read_text()
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except FileNotFoundError:
            continue  # It is closed by now; the kernel forgets in its own time.
        if int(info.split("flags:")[1].split()[0], 8) & os.O_PATH:
            kept += 1
        else:
            found[target] += 1
    # The root is the one more.
    assert kept <= MAX_DIR_FDS + 1, kept
    return found


class Watched:
    """Daemons, and what they had open when their mounts were new."""

    def __init__(self) -> None:
        self._before: dict[Path, tuple[int, Counter[str]]] = {}

    def add(self, view: Path, pid: int) -> None:
        """Watch the daemon that serves *view*, which answers."""
        os.getxattr(view, STATUS)  # libfuse opens a pipe for its second request.
        self._before[view] = pid, descriptors(pid)

    def check(self) -> None:
        """Check that those that still serve have the same open as before."""
        for view, (pid, before) in self._before.items():
            give_up = time.monotonic() + PATIENCE
            while _serves(view, pid) and (now := descriptors(pid)) != before:
                left = f"left open: {now - before}, missing: {before - now}"
                assert time.monotonic() < give_up, left


def _serves(view: Path, pid: int) -> bool:
    """Tell whether a daemon still serves *view*, once it has answered all before.

    Requests are answered in turn: when this one is, files that clients have closed are
    closed.
    """
    try:
        told = json.loads(os.getxattr(view, STATUS))
    except OSError:
        return False  # It has ended.
    return told["pid"] == pid  # Another may have taken its place.


def own_descriptors() -> Counter[str]:
    """Return what this process has open."""
    found: Counter[str] = Counter()
    for name in os.listdir("/proc/self/fd"):
        try:
            found[os.readlink(f"/proc/self/fd/{name}")] += 1
        except OSError as error:
            if error.errno == ENAMETOOLONG:
                found[name] += 1
            # Else it was the listing's own.
    return found


@pytest.fixture(autouse=True)
def own_descriptors_return() -> Iterator[None]:
    """Check after every test that it leaves nothing open, nor what it called."""
    before = own_descriptors()
    yield
    if own_descriptors() - before:
        gc.collect()  # A traceback that pytest keeps may lead to an open file.
        left = own_descriptors() - before
        assert not left, f"left open: {left}"


@pytest.fixture(autouse=True)
def descriptors_return(request: pytest.FixtureRequest) -> Iterator[None]:
    """Check after every test that no daemon keeps open what its clients have closed."""
    if "mounts" not in request.fixturenames:
        yield
        return
    watched: Watched = request.getfixturevalue("mounts").watched
    yield
    watched.check()
