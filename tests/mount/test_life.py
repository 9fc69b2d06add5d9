"""The life of a mount: how it begins, how it ends, and what is left of it."""

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

from revcrypt.errors import ExitCode
from tests.support import (
    REVCRYPT,
    Mounts,
    daemons,
    is_mounted,
    revcrypt,
    run,
    wait_for_unmount,
)

pytestmark = pytest.mark.fuse

SECONDS = 20
"""How long to wait for what takes a fraction of that."""


@pytest.fixture
def plain(mounts: Mounts) -> Path:
    """A small source whose names are not encrypted."""
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


def patched(patch: str, *words: str | Path) -> list[str]:
    """Return a command that runs revcrypt with something in it replaced."""
    program = f"""
import os, signal, sys, threading
from revcrypt.cli import background, mounting
from revcrypt.cli.main import main
from revcrypt.fuse.operations import Operations
from revcrypt.view.reverse_file import ReverseFile
{patch}
sys.exit(main())
"""
    return [sys.executable, "-c", program, *map(os.fspath, words)]


# Beginning


def test_background(mounts: Mounts, plain: Path) -> None:
    """The command returns while the mount lives in a session of its own."""
    view = mounts.reverse(plain)
    [pid] = daemons(view)
    assert os.getsid(pid) == pid
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    assert (view / "file").stat().st_size > 70_000
    with end_of(pid):
        mounts.unmount(view)


def test_caller_is_let_go(mounts: Mounts, plain: Path) -> None:
    """The daemon holds open nothing of what the caller reads to its end."""
    view = mounts.mountpoint("view")
    pipes = [os.pipe() for _ in range(3)]
    readers, (stdout, stderr, extra) = zip(*pipes)
    command = [*REVCRYPT, *arguments(mounts), os.fspath(plain), os.fspath(view)]
    status = subprocess.call(
        command, stdout=stdout, stderr=stderr, pass_fds=[extra], timeout=SECONDS
    )
    for writer in (stdout, stderr, extra):
        os.close(writer)
    assert status == ExitCode.OK
    for reader in readers:
        assert readable(reader)
        with open(reader, "rb") as file:
            os.set_blocking(reader, False)
            while data := file.read(4096):
                assert b"error" not in data
            # None would mean that somebody could still write.
            assert data == b""
    assert is_mounted(view)
    assert os.listdir(view)


def test_mount_that_never_answers(mounts: Mounts, plain: Path) -> None:
    """The command does not return success for a mount that has not answered yet."""
    die = "Operations.init = lambda self: os.kill(os.getpid(), signal.SIGKILL)"
    view = mounts.mountpoint("view")
    command = patched(die, *arguments(mounts), plain, view)
    result = subprocess.run(
        command, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert result.returncode > 0
    assert "Traceback" not in result.stderr
    assert_broken(view)


def test_foreground(mounts: Mounts, plain: Path) -> None:
    """In the foreground it stays, and stderr has the log."""
    process, view = foreground(mounts, plain)
    assert process.poll() is None
    mounts.unmount(view)
    assert process.wait(timeout=SECONDS) == ExitCode.OK
    assert said(process) == "revcrypt: info: unmounted\n"


# End


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (signal.SIGTERM, ExitCode.OK),
        (signal.SIGHUP, ExitCode.OK),
        (signal.SIGINT, ExitCode.INTERRUPTED),
    ],
)
def test_signal(
    number: signal.Signals, status: ExitCode, mounts: Mounts, plain: Path
) -> None:
    """A signal unmounts; only an interruption is told by the exit status."""
    process, view = foreground(mounts, plain)
    process.send_signal(number)
    assert process.wait(timeout=SECONDS) == status
    assert not is_mounted(view)
    assert os.listdir(view) == []


def test_signal_in_background(mounts: Mounts, plain: Path) -> None:
    """A signal unmounts and ends the daemon in the background, too."""
    view = mounts.reverse(plain)
    [pid] = daemons(view)
    with end_of(pid):
        os.kill(pid, signal.SIGTERM)
    assert not is_mounted(view)


@pytest.mark.parametrize("command", ["umount", "fusermount3 -u"])
def test_unmounted_from_outside(command: str, mounts: Mounts, plain: Path) -> None:
    """Somebody else's unmount ends the daemon, with success."""
    process, view = foreground(mounts, plain)
    run(*command.split(), view)
    assert process.wait(timeout=SECONDS) == ExitCode.OK
    assert not is_mounted(view)


def test_signal_while_a_reader_waits(mounts: Mounts, plain: Path) -> None:
    """A read that a disk never answers does not keep the mount from ending."""
    hang = """
def read(self, offset, size, *, nowait):
    if nowait:
        raise BlockingIOError
    print("waiting", file=sys.stderr, flush=True)
    threading.Event().wait()
ReverseFile.read = read
"""
    view = mounts.mountpoint("view")
    process = mounts._start(
        *patched(hang, *arguments(mounts, "--foreground", "-q"), plain, view)
    )
    with subprocess.Popen(["cat", view / "file"], stderr=subprocess.DEVNULL) as reader:
        assert said(process) == "waiting\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=SECONDS) == ExitCode.OK
        assert reader.wait(timeout=SECONDS) != 0
    wait_for_unmount(view)


# Accidents


def test_killed(mounts: Mounts, plain: Path) -> None:
    """A killed daemon leaves a broken mount, and a hint how to clean up."""
    process, view = foreground(mounts, plain)
    process.kill()
    process.wait(timeout=SECONDS)
    assert_broken(view)
    again = [*arguments(mounts, "-q"), os.fspath(plain), os.fspath(view)]
    error, hint = revcrypt(*again, status=ExitCode.MOUNTPOINT).stderr.splitlines()
    assert "mountpoint already" in error
    command = hint.rpartition(": ")[2]
    assert command == f"umount {view}"
    run(*command.split())
    revcrypt(*again)
    assert os.listdir(view)


FAIL = """
def fail(*args, **kwargs):
    raise RuntimeError("an accident")
async def fail_later(*args, **kwargs):
    fail()
"""


@pytest.mark.parametrize("handler", ["releasedir", "release", "statfs"])
def test_accident_in_the_loop(handler: str, mounts: Mounts, plain: Path) -> None:
    """An exception that nobody expected leaves a broken mount and a failure."""
    view = mounts.mountpoint("view")
    words = (*arguments(mounts, "--foreground"), plain, view)
    patch = f"{FAIL}\nOperations.{handler} = fail_later"
    process = mounts._start(*patched(patch, *words))
    provoke = {
        "releasedir": ["ls", view],
        "release": ["cat", view / "file"],
        "statfs": ["stat", "-f", view],
    }
    subprocess.run(provoke[handler], capture_output=True, timeout=SECONDS, check=False)
    assert process.wait(timeout=SECONDS) not in (ExitCode.OK, ExitCode.INTERRUPTED)
    assert_broken(view)
    assert process.stderr is not None
    assert "broken on purpose" in process.stderr.read()


@pytest.mark.parametrize("function", ["detach", "announce"])
def test_accident_at_the_beginning(function: str, mounts: Mounts, plain: Path) -> None:
    """What goes wrong before the mount answers is told, and leaves the mount broken."""
    view = mounts.mountpoint("view")
    patch = f"{FAIL}\nbackground.Child.{function} = fail"
    command = patched(patch, *arguments(mounts), plain, view)
    result = subprocess.run(
        command, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert result.returncode == ExitCode.OTHER
    assert "an accident" in result.stderr
    assert_broken(view)
