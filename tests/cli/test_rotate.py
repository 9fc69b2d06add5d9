"""`revcrypt rotate`: the past is closed to what the server has, but not to one key."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from revcrypt.cli import patience
from revcrypt.cli.recovery_files import RecoveryFiles, open_text, today
from revcrypt.errors import ExitCode, UserError
from revcrypt.format.config import Features
from revcrypt.format.keys import parse_master_key
from revcrypt.view.detect import take_sample
from revcrypt.view.source import Source
from tests.certificates import person
from tests.cli.rescuing import CONFIG, REVERSE_CONFIG, rescue
from tests.cli.server import LETTER, Server, opened_by
from tests.cli.terminal import Terminal
from tests.kills import Killer, killed_at_every_write
from tests.mount.processes import stopped
from tests.support import KEY, PASSPHRASE, REVCRYPT, Mounts, daemons, write_secret


def restored(server: Server, copy: Path, *key: str, status: int = 0) -> bool:
    """Restore a copy, and tell whether the letter is there."""
    dest = server.home / "dest"
    shutil.rmtree(dest, ignore_errors=True)
    rescue("restore", "-q", "-j1", *key, copy, dest, status=status)
    return (dest / "letter").exists() and (dest / "letter").read_bytes() == LETTER


def secrets_in(disk: Path) -> Iterator[str]:
    """Yield everything in the files of a disk that may be a passphrase."""
    for path in disk.rglob("*"):
        if path.is_file():
            for line in path.read_bytes().split(b"\n"):
                yield os.fsdecode(line)


def test_the_disk_of_the_server_opens_nothing_older(server: Server) -> None:
    """With all that is on it, the earlier epoch is closed; with the offline key, open."""
    server.add()
    old = server.pull_as("old")
    said = server.rotate()
    assert "everything is transferred anew: 1 files, 59 bytes when encrypted" in said
    assert server.archives() == [f"{REVERSE_CONFIG}.epoch-1.{today()}.recovery.p7m"]
    new = server.pull_as("new")

    source = Source(os.fsencode(old))
    sample = take_sample(source)
    assert sample.fits(KEY, Features())
    keys = set()
    disk = server.directory
    passphrases = {line for line in secrets_in(disk) if len(line) < 1000}
    assert PASSPHRASE in passphrases
    for path in disk.rglob("*"):
        if not path.is_file():
            continue
        content = path.read_bytes()
        assert KEY not in content
        assert not re.search(KEY.hex()[:8].encode(), content, re.IGNORECASE)
        keys |= {content[at : at + 32] for at in range(len(content) - 31)}
        keys |= {key for word in passphrases if (key := opened_by(path, word))}
        for text in content.decode(errors="replace").split():
            try:
                keys.add(parse_master_key(text))
            except UserError:
                continue
    assert len(keys) > 100
    assert not [key for key in keys if sample.fits(key, Features())]
    # The config of the old copy still holds its key; that of the server has gone.
    (old / CONFIG).unlink()
    config = f"--config={server.config}"
    status = ExitCode.FINDINGS
    assert not restored(server, old, server.passphrase, config, status=status)
    assert restored(server, old, server.recovery_key)
    assert restored(server, new, server.recovery_key)
    assert restored(server, new, server.passphrase)
    source.close()


@pytest.mark.fuse
@pytest.mark.parametrize("has_config", [True, False])
def test_forward_of_an_old_copy(has_config: bool, server: Server, mounts: Mounts) -> None:
    """It is mounted with the private key, by its own file or by the archive alone."""
    server.add()
    old = server.pull_as("old")
    server.rotate()
    new = server.pull_as("new")
    if not has_config:
        (old / CONFIG).unlink()
        for path in old.glob(f"{CONFIG}.recovery.*"):
            path.unlink()
        archive = f"{CONFIG}.epoch-1.{today()}.recovery.p7m"
        shutil.copy(new / archive, old / archive)
    mountpoint = mounts.mountpoint("plaintext")
    # In the foreground of a process of its own: it stays.
    mounts.foreground(
        "forward", "-q", "--foreground", server.recovery_key, old, mountpoint
    )
    assert (mountpoint / "letter").read_bytes() == LETTER


def test_a_copy_of_mixed_epochs(server: Server) -> None:
    """Old data under the new root files, as in an interrupted pull, are opened, too."""
    server.add()
    old = server.pull_as("old")
    server.rotate()
    new = server.pull_as("new")
    for path in new.glob(f"{CONFIG}*"):
        (old / path.name).unlink(missing_ok=True)
        shutil.copy(path, old / path.name)
    assert restored(server, old, server.recovery_key)


def test_several_epochs(server: Server) -> None:
    """Each has its archive, and all of them are opened by the same private key."""
    server.add()
    copies = [server.pull_as("copy-1")]
    for number in (2, 3):
        server.rotate()
        copies.append(server.pull_as(f"copy-{number}"))
    assert len(server.archives()) == 2
    for copy in copies:
        assert restored(server, copy, server.recovery_key)
    config = f"--config={server.plain}"
    said = rescue("recovery", "check", "--key", server.private, config).stdout
    assert said.count(b" opens, and is whole") == 3
    listed = rescue("recovery", "list", config).stdout
    assert b"epoch 2, until" in listed
    assert b"epoch 3, now" in listed


def test_a_new_passphrase(server: Server) -> None:
    """A new one is taken, and the old one opens nothing."""
    server.add()
    passfile = server.home / "new"
    write_secret(passfile, "another\n")
    server.rotate(f"--new-passfile={passfile}")
    assert opened_by(server.config, PASSPHRASE) is None
    assert opened_by(server.config, "another") not in (None, KEY)


def test_refused_without_certificates(server: Server) -> None:
    """Nobody loses the past by accident, but may by intent."""
    said = server.rotate(status=ExitCode.USAGE)
    assert "no recovery certificates" in said
    assert opened_by(server.config, PASSPHRASE) == KEY
    server.rotate("--force")
    assert opened_by(server.config, PASSPHRASE) not in (None, KEY)
    assert server.archives() == []


@pytest.mark.fuse
@pytest.mark.parametrize("how", ["plainly", "renamed", "another tree"])
def test_refused_while_mounted(how: str, server: Server, mounts: Mounts) -> None:
    """A mounted view would go on with the old key beside the new config."""
    server.add()
    source, options = server.plain, []
    if how == "renamed":
        options = ["--fsname=somebody"]
    elif how == "another tree":
        source, options = server.home, [f"--config={server.config}"]
    view = mounts.reverse(source, "view", *options)
    said = server.rotate(status=ExitCode.MOUNTPOINT)
    assert f"is shown on {view}" in said
    assert opened_by(server.config, PASSPHRASE) == KEY
    mounts.unmount(view)
    server.rotate()


@pytest.mark.fuse
def test_refused_beside_what_hangs(
    server: Server, mounts: Mounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which tree it shows, nobody can tell; but we do not hang with it."""
    server.add()
    view = mounts.reverse(server.home, "view", f"--config={server.config}")
    monkeypatch.setattr(patience, "SECONDS", 0.3)
    [pid] = daemons(view)
    with stopped(pid):
        said = server.rotate(status=ExitCode.MOUNTPOINT)
    assert f"{view} does not answer" in said
    assert opened_by(server.config, PASSPHRASE) == KEY


