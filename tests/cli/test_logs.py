"""Where messages go when nobody looks at stderr any more."""

import logging
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from revcrypt.cli import logs
from tests.mount.processes import SECONDS, arguments, make_source, patched
from tests.support import REVCRYPT, Mounts, run


@pytest.fixture
def system_log(tmp_path: Path) -> Iterator[tuple[socket.socket, Path]]:
    """Return a socket that listens as the system log does, and its path."""
    path = tmp_path / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(os.fspath(path))
        listener.settimeout(30)
        yield listener, path


def test_messages_reach_the_system_log(
    system_log: tuple[socket.socket, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message has the program's name and process, and its priority."""
    listener, path = system_log
    monkeypatch.setattr(logs, "_SYSLOG", os.fspath(path))
    handler = logs.syslog_handler()
    assert handler is not None
    handler.handle(logging.makeLogRecord({"msg": "beware", "levelname": "WARNING"}))
    handler.close()
    # Facility daemon is 3, severity warning is 4 (RFC 5424, section 6.2.1).
    expected = f"<{3 * 8 + 4}>revcrypt[{os.getpid()}]: beware"
    assert listener.recv(1000).rstrip(b"\0").decode() == expected


def test_a_machine_without_a_system_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no handler where nobody listens."""
    monkeypatch.setattr(logs, "_SYSLOG", os.fspath(tmp_path / "log"))
    assert logs.syslog_handler() is None


@pytest.mark.fuse
def test_damage_is_logged_in_the_background(
    system_log: tuple[socket.socket, Path], mounts: Mounts
) -> None:
    """A mount in the background names the damaged file by its cipher path."""
    listener, path = system_log
    plain = make_source(mounts)
    pulled = mounts.directory / "pulled"
    run("rsync", "-a", f"{mounts.reverse(plain)}/", pulled)
    with (pulled / "file").open("r+b") as file:
        file.seek(100)
        file.write(b"damage")
    shown = mounts.mountpoint("shown")
    patch = f"from revcrypt.cli import logs\nlogs._SYSLOG = {os.fspath(path)!r}"
    words = ["forward", *arguments(mounts)[1:], "-q", os.fspath(pulled)]
    subprocess.run(patched(patch, *words, shown), check=True, timeout=SECONDS)
    with pytest.raises(OSError, match="Input/output error"):
        (shown / "file").read_bytes()
    message = listener.recv(1000).rstrip(b"\0").decode()
    assert message.endswith(": file: block 0 does not authenticate")


@pytest.mark.fuse
def test_a_missing_system_log_is_told(
    tmp_path: Path, mounts: Mounts, capfd: pytest.CaptureFixture[str]
) -> None:
    """Who mounts in the background hears that later messages will be lost."""
    patch = f"from revcrypt.cli import logs\nlogs._SYSLOG = {os.fspath(tmp_path)!r} + 'x'"
    view = mounts.mountpoint("view")
    words = arguments(mounts, "-q", os.fspath(make_source(mounts)))
    subprocess.run(patched(patch, *words, view), check=True, timeout=SECONDS)
    assert capfd.readouterr().err.startswith("revcrypt: warning: no system log here")


def test_journal(tmp_path: Path) -> None:
    """Where stderr is the journal, each line begins with its priority."""
    with open(tmp_path / "stderr", "w+") as stderr:
        status = os.fstat(stderr.fileno())
        env = {**os.environ, "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        missing = tmp_path / "missing"
        command = [*REVCRYPT, "init", missing]
        assert (
            subprocess.run(command, stderr=stderr, env=env, check=False).returncode == 6
        )
        stderr.seek(0)
        lines = stderr.read().splitlines()
    assert [line[:3] for line in lines] == ["<3>", "<6>"]
    # Somebody else's stderr is not the journal, though the variable is inherited.
    result = run(*command, status=6, env=env)
    assert result.stderr.startswith("revcrypt: error: ")
