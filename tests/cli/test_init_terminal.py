"""What `revcrypt init` shows and asks for on a terminal."""

import os
import re
from pathlib import Path

import pytest

from revcrypt.errors import ExitCode
from tests.cli.refusals import checked
from tests.cli.terminal import Terminal
from tests.support import PASSPHRASE, REVCRYPT, Mounts, revcrypt, run, write_secret

CONFIG = ".gocryptfs.reverse.conf"
INIT = [*REVCRYPT, "init", "--scrypt-n=10"]
MASTER_KEY = re.compile(
    r"^ *(?:[0-9a-f]{8}-){4}\n *(?:[0-9a-f]{8}-){3}[0-9a-f]{8}$",
    re.MULTILINE,
)


ANSWERS = [("Passphrase: ", PASSPHRASE), ("Repeat: ", PASSPHRASE)]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A directory that has no config yet."""
    path = tmp_path / "source"
    path.mkdir()
    return path


def test_key_is_not_for_files(source: Path) -> None:
    """The master key is not written to a stdout that is no terminal."""
    result = revcrypt("init", "--scrypt-n=10", source, stdin=PASSPHRASE)
    assert result.stdout == ""
    assert not re.search("[0-9a-f]{8}-", result.stderr)


def test_quiet_on_terminal(source: Path) -> None:
    """With -q, a terminal shows the questions and nothing else."""
    terminal = Terminal()
    assert terminal.run([*INIT, "-q", source], ANSWERS) == ExitCode.OK
    assert terminal.shown == "Passphrase: \nRepeat: \n"


def test_passphrases_differ(source: Path) -> None:
    """A passphrase that is not repeated exactly is refused, and nothing is written."""
    terminal = Terminal()
    answers = [("Passphrase: ", PASSPHRASE), ("Repeat: ", PASSPHRASE + " ")]
    status = terminal.run([*INIT, "-q", source], answers)
    assert status == ExitCode.PASSPHRASE_UNREADABLE
    assert "passphrases differ" in checked(terminal.shown.split("Repeat: \n")[1])
    assert PASSPHRASE not in terminal.shown
    assert os.listdir(source) == []


@pytest.mark.fuse
def test_master_key_on_terminal(mounts: Mounts, source: Path) -> None:
    """The key is shown once, in two lines, and as shown it opens the backup."""
    (source / "file").write_bytes(b"content")
    terminal = Terminal()
    assert terminal.run([*INIT, source], ANSWERS) == ExitCode.OK
    assert PASSPHRASE not in terminal.shown
    [key] = MASTER_KEY.findall(terminal.shown)
    dumped = run("gocryptfs-xray", "-dumpmasterkey", source / CONFIG, stdin=PASSPHRASE)
    assert re.sub(r"[^0-9a-f]", "", key) in dumped.stdout
    keyfile = mounts.directory / "key"
    write_secret(keyfile, key)
    view, restored = mounts.reverse(source), mounts.mountpoint("restored")
    revcrypt("forward", "-q", "--masterkey", keyfile, view, restored)
    assert (restored / "file").read_bytes() == b"content"