def test_somebody_has_to_agree(server: Server) -> None:
    """On a terminal it asks; in a script it wants --yes; and before, it says how much."""
    server.add()
    words = [server.passphrase, server.plain]
    said = rescue("rotate", *words, status=ExitCode.USAGE).stderr
    assert "--yes" in said
    for answer, status in (("n", ExitCode.USAGE), ("y", ExitCode.OK)):
        terminal = Terminal()
        question = "Begin a new epoch? [y/N]"
        assert terminal.run([*REVCRYPT, "rotate", *words], [(question, answer)]) == status
        assert "transferred anew: 1 files" in terminal.shown
        assert (opened_by(server.config, PASSPHRASE) == KEY) == (answer == "n")


def test_a_wrong_passphrase_changes_nothing(server: Server) -> None:
    """Not even a recovery file."""
    server.add()
    before = {path.name: path.read_bytes() for path in server.plain.iterdir()}
    write_secret(server.directory / "wrong", "wrong\n")
    key = f"--passfile={server.directory / 'wrong'}"
    words = ["rotate", key, "--yes", server.plain]
    said = rescue(*words, status=ExitCode.PASSPHRASE_WRONG).stderr
    # Nor is the whole tree looked at before.
    assert "transferred anew" not in said
    assert {path.name: path.read_bytes() for path in server.plain.iterdir()} == before


def test_a_key_file_of_something_else_is_kept(server: Server) -> None:
    """A new key goes into a new file, or the one of the old key."""
    server.add()
    other = server.home / "other"
    write_secret(other, "00" * 32)
    words = [f"--masterkey-file={other}", "--no-passphrase"]
    said = server.rotate(*words, status=ExitCode.USAGE)
    assert "holds another master key" in said
    assert other.read_text() == "00" * 32
    assert opened_by(server.config, PASSPHRASE) == KEY


@pytest.mark.parametrize("way", ["passphrase", "key file"])
def test_killed_at_every_write(way: str, server: Server, killer: Killer) -> None:
    """At any moment, what opens the server's config or is its key can be recovered.

    The earlier epoch is sealed as long as anything else could be what opens it, and
    running it again ends well.
    """
    keyfile = server.home / "keyfile"
    server.add()
    before = {path.name: path.read_bytes() for path in server.plain.glob(".gocr*")}
    words = [server.passphrase]
    if way == "key file":
        words = [f"--masterkey={keyfile}", "--no-passphrase"]
        words += [f"--masterkey-file={keyfile}"]

    def prepare() -> None:
        for path in server.plain.glob(".gocryptfs.reverse.conf*"):
            path.unlink()
        for name, content in before.items():
            (server.plain / name).write_bytes(content)
        for path in server.home.glob("keyfile*"):
            path.unlink()
        write_secret(keyfile, KEY.hex() + "\n")

    ada = person("ada").key
    arguments = ["rotate", "--yes", *words, server.plain]
    seen = set()
    for end in killed_at_every_write(killer, arguments, prepare):
        files = RecoveryFiles(str(server.config))
        sealed = set()
        for path in files.all_sealed():
            text = open_text(path, ada)
            assert text is not None
            sealed.add(text.master_key)
        now = (
            opened_by(server.config, PASSPHRASE)
            if way == "passphrase"
            else parse_master_key(keyfile.read_text())
        )
        assert now in sealed
        assert KEY in sealed
        seen.add(now == KEY)
        if end.was_killed and end.at % 6 == 0:
            # Again, from what is left: nothing that was sealed is lost.
            rescue(*arguments)
            again = {open_text(path, ada) for path in files.all_sealed()}
            assert {KEY, now} <= {text.master_key for text in again if text}
            ended = [epoch.until is not None for epoch in files.register().epochs]
            assert ended == [True] * (len(ended) - 1) + [False]
    assert seen == {True, False}
    leftovers = [path.name for path in server.plain.glob("*.tmp")]
    assert leftovers == []
