"""The life of a mount: how it begins, and how it ends."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from revcrypt.errors import ExitCode
from tests.mount.processes import (
    SECONDS,
    arguments,
    assert_broken,
    end_of,
    foreground,
    make_source,
    patched,
    readable,
    said,
)
from tests.support import REVCRYPT, Mounts, daemons, is_mounted, run, wait_for_unmount

pytestmark = pytest.mark.fuse


@pytest.fixture
def plain(mounts: Mounts) -> Path:
    """A small source whose names are not encrypted."""
    return make_source(mounts)


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


@pytest.mark.parametrize("number", ["SIGTERM", "SIGHUP"])
def test_stopped_before_it_listens(number: str, mounts: Mounts, plain: Path) -> None:
    """A signal that comes between the mount and the loop unmounts like any other."""
    stop = f"""
background.Child.detach = lambda self: os.kill(os.getpid(), signal.{number})
"""
    view = mounts.mountpoint("view")
    command = patched(stop, *arguments(mounts), plain, view)
    subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
    wait_for_unmount(view)
    assert os.listdir(view) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_caller_that_gives_up(
    number: signal.Signals, mounts: Mounts, plain: Path
) -> None:
    """A mount whose caller has ended before it answered is taken back."""
    stop = f"""
def give_up(self):
    caller = os.getppid()
    pidfd = os.pidfd_open(caller)
    os.kill(caller, {number})
    if {number} == signal.SIGKILL:
        select.select([pidfd], [], [])
background.Child.detach = give_up
"""
    view = mounts.mountpoint("view")
    command = patched(f"import select\n{stop}", *arguments(mounts), plain, view)
    result = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
    expected = ExitCode.INTERRUPTED if number == signal.SIGINT else -number
    assert result.returncode == expected
    wait_for_unmount(view)
    assert os.listdir(view) == []


def test_mount_that_never_answers(mounts: Mounts, plain: Path) -> None:
    """The command does not return success for a mount that has not answered yet."""
    die = """
async def answer_nothing(**tasks):
    await trio.testing.wait_all_tasks_blocked()
    os.kill(os.getpid(), signal.SIGKILL)
pyfuse3.main = answer_nothing
"""
    view = mounts.mountpoint("view")
    command = patched(die, *arguments(mounts), plain, view)
    result = subprocess.run(
        command, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert result.returncode > 0
    assert "revcrypt: error: SIGKILL" in result.stderr
    assert "Traceback" not in result.stderr
    assert_broken(view)


def test_foreground(mounts: Mounts, plain: Path) -> None:
    """In the foreground it stays, and stderr has the log."""
    process, view = foreground(mounts, plain)
    assert process.poll() is None
    mounts.unmount(view)
    assert process.wait(timeout=SECONDS) == ExitCode.OK
    assert said(process) == "revcrypt: info: unmounted\n"


def test_what_is_left_open_is_seen(mounts: Mounts, plain: Path) -> None:
    """The check after every test sees a single file, until it is closed."""
    view = mounts.reverse(plain)
    with open(view / "file", "rb") as file:
        assert file.read(1)
        with pytest.raises(AssertionError, match=r"left open: .*/source/file"):
            mounts.watched.check()
    mounts.watched.check()


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
    process = mounts.start(
        *patched(hang, *arguments(mounts, "--foreground", "-q"), plain, view)
    )
    with subprocess.Popen(["cat", view / "file"], stderr=subprocess.DEVNULL) as reader:
        assert said(process) == "waiting\n"
        try:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=SECONDS) == ExitCode.OK
        finally:
            # Where that has failed, the reader would wait for ever, and we for it.
            process.kill()
        assert reader.wait(timeout=SECONDS) != 0
    wait_for_unmount(view)
