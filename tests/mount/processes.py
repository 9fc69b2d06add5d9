"""Starting revcrypt, whole or with something in it replaced, and watching it end."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from errno import ENOTCONN
from pathlib import Path

import pytest

from revcrypt.view.files import is_quiet
from tests.support import Mounts, is_mounted

SECONDS = 20
"""How long to wait for what takes a fraction of that."""


def make_source(mounts: Mounts) -> Path:
    """Create a small source whose names are not encrypted."""
    path = mounts.directory / "source"
    path.mkdir()
    (path / "file").write_bytes(b"content" * 10_000)
    mounts.init(path, "--plaintext-names")
    return path


def arguments(mounts: Mounts, *options: str) -> list[str]:
    """Return the command line of a reverse mount, without source and mountpoint."""
    return ["reverse", f"--passfile={mounts.passfile}", *options]


def foreground(mounts: Mounts, plain: Path) -> tuple[subprocess.Popen[str], Path]:
    """Mount in the foreground, wait until it answers, and return it."""
    view = mounts.mountpoint("view")
    process = mounts.foreground(*arguments(mounts, "--foreground"), plain, view)
    assert said(process) == f"revcrypt: info: mounted on {view}\n"
    return process, view


def said(process: subprocess.Popen[str]) -> str:
    """Return the next line that a process writes to stderr."""
    assert process.stderr is not None
    return process.stderr.readline()


@contextmanager
def end_of(pid: int) -> Iterator[None]:
    """Check that a process, which need not be a child, ends by what the body does."""
    fd = os.pidfd_open(pid)
    try:
        yield
        assert readable(fd), f"{pid} lives on"
    finally:
        os.close(fd)


def readable(fd: int) -> bool:
    """Wait until *fd* has something to say, and tell whether that was in time."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(SECONDS * 1000))


def assert_broken(view: Path) -> None:
    """Check that a mountpoint looks broken instead of empty."""
    assert is_mounted(view)
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the errno tells
        os.listdir(view)
    assert caught.value.errno == ENOTCONN


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Let a daemon hang meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def patched(patch: str, *words: str | Path) -> list[str]:
    """Return a command that runs revcrypt with something in it replaced."""
    program = f"""
import os, signal, sys, threading
import pyfuse3, trio, trio.testing
from revcrypt.cli import background, mounting
from revcrypt.cli.main import main
from revcrypt.fuse.operations import Operations
from revcrypt.view.reverse_file import ReverseFile
{patch}
sys.exit(main())
"""
    return [sys.executable, "-c", program, *map(os.fspath, words)]


def wait_until_quiet(path: Path) -> None:
    """Wait until a file counts as unchanged, which goes by its change time too."""
    status = path.stat()
    while not is_quiet(status.st_mtime_ns, status.st_ctime_ns):
        # Waiting for what nobody says is waiting for time to pass.
        select.select([], [], [], 0.1)
