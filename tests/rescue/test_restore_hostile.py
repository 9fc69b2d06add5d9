"""Restoring a backup that an enemy has prepared."""

import os
import struct
from collections.abc import Callable
from pathlib import Path
from stat import S_IFBLK, S_IFCHR

import pytest

from revcrypt.errors import ExitCode
from revcrypt.format import derive
from revcrypt.format.config import Features
from revcrypt.format.volume import Volume
from tests.rescue.running import Command, findings
from tests.rescue.trees import (
    LONG,
    REPORT,
    assert_same,
    in_copy,
    tree_at,
    write_copy,
)
from tests.rescue.untouched import unchanged, without
from tests.support import KEY

CAPABILITY = struct.pack("<5I", 0x0200_0001, 1 << 13, 0, 0, 0)
"""cap_net_raw, as ping has it (capabilities(7))."""


SPECIAL: dict[str, Callable[[Path, Path], object]] = {
    # each at one path, with a FIFO at the other
    "FIFO": lambda path, fifo: os.link(fifo, path),
    "device": lambda path, _: os.mknod(path, S_IFCHR | 0o666, os.makedev(1, 5)),
    "link to a FIFO": lambda path, fifo: path.symlink_to(fifo),
    "directory": lambda path, _: path.mkdir(),
}


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    """A FIFO that nobody ever writes to."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


@pytest.mark.parametrize("salvage", [[], ["--salvage"]], ids=["", "salvage"])
@pytest.mark.parametrize("kind", SPECIAL)
@pytest.mark.parametrize("what", ["file", "diriv", "name file"])
def test_special_files(
    what: str,
    kind: str,
    salvage: list[str],
    fifo: Path,
    plain: Path,
    copy: Path,
    dest: Path,
    restore: Command,
) -> None:
    """Nothing that takes the place of a file of the backup is waited for, or read."""
    lost = {"file": "big", "diriv": "documents", "name file": f"{LONG} dir"}[what]
    entry = in_copy(plain, copy, lost)
    path = {
        "file": entry,
        "diriv": entry / "gocryptfs.diriv",
        "name file": entry.with_name(entry.name + ".name"),
    }[what]
    path.unlink()
    SPECIAL[kind](path, fifo)
    # What a directory's IV was can be found out, and a FIFO may have been one before.
    is_whole = what == "diriv" or (what, kind) == ("file", "FIFO")
    restore(*salvage, copy, dest, status=0 if is_whole else ExitCode.FINDINGS)
    gone = [] if what == "diriv" else [lost]
    found, wanted = without(tree_at(dest), *gone), without(tree_at(plain), *gone)
    missing = wanted.entries.keys() - found.entries.keys()
    assert missing == set()
    assert (dest / "documents" / "report.odt").read_bytes() == REPORT


@pytest.mark.parametrize("kind", SPECIAL)
def test_special_config(
    kind: str, fifo: Path, copy: Path, dest: Path, restore: Command
) -> None:
    """A config that is no file is no config; it is not waited for."""
    config = copy / "gocryptfs.conf"
    config.unlink()
    SPECIAL[kind](config, fifo)
    said = restore(copy, dest, status=ExitCode.CONFIG_UNREADABLE)
    assert "not a regular file" in said.stderr
    assert not dest.exists()


@pytest.mark.parametrize(
    "name", [b"..", b".", b"a/b", b"../../outside/new", b"/etc", b"a\0"]
)
def test_names_that_lead_out(
    name: bytes, plain: Path, copy: Path, dest: Path, outside: Path, restore: Command
) -> None:
    """Whoever has the key cannot make names that lead anywhere, either."""
    volume = Volume.open(KEY, Features())
    [entry] = volume.names.encrypt([name], derive.dir_iv(b""))
    (copy / os.fsdecode(entry)).write_bytes(in_copy(plain, copy, "big").read_bytes())
    with unchanged(outside):
        said = restore("--json", copy, dest, status=ExitCode.FINDINGS)
    [finding] = findings(said.stdout)
    assert (finding["kind"], finding["path"]) == ("name", None)
    original = tree_at(plain)
    restored = tree_at(dest)
    assert restored.entries[b""] != original.entries[b""]  # The copy's time has changed.
    assert_same(without(restored, ""), without(original, ""))


@pytest.fixture
def armed(plain: Path, tmp_path: Path) -> Path:
    """A copy with devices, a setuid program, and one that has capabilities."""
    (plain / "setuid").write_text("#!/bin/sh")
    (plain / "setuid").chmod(0o6755)
    (plain / "capable").write_text("#!/bin/sh")
    os.setxattr(plain / "capable", "security.capability", CAPABILITY)
    os.mknod(plain / "null", S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(plain / "disk", S_IFBLK | 0o600, os.makedev(7, 99))
    os.utime(plain, ns=(0, 1_111_111_111_000_000_001))
    path = tmp_path / "armed"
    write_copy(plain, path)
    return path


def test_privileges_withheld(
    plain: Path, armed: Path, dest: Path, restore: Command
) -> None:
    """Nothing that gives power is restored unless it is asked for; each is told of."""
    said = restore("--json", armed, dest, status=ExitCode.FINDINGS)
    found = [(finding["kind"], finding["path"]) for finding in findings(said.stdout)]
    names = ("capable", "disk", "null", "setuid")
    assert sorted(found) == [("withheld", name) for name in names]
    wanted = without(tree_at(plain), "disk", "null")
    entry = wanted.entries[b"setuid"]
    wanted.entries[b"setuid"] = entry._replace(mode=entry.mode & ~0o6000)
    wanted.entries[b"capable"] = wanted.entries[b"capable"]._replace(xattrs={})
    assert_same(tree_at(dest), wanted)


def test_privileged(plain: Path, armed: Path, dest: Path, restore: Command) -> None:
    """With --privileged, they are as they were."""
    assert restore("--privileged", armed, dest) == ("", "")
    assert_same(tree_at(dest), tree_at(plain))
