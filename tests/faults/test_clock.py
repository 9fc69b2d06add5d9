"""A clock that is wrong, or jumps: what is pulled is right all the same."""

import os

import pytest

from tests.faults.place import configure, lines
from tests.mount.processes import arguments, patched
from tests.mount.test_live import APPENDER, writing
from tests.support import Mounts, run

pytestmark = [pytest.mark.fuse, pytest.mark.faults]

HOUR, YEAR = 3600, 365 * 86_400
CLOCKS = {
    "an hour fast": [HOUR],
    "jumping": [0, HOUR, -HOUR, 0, -YEAR, 3, 30 * YEAR],
}
"""By how many seconds the daemon's clock differs from that of the source's disk."""
PULLS = 3


@pytest.mark.parametrize("clock", CLOCKS)
def test_pulls(mounts: Mounts, clock: str) -> None:
    """A log that grows is never torn, and what is quiet is pulled once."""
    source = mounts.directory / "source"
    source.mkdir()
    log = source / "log"
    log.write_bytes(b"the first line\n" * 100_000)
    (source / "quiet").write_bytes(lines(1, 1000))
    os.utime(source / "quiet", (0, 0))
    configure(mounts, source)
    # As they would see it: files, whose times are of another clock, are all that counts.
    patch = f"""
import itertools, time
real, jumps = time.time_ns, itertools.cycle({CLOCKS[clock]})
time.time_ns = lambda: real() + next(jumps) * 10**9
"""
    view = mounts.mountpoint("view")
    words = arguments(mounts, "--foreground", "-q")
    mounts.start(*patched(patch, *words, source, view))
    check = ("gocryptfs", "-fsck", "-q", f"--passfile={mounts.passfile}")
    fast = APPENDER.replace("sleep(0.01)", "sleep(0.0005)")
    with writing(fast, log):
        for number in range(PULLS):
            copy = mounts.directory / f"copy {number}"
            run("rsync", "-a", f"{view}/", copy)
            run(*check, copy)
    again = run("rsync", "-ai", "--exclude=log", f"{view}/", copy).stdout
    assert "quiet" not in again
