"""Commands that change a config or what is beside it: all or nothing, one at a time."""

import fcntl
import os
import subprocess
from pathlib import Path

import pytest

from revcrypt.cli.recovery_files import RecoveryFiles
from revcrypt.errors import ExitCode
from revcrypt.format.keys import parse_master_key
from tests.certificates import person
from tests.cli.rescuing import rescue
from tests.cli.server import Server, opened_by
from tests.support import KEY, PASSPHRASE, REVCRYPT, run, write_secret


def start(*words: str | Path) -> subprocess.Popen[str]:
    """Start a command that will wait for something."""
    command = [*REVCRYPT, *map(os.fspath, words)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def test_a_passphrase_for_what_was_rotated_meanwhile(server: Server) -> None:
    """What somebody has typed meanwhile does not bring the old epoch back."""
    server.add()
    fifo = server.home / "fifo"
    os.mkfifo(fifo, 0o600)
    new = f"--new-passfile={fifo}"
    process = start("passwd", server.passphrase, new, server.plain)
    with open(fifo, "w") as typing:
        server.rotate()
        typing.write("another\n")
    _, said = process.communicate(timeout=60)
    assert process.returncode == ExitCode.CONFIG_UNWRITABLE
    assert "another command has changed" in said
    assert "run it again" in said
    assert opened_by(server.config, PASSPHRASE) not in (None, KEY)
    rescue("passwd", "-q", server.passphrase, server.plain, stdin=b"another\n")
    assert opened_by(server.config, "another") not in (None, KEY)


def test_certificates_of_two_at_once(server: Server) -> None:
    """Neither is lost: the second to write has to look at what the first has written."""
    grace, _ = person("grace").write(server.home)
    fifo = server.home / "fifo"
    os.mkfifo(fifo, 0o600)
    config = f"--config={server.plain}"
    process = start("recovery", "add", config, f"--passfile={fifo}", grace)
    with open(fifo, "w") as typing:
        server.add()
        before = server.disk()
        typing.write(f"{PASSPHRASE}\n")
    _, said = process.communicate(timeout=60)
    assert process.returncode == ExitCode.CONFIG_UNWRITABLE, said
    assert server.disk() == before


def test_one_waits_for_the_other(server: Server) -> None:
    """While one is writing, none else is; whoever waits is told so."""
    server.add()
    write_secret(server.home / "new", "another")
    new = f"--new-passfile={server.home}/new"
    before = server.disk()
    fd = os.open(server.plain, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    process = start("passwd", server.passphrase, new, server.plain)
    assert process.stderr is not None
    lines = iter(process.stderr.readline, "")
    assert any("waiting for another command" in line for line in lines)
    assert server.disk() == before
    os.close(fd)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert opened_by(server.config, "another") == KEY


def rotate_as_owner(server: Server, *words: str, status: int = 0) -> str:
    """Begin a new epoch as somebody who has no privilege but to own the files."""
    command = [*REVCRYPT, "rotate", "--yes", server.passphrase, *words, server.plain]
    if os.geteuid() == 0:
        command = ["setpriv", "--bounding-set=-dac_override", *command]
    return run(*command, status=status).stderr


@pytest.mark.parametrize("way", ["passphrase", "key file"])
def test_an_owner_without_privileges(way: str, server: Server) -> None:
    """Config and key file forbid even their owner to write; he rotates all the same."""
    server.add()
    keyfile = server.home / "keyfile"
    write_secret(keyfile, KEY.hex())
    words = ["--no-passphrase", f"--masterkey-file={keyfile}"]
    path = keyfile
    if way == "passphrase":
        words, path = [], server.config
    for closed in (server.config, keyfile):
        closed.chmod(0o400)
    with open(path, "rb") as old:
        said = rotate_as_owner(server, *words)
        # Of what has lost its name, nothing is left.
        assert not any(old.read())
    assert "is not overwritten" not in said
    if way == "passphrase":
        assert opened_by(server.config, PASSPHRASE) not in (None, KEY)
    else:
        assert parse_master_key(keyfile.read_text()) != KEY
    assert KEY in server.sealed_for("ada")


@pytest.mark.parametrize("place", ["key", "config"])
def test_nothing_is_half_written(place: str, server: Server) -> None:
    """Where one of the files cannot be written, none is."""
    server.add()
    (server.home / "keys").mkdir()
    keyfile = server.home / "keys" / "keyfile"
    write_secret(keyfile, KEY.hex())
    closed = keyfile.parent if place == "key" else server.plain
    closed.chmod(0o500)
    before = server.disk()
    words = ["--no-passphrase", f"--masterkey-file={keyfile}"]
    said = rotate_as_owner(server, *words, status=ExitCode.CONFIG_UNWRITABLE)
    assert "Permission denied" in said
    assert server.disk() == before
    assert keyfile.read_text() == KEY.hex()
    assert os.listdir(keyfile.parent) == ["keyfile"]
    [epoch] = RecoveryFiles(str(server.config)).register().epochs
    assert epoch.until is None
