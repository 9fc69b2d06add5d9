"""A backup restored with Debian's openssl and gocryptfs, and nothing of revcrypt.

From the pulled ciphertext and one of three private keys. The shell below does what the
documentation tells people to do by hand.
"""

import os
import shlex
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.certificates import NAMES, person
from tests.cli.rescuing import rescue
from tests.support import PASSPHRASE, Mounts, backdate, run, snapshot

pytestmark = pytest.mark.fuse

TOOLS = (
    "openssl",
    "gocryptfs",
    "fusermount",
    "fusermount3",
    "umount",
    "sed",
    "cat",
    "sh",
)
MODES = ["", "--plaintext-names", "--deterministic-names", "--long-name-max=100"]
CASES = [("", name) for name in NAMES] + [(mode, "ada") for mode in MODES[1:]]
SHELL = r"""
openssl cms -decrypt -inform DER -in "$copy/gocryptfs.conf.recovery.p7m" \
    -inkey "$key" > "$text"
sed -n 's/^master key: //p' "$text" > "$text.key"
command=$(sed -n 's/^    gocryptfs \(.*\) CIPHERDIR MOUNTPOINT$/\1/p' "$text")
exec gocryptfs -fg $command "$copy" "$mountpoint" < "$text.key" > "$text.log" 2>&1
"""


class Backup(NamedTuple):
    """A tree, and a copy of its view without a config."""

    plain: Path
    copy: Path


@pytest.fixture(scope="module")
def backup_in(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Backup]:
    """A backup in each mode, sealed for everybody."""

    @cache
    def make(mode: str) -> Backup:
        directory = tmp_path_factory.mktemp("backup")
        plain, copy = directory / "plaindir", directory / "copy"
        (plain / "below").mkdir(parents=True)
        (plain / "letter").write_bytes(os.urandom(10_000))
        (plain / "below" / ("long " * 40)).write_text("content")
        (plain / "link").symlink_to("letter")
        sealed_for = [f"--recovery={person(who).write(directory)[0]}" for who in NAMES]
        words = ["init", "-q", "--scrypt-n=10", *sealed_for, *filter(None, [mode])]
        rescue(*words, plain, stdin=PASSPHRASE.encode())
        backdate(plain)
        mounts = Mounts(directory)
        try:
            run("rsync", "-aHAX", f"{mounts.reverse(plain)}/", f"{copy}/")
        finally:
            mounts.close()
        (copy / "gocryptfs.conf").unlink()
        return Backup(plain, copy)

    return make


@pytest.mark.parametrize(("mode", "name"), CASES)
def test_restore(
    mode: str,
    name: str,
    backup_in: Callable[[str], Backup],
    mounts: Mounts,
    tmp_path: Path,
) -> None:
    """What gocryptfs shows is the tree, whoever's key has opened the envelope."""
    plain, copy = backup_in(mode)
    _, key = person(name).write(tmp_path)
    # A PATH on which there is neither revcrypt nor Python.
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        if found is not None:
            (tools / tool).symlink_to(found)
    mountpoint = mounts.mountpoint("restored")
    values = {
        "PATH": tools,
        "copy": copy,
        "key": key,
        "text": tmp_path / "opened",
        "mountpoint": mountpoint,
    }
    settings = "".join(f"{k}={shlex.quote(str(v))}\n" for k, v in values.items())
    process = mounts.start("sh", "-euc", settings + SHELL, mountpoint)
    try:
        beside = [path.name.encode() for path in copy.glob("gocryptfs.conf.*")]
        own = [path.name.encode() for path in plain.glob(".gocryptfs.reverse.conf*")]
        # With plaintext names, gocryptfs takes them for a part of the tree.
        found_tree = snapshot(mountpoint, leave_out=beside)
        expected = snapshot(plain, leave_out=own)
        assert found_tree == {
            path: entry._replace(xattrs=found_tree[path].xattrs)
            for path, entry in expected.items()
        }
    finally:
        run("umount", mountpoint)
        # gocryptfs 2.3 sometimes hangs when its mount has gone.
        process.kill()


def test_fsck_names_them(mounts: Mounts, tmp_path: Path) -> None:
    """The check of gocryptfs complains of these files, and of nothing else."""
    plain = tmp_path / "plaindir"
    plain.mkdir()
    (plain / "letter").write_text("content")
    certificate, _ = person("ada").write(tmp_path)
    words = ["init", "-q", "--scrypt-n=10", f"--recovery={certificate}"]
    rescue(*words, plain, stdin=PASSPHRASE.encode())
    copy = tmp_path / "copy"
    run("rsync", "-aHAX", f"{mounts.reverse(plain)}/", f"{copy}/")
    words = ["gocryptfs", "-fsck", "-passfile", mounts.passfile, copy]
    said = run(*words, status=26)
    corrupt = [line for line in said.stdout.splitlines() if "corrupt entry" in line]
    corrupt += [line for line in said.stderr.splitlines() if "corrupt entry" in line]
    assert sorted(line.split('"')[-2] for line in corrupt) == [
        "gocryptfs.conf.recovery.p7m",
        "gocryptfs.conf.recovery.pem",
    ]
    verified = rescue("verify", "-j1", f"--passfile={mounts.passfile}", copy)
    assert "no problem" in verified.stderr
