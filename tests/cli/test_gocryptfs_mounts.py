"""The same command line, given to gocryptfs and to revcrypt, shows the same."""

import os
from pathlib import Path
from stat import S_IFMT

import pytest

from tests.support import KEY, REVCRYPT, Mounts, run, snapshot

pytestmark = pytest.mark.fuse

Shown = dict[bytes, tuple[int, bytes | None]]


@pytest.fixture
def source(mounts: Mounts) -> Path:
    """A directory with a bit of everything, and a config."""
    path = mounts.directory / "source"
    (path / "directory" / "empty directory").mkdir(parents=True)
    (path / "directory" / "file").write_bytes(os.urandom(10_000))
    (path / "empty").touch()
    (path / ("long name " * 20)).write_bytes(b"content")
    os.mkfifo(path / "fifo")
    os.symlink(b"target \xff", path / "link")
    mounts.init(path)
    return path


def both(mounts: Mounts, source: Path, *options: str) -> tuple[Shown, Shown]:
    """Mount with gocryptfs and with revcrypt; return what both show."""
    shown: list[Shown] = []
    for number, program in enumerate((["gocryptfs"], REVCRYPT)):
        mountpoint = mounts.mountpoint(f"shown by {number}")
        mounts.start(*program, "-fg", "-q", *options, source, mountpoint)
        entries = snapshot(mountpoint).items()
        shown.append({p: (S_IFMT(e.mode), e.content) for p, e in entries})
    theirs, ours = shown
    return theirs, ours


@pytest.mark.parametrize(
    "options",
    [
        "-passfile=PASSFILE",
        "-extpass=cat -extpass=PASSFILE",
        f"-masterkey={KEY.hex()}",
        "-masterkey=" + "-".join([KEY.hex()[:8]] * 8),
        "-zerokey",
        "-zerokey -allow_other",
        "-zerokey -plaintextnames",
        "-zerokey -deterministic-names",
        "-zerokey -longnamemax=100",
        "-zerokey -raw64=false",
        "-zerokey -hkdf=false",
        "-o zerokey,rw,dev,suid,noexec",
    ],
)
def test_reverse(options: str, mounts: Mounts, source: Path) -> None:
    """The encrypted view is the same."""
    words = options.replace("PASSFILE", str(mounts.passfile)).split()
    theirs, ours = both(mounts, source, "-reverse", *words)
    assert len(theirs) >= 8
    assert ours == theirs


def test_reverse_with_config_elsewhere(mounts: Mounts, source: Path) -> None:
    """With -config, the view is the same except for the config, which we always show."""
    config = mounts.directory / "config"
    (source / ".gocryptfs.reverse.conf").rename(config)
    options = ("-reverse", f"-config={config}", f"-passfile={mounts.passfile}")
    theirs, ours = both(mounts, source, *options)
    assert ours.pop(b"gocryptfs.conf")[1] == config.read_bytes()
    assert ours == theirs


@pytest.mark.parametrize(
    "options",
    [[], ["-aessiv"], ["-plaintextnames"], ["-deterministic-names"], ["-xchacha"]],
)
@pytest.mark.parametrize("with_key", [False, True])
def test_forward(
    options: list[str], with_key: bool, mounts: Mounts, source: Path
) -> None:
    """What gocryptfs has written is decrypted, with the passphrase or the master key."""
    passfile = f"-passfile={mounts.passfile}"
    cipher = mounts.directory / "cipher"
    cipher.mkdir()
    run("gocryptfs", "-init", "-q", "-scryptn=10", passfile, *options, cipher)
    written = mounts.gocryptfs(cipher, "written")
    run("cp", "-a", f"{source}/.", written)
    mounts.unmount(written)
    opened = [passfile]
    if with_key:
        config = cipher / "gocryptfs.conf"
        passphrase = mounts.passfile.read_text()
        dump = run("gocryptfs-xray", "-dumpmasterkey", config, stdin=passphrase).stdout
        opened = [f"-masterkey={dump.split()[-1]}", *options]
    theirs, ours = both(mounts, cipher, *opened)
    assert len(theirs) >= 8
    assert ours == theirs
