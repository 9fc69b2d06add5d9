"""The watchdog of the tests themselves: a mount that hangs must not hang them."""

import os
import subprocess
import sys
from errno import ECONNABORTED, ENOTCONN
from pathlib import Path

import pytest

from tests.mount.processes import make_source, stopped
from tests.support import Mounts, daemons

pytestmark = pytest.mark.fuse


def test_who_waits_for_a_hanging_mount_is_let_go(mounts: Mounts) -> None:
    """A daemon that never answers is given up for dead, and the error ends the wait."""
    source = make_source(mounts)
    words = [sys.executable, "-m", "tests.watchdog", "2", str(mounts.directory)]
    root = Path(__file__).parents[2]
    watchdog = subprocess.Popen(
        words, cwd=root, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert watchdog.stdin is not None
    try:
        view = mounts.reverse(source)
        [pid] = daemons(view)
        watchdog.stdin.write(".")
        watchdog.stdin.flush()
        with stopped(pid), pytest.raises(OSError) as caught:  # noqa: PT011 - by errno
            os.listdir(view)
        assert caught.value.errno in (ECONNABORTED, ENOTCONN)
    finally:
        _, said = watchdog.communicate()
    assert f"aborting {view}, which hangs" in said
