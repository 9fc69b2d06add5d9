"""What a master key is held against before anything is made with it."""

import os
from pathlib import Path

import pytest

from revcrypt.cli.recovery_files import RecoveryFiles, today
from revcrypt.errors import ExitCode
from revcrypt.format.keys import parse_master_key
from tests.certificates import person
from tests.cli.rescuing import WRONG, make_config, rescue
from tests.cli.server import Server, opened_by
from tests.support import KEY, Mounts, write_secret

NEW = "battery staple"


@pytest.fixture
def rotated(server: Server) -> Server:
    """A server in its second epoch, with the config of the first beside it."""
    server.add()
    old = server.config.read_bytes()
    server.rotate()
    server.config.chmod(0o600)
    server.config.write_bytes(old)
    write_secret(server.home / "new", NEW)
    return server


@pytest.mark.parametrize("command", ["add", "remove", "rotate", "passwd", "paper"])
def test_an_old_config_makes_nothing(command: str, rotated: Server) -> None:
    """The passphrase opens it, but its epoch has ended, and the sealed key would go."""
    grace, _ = person("grace").write(rotated.home)
    words: dict[str, list[str | Path]] = {
        "add": ["recovery", "add", f"--config={rotated.plain}", grace],
        "remove": ["recovery", "remove", f"--config={rotated.plain}", "ada"],
        "rotate": ["rotate", "--yes", rotated.plain],
        "passwd": ["passwd", f"--new-passfile={rotated.home}/new", rotated.plain],
        "paper": ["paper", rotated.plain],
    }
    if command == "remove":
        # There must be somebody else. The key of this epoch is in no config any more.
        rotated.recovery("add", rotated.recovery_key, grace)
    before = rotated.disk()
    said = rescue(*words[command], rotated.passphrase, status=ExitCode.MASTER_KEY)
    assert "this is the master key of epoch 1, which ended on" in said.stderr
    assert "hint: " in said.stderr
    assert rotated.disk() == before
    assert len(rotated.sealed_for("ada")) == 2


@pytest.mark.fuse
def test_an_old_key_shows_nothing(rotated: Server, mounts: Mounts) -> None:
    """A view with the key of an earlier epoch would open what is new to who has it."""
    view = mounts.mountpoint("view")
    for words in ([rotated.passphrase], [f"--masterkey={rotated.home}/old"]):
        write_secret(rotated.home / "old", KEY.hex())
        said = rescue("reverse", *words, rotated.plain, view, status=ExitCode.MASTER_KEY)
        assert "which ended on" in said.stderr
        assert os.listdir(view) == []


def test_a_proof_is_never_ignored(server: Server) -> None:
    """Whatever opens a key, it has to open the directory that was named."""
    server.add()
    grace, _ = person("grace").write(server.home)
    write_secret(server.home / "new", NEW)
    copy = server.pull_as("copy")
    other = Server(server.home)
    other.config.write_bytes(make_config(key=WRONG))
    wrong = other.pull_as("wrong")
    for key in (server.passphrase, server.recovery_key):
        config = f"--config={server.plain}"
        commands = [
            ["recovery", "add", config, key, grace],
            ["recovery", "check", config, "--key", server.private, server.passphrase],
            ["rotate", "--yes", key, server.plain],
            ["passwd", key, f"--new-passfile={server.home}/new", server.plain],
            ["paper", key, server.plain],
            ["drill", key, server.plain],
        ]
        before = server.disk()
        for words in commands:
            said = rescue(*words, f"--proof={wrong}", status=ExitCode.MASTER_KEY)
            assert f"does not open {wrong}" in said.stderr
        assert server.disk() == before
    said = rescue("paper", server.passphrase, f"--proof={copy}", server.plain)
    assert f"the master key is the right one: it opens {copy}" in said.stderr


def test_a_credential_is_no_proof(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A master key that the service has been given may be another backup's."""
    write_secret(server.home / "masterkey", WRONG.hex())
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(server.home))
    said = server.recovery("add", server.certificate, status=ExitCode.USAGE)
    assert "nothing here proves the master key" in said
    assert not (server.plain / ".gocryptfs.reverse.conf.recovery.p7m").exists()


def test_what_was_noted_is_a_proof_for_all(tmp_path: Path) -> None:
    """A new server without a passphrase has nothing else to prove its key by."""
    plain, keyfile = tmp_path / "plain", tmp_path / "keyfile"
    plain.mkdir()
    (plain / "letter").write_text("dear all")
    certificate, private = person("ada").write(tmp_path)
    words = ["--no-passphrase", f"--recovery={certificate}", "--scrypt-n=10"]
    rescue("init", *words, f"--masterkey-file={keyfile}", plain)
    key = parse_master_key(keyfile.read_text())
    write_secret(tmp_path / "new", NEW)
    noted = "it has the fingerprint that was noted when it was sealed"
    for option in (f"--masterkey={keyfile}", f"--recovery-key={private}"):
        assert noted in rescue("paper", option, plain).stderr
        page = os.fsdecode(rescue("drill", option, plain).stdout)
        assert f"proven:     {noted}" in page
        assert "verdict: PASSED" in page
        new = f"--new-passfile={tmp_path}/new"
        assert noted in rescue("passwd", option, new, plain).stderr
        assert opened_by(plain / ".gocryptfs.reverse.conf", NEW) == key


def test_check_does_not_guess(server: Server) -> None:
    """A recovery file of another key than the config's is never called the right one."""
    server.add()
    copy = server.pull_as("copy")
    key = ["--key", server.private]
    assert "the fingerprint that was noted" in server.recovery("check", *key)
    # The config of another backup.
    server.config.write_bytes(make_config(key=WRONG))
    said = server.recovery("check", *key, status=ExitCode.FINDINGS)
    assert "not proven against the config" in said
    assert "the right one" not in said
    assert f"it opens {copy}" in server.recovery("check", *key, f"--proof={copy}")


def test_after_an_interrupted_rotation(rotated: Server) -> None:
    """Both keys are sealed until somebody says which one is in use; no check guesses."""
    files = RecoveryFiles(str(rotated.config))
    # As it is when all but the config has been replaced.
    register = rotated.plain / f"{rotated.config.name}.recovery.pem"
    register.chmod(0o600)
    register.write_text(register.read_text().replace(f", until {today()}", ""))
    both = rotated.sealed_for("ada")
    assert len(both) == 2
    key = ["--key", rotated.private]
    said = rotated.recovery("check", *key, status=ExitCode.FINDINGS)
    assert "not proven against the config" in said
    said = rescue(
        "paper", rotated.recovery_key, rotated.plain, status=ExitCode.USAGE
    ).stderr
    assert "nothing here proves" in said
    # The passphrase tells. What was sealed for the other key is still there.
    rotated.recovery("add", rotated.passphrase, rotated.certificate)
    assert rotated.sealed_for("ada") == both
    [ended, present] = files.register().epochs
    assert (ended.until, present.until) == (today(), None)
    assert "the fingerprint that was noted" in rotated.recovery("check", *key)
