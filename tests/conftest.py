"""Fixtures for all tiers, and what must be true after every test."""

import os
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from revcrypt.cli import memory
from tests.counts import Counts, counted
from tests.descriptors import own_descriptors_return
from tests.kills import Killer, killing
from tests.namespaces import leave_mounts
from tests.support import Mounts, ends, missing_for_fuse

__all__ = ["counted", "own_descriptors_return"]

MOUNTINFO = Path("/proc/self/mountinfo")
WATCHDOG: pytest.StashKey[subprocess.Popen[bytes]] = pytest.StashKey()
HANGS = "260"
"""Seconds; more than any test may take (`timeout` in pyproject.toml)."""
REQUIRE_FUSE = os.environ.get("REVCRYPT_REQUIRE_FUSE") == "1"


def is_worker(config: pytest.Config) -> bool:
    """Tell whether this process runs tests for another one, which reports."""
    return hasattr(config, "workerinput")


def pytest_configure(config: pytest.Config) -> None:
    """Add up what tests have tried."""
    if not is_worker(config):
        config.pluginmanager.register(Counts())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the FUSE tier where it cannot run, unless it is required."""
    missing = missing_for_fuse()
    if missing is None or REQUIRE_FUSE:
        return
    for item in items:
        if item.get_closest_marker("fuse"):
            item.add_marker(pytest.mark.skip(reason=missing))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Be alone with our mounts, and have somebody watch who hangs when we do."""
    if session.config.option.numprocesses and not is_worker(session.config):
        return
    leave_mounts()
    if missing_for_fuse() is None:
        session.config.stash[WATCHDOG] = subprocess.Popen(
            [sys.executable, "-m", "tests.watchdog", HANGS, "/"],
            cwd=session.config.rootpath,
            stdin=subprocess.PIPE,
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Show the watchdog that tests go on."""
    watchdog = item.config.stash.get(WATCHDOG, None)
    if watchdog is not None:
        assert watchdog.stdin is not None
        os.write(watchdog.stdin.fileno(), b".")
    return (yield)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Dismiss it."""
    watchdog = session.config.stash.get(WATCHDOG, None)
    if watchdog is not None:
        watchdog.communicate()


@pytest.fixture(scope="session", autouse=True)
def _fuse_if_required() -> None:
    missing = missing_for_fuse()
    if REQUIRE_FUSE and missing is not None:
        pytest.exit(f"the FUSE tier is required, but {missing}", returncode=1)


@pytest.fixture(scope="session", autouse=True)
def _nothing_left_behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    ours = f"{tmp_path_factory.getbasetemp()}/"
    yield
    mountpoints = [line.split()[4] for line in MOUNTINFO.read_text().splitlines()]
    left = [mountpoint for mountpoint in mountpoints if mountpoint.startswith(ours)]
    for mountpoint in reversed(left):
        subprocess.run(["umount", "--lazy", mountpoint], check=False)
    assert not left, f"left mounted: {left}"
    processes = [int(pid) for pid in os.listdir("/proc") if is_ours(ours, pid)]
    # Those of the last test may be about to end.
    left_running = [pid for pid in processes if not ends(pid)]
    assert not left_running, f"left running: {left_running}"


def is_ours(directory: str, pid: str) -> bool:
    """Tell whether a process was told to work in *directory*."""
    try:
        return directory.encode() in Path("/proc", pid, "cmdline").read_bytes()
    except OSError:
        return False  # It has ended, or is no process.


@pytest.fixture(scope="session", autouse=True)
def _unprotected() -> Iterator[None]:
    """Have commands that run in this process leave it as it is.

    Who may have no core dumps any more cannot change that, nor can what he starts.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "protect", lambda: None)
        yield


@pytest.fixture(scope="session")
def killer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killer]:
    """What `killed_at_every_write` needs."""
    with killing(tmp_path_factory.mktemp("kills")) as killer:
        yield killer


@pytest.fixture
def mounts(tmp_path: Path) -> Iterator[Mounts]:
    """Mount things, and unmount them whatever happens."""
    mounts = Mounts(tmp_path)
    try:
        yield mounts
    finally:
        mounts.close()
