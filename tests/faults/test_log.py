"""A log that takes nothing more: what is said is lost, and the view goes on."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.place import configure, lines
from tests.mount.processes import SECONDS, arguments, patched
from tests.support import REVCRYPT, Mounts

pytestmark = [pytest.mark.fuse, pytest.mark.faults]

MANY = 1100
"""Warnings: more than a pipe, a small disk or a socket has room for."""
FEW = 20


@pytest.fixture
def source(mounts: Mounts) -> Path:
    """A file that is well, and one that is not."""
    path = mounts.directory / "source"
    path.mkdir()
    for number, name in enumerate(("well", "cut")):
        (path / name).write_bytes(lines(number, 500))
    configure(mounts, path)
    return path


@contextmanager
def warning(source: Path, view: Path, times: int) -> Iterator[int]:
    """Have the view warn, and look whether it goes on; yield a way to have more."""
    expected = (view / "well").read_bytes()
    fd = os.open(view / "cut", os.O_RDONLY | os.O_DIRECT)
    try:
        os.truncate(source / "cut", 0)
        for _ in range(times):
            warn(fd)
        assert (view / "well").read_bytes() == expected
        yield fd
        assert (view / "well").read_bytes() == expected
    finally:
        os.close(fd)


def warn(fd: int) -> None:
    """Read what is not there any more, which the log is told of."""
    with pytest.raises(OSError, match="Input/output"):
        os.pread(fd, 4096, 0)


def in_foreground(mounts: Mounts, source: Path) -> tuple[list[str | Path], Path]:
    """Return the command that mounts, and where."""
    view = mounts.mountpoint("view")
    return [*REVCRYPT, *arguments(mounts, "--foreground", "-q"), source, view], view


def test_a_pipe_that_nobody_reads(mounts: Mounts, source: Path) -> None:
    """It keeps nobody waiting; when it is read again, one hears how much was lost."""
    words, view = in_foreground(mounts, source)
    process = mounts.start(*words)
    assert process.stderr is not None
    with warning(source, view, MANY) as fd:
        told = 0
        while "lost before" not in (line := process.stderr.readline()):
            told += 1
            if told == MANY // 10:
                warn(fd)
        [lost] = [int(word) for word in line.split() if word.isdecimal()]
        assert told + lost == MANY
    mounts.unmount(view)


def test_a_pipe_whose_reader_has_gone(mounts: Mounts, source: Path) -> None:
    """What is written into it is an error that nobody hears of."""
    words, view = in_foreground(mounts, source)
    process = mounts.start(*words)
    assert process.stderr is not None
    process.stderr.close()
    with warning(source, view, FEW):
        pass
    mounts.unmount(view)
    assert process.wait() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_a_disk_that_is_full(mounts: Mounts, source: Path) -> None:
    """What does not fit is lost; what comes when there is room again is there."""
    disk = mounts.mountpoint("disk")
    mounts.mount("-t", "tmpfs", "-o", "size=16k", "none", disk)
    words, view = in_foreground(mounts, source)
    mounts.start(*words, log=disk / "log")
    with warning(source, view, MANY) as fd:
        assert os.statvfs(disk).f_bfree == 0
        os.truncate(disk / "log", 0)
        warn(fd)
        assert (disk / "log").read_bytes().endswith(b"while it was read\n")
    mounts.unmount(view)


@pytest.mark.parametrize("state", ["hangs", "comes back"])
def test_a_system_log(mounts: Mounts, source: Path, state: str) -> None:
    """A system log that hangs, or is gone for a while, does not matter either."""
    view, path = mounts.mountpoint("view"), mounts.directory / "log"
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    log.bind(os.fspath(path))
    patch = f"from revcrypt.cli import logs\nlogs._SYSLOG = {os.fspath(path)!r}"
    words = arguments(mounts, "-q", os.fspath(source))
    subprocess.run(patched(patch, *words, view), check=True, timeout=SECONDS)
    if state != "hangs":
        log.close()
        path.unlink()
    with warning(source, view, MANY if state == "hangs" else FEW) as fd:
        if state == "comes back":
            log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            log.bind(os.fspath(path))
            warn(fd)
            assert b"while it was read" in log.recv(1000)
    log.close()
    mounts.unmount(view)
