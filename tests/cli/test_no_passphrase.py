"""`revcrypt init` with recovery certificates, and without any passphrase."""

import os
from pathlib import Path

import pytest

from revcrypt.errors import ExitCode
from revcrypt.format.keys import parse_master_key
from tests.certificates import person
from tests.cli.rescuing import CONFIG, REVERSE_CONFIG, rescue
from tests.kills import Killer, killed_at_every_write
from tests.support import PASSPHRASE, Mounts, run, write_secret

CHEAP = "--scrypt-n=10"


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A tree without a config."""
    path = tmp_path / "plain"
    path.mkdir()
    (path / "letter").write_text("dear all\n")
    return path


@pytest.fixture
def ada(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate and its private key."""
    return person("ada").write(tmp_path)


def names(plain: Path) -> set[str]:
    """Return what `init` has left there."""
    return {name.removeprefix(REVERSE_CONFIG) for name in os.listdir(plain)} - {"letter"}


def test_init_with_a_certificate(plain: Path, ada: tuple[Path, Path]) -> None:
    """The recovery files are there from the beginning."""
    certificate, key = ada
    stdin = PASSPHRASE.encode()
    said = rescue("init", CHEAP, f"--recovery={certificate}", plain, stdin=stdin).stderr
    assert "can be opened by the private key of CN=ada" in said
    assert f"wrote {plain / REVERSE_CONFIG}.recovery.p7m" in said
    assert names(plain) == {"", ".recovery.p7m", ".recovery.pem"}
    config = f"--config={plain}"
    checked = rescue("recovery", "check", "--key", key, config).stdout
    assert b"the config is the same as then" in checked
    (plain / REVERSE_CONFIG).unlink()
    again = rescue("init", CHEAP, plain, stdin=stdin, status=ExitCode.CONFIG_EXISTS)
    assert "there is a recovery file already" in again.stderr


@pytest.mark.fuse
@pytest.mark.parametrize("way", ["file", "credential"])
def test_no_passphrase(
    way: str,
    plain: Path,
    ada: tuple[Path, Path],
    mounts: Mounts,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Mounted with the master key alone, pulled, and restored with the private key."""
    certificate, key = ada
    words = ["init", CHEAP, "--no-passphrase", f"--recovery={certificate}"]
    credentials = plain.parent / "credentials"
    credentials.mkdir()
    keyfile = credentials / "masterkey"
    options = []
    if way == "file":
        keyfile = plain.parent / "keyfile"
        said = rescue(*words, f"--masterkey-file={keyfile}", plain)
        assert said.stdout == b""
        assert keyfile.stat().st_mode & 0o777 == 0o400
        options = [f"--masterkey={keyfile}"]
    else:
        write_secret(keyfile, os.fsdecode(rescue(*words, plain).stdout))
        write_secret(credentials / "passphrase", "\n")
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert len(parse_master_key(keyfile.read_text())) == 32
    view = mounts.mountpoint("view")
    mounts.foreground("reverse", "--foreground", *options, plain, view)
    copy = plain.parent / "copy"
    copy.mkdir()
    run("cp", "-a", f"{view}/.", copy)
    assert f"{CONFIG}.recovery.p7m" in os.listdir(copy)
    dest = plain.parent / "dest"
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    rescue("restore", "-q", "-j1", f"--recovery-key={key}", copy, dest)
    assert (dest / "letter").read_text() == "dear all\n"
    said = rescue("ls", copy, stdin=b"x\n", status=ExitCode.PASSPHRASE_WRONG)
    assert said.stdout == b""
    assert "has no passphrase" in said.stderr


def test_a_blank_credential_is_none(
    plain: Path, ada: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What systemd passes on if there is no such file is no master key."""
    stdin = PASSPHRASE.encode()
    rescue("init", CHEAP, plain, stdin=stdin)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    write_secret(tmp_path / "masterkey", "\n")
    assert rescue("path", "encrypt", plain, "letter", stdin=stdin).lines


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--no-passphrase"], "name a certificate"),
        (["--no-passphrase", "--passfile=x", "--recovery={}"], "excludes a passphrase"),
        (["--masterkey-file=x", "--recovery={}"], "is for --no-passphrase"),
    ],
)
def test_refused(
    words: list[str], message: str, plain: Path, ada: tuple[Path, Path]
) -> None:
    """There must be a way to restore, and no two ways to mount."""
    words = [word.format(ada[0]) for word in words]
    said = rescue("init", CHEAP, *words, plain, status=ExitCode.USAGE).stderr
    assert message in said
    assert names(plain) == set()


def test_a_key_file_is_not_replaced(plain: Path, ada: tuple[Path, Path]) -> None:
    """It may be that of another backup."""
    keyfile = plain.parent / "keyfile"
    write_secret(keyfile, "mine")
    words = ["--no-passphrase", f"--recovery={ada[0]}", f"--masterkey-file={keyfile}"]
    said = rescue("init", CHEAP, *words, plain, status=ExitCode.CONFIG_EXISTS).stderr
    assert "there is a file already" in said
    assert keyfile.read_text() == "mine"
    assert names(plain) == set()


def test_killed_at_every_write(
    plain: Path, ada: tuple[Path, Path], killer: Killer
) -> None:
    """Where there is a config, there is what it needs."""
    certificate, _ = ada
    keyfile = plain.parent / "keyfile"

    def prepare() -> None:
        for path in [*plain.glob(".*"), *plain.parent.glob("keyfile*")]:
            path.unlink()

    words = ["--no-passphrase", "--recovery", certificate, "--masterkey-file", keyfile]
    found = set()
    for _ in killed_at_every_write(killer, ["init", CHEAP, *words, plain], prepare):
        has_config = (plain / REVERSE_CONFIG).exists()
        found.add(has_config)
        if has_config:
            assert {".recovery.p7m", ".recovery.pem"} <= names(plain)
            assert parse_master_key(keyfile.read_text())
    assert found == {False, True}
