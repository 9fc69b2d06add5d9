"""Restoring 20,000 files and all that is odd, where there is no FUSE at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISBLK, S_ISCHR, S_ISDIR, S_ISLNK, S_ISREG
from typing import NamedTuple

import pytest

from revcrypt.errors import ExitCode
from tests.mount.big_tree import build
from tests.rescue.running import USER, findings, summary, without_fuse
from tests.rescue.trees import Tree, assert_same, chown_tree, tree_at, write_copy
from tests.support import Entry

# Its own mount namespace needs the privileges that FUSE needs in a container.
pytestmark = pytest.mark.fuse

FILES = 20_000


class Backup(NamedTuple):
    """A source, what is in it, and its copy."""

    plain: Path
    original: Tree
    copy: Path


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    """A directory that everybody may enter."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def backup(directory: Path, config: Path) -> Backup:
    """A backup of all that backups have stumbled over, most of it owned by `USER`."""
    plain, copy = directory / "plain", directory / "copy"
    plain.mkdir()
    shutil.copy(config, plain / ".gocryptfs.reverse.conf")
    # The 200 levels make paths that are longer than PATH_MAX.
    build(plain, files=FILES, depth=200)
    chown_tree(plain, USER)
    write_copy(plain, copy)
    os.chown(copy, USER, USER)
    shutil.copy(config, copy / "gocryptfs.conf")
    (copy / "gocryptfs.conf").chmod(0o644)
    os.utime(copy, ns=(0, plain.stat().st_mtime_ns))
    return Backup(plain, tree_at(plain), copy)


@pytest.fixture(scope="module")
def users_passfile(directory: Path, passfile: Path) -> Path:
    """A passfile that `USER` may read."""
    path = directory / "passfile"
    shutil.copy(passfile, path)
    path.chmod(0o600)
    os.chown(path, USER, USER)
    return path


def test_as_root(backup: Backup, users_passfile: Path, directory: Path) -> None:
    """Everything comes back: contents, links, modes, owners, times, attributes, holes."""
    dest = directory / "by root"
    passfile = f"--passfile={users_passfile}"
    words = ("restore", "--json", "--privileged", passfile, backup.copy, dest)
    result = without_fuse(directory, *words)
    assert result.returncode == ExitCode.OK, (result.stdout, result.stderr)
    assert (findings(result.stdout), result.stderr) == ([], "")
    restored = tree_at(dest)
    assert_same(restored, backup.original)
    assert sum(S_ISREG(entry.mode) for entry in restored.entries.values()) > FILES

    source, sparse = (root / "sizes" / "sparse" for root in (backup.plain, dest))
    assert sparse.stat().st_blocks == source.stat().st_blocks
    assert sparse.stat().st_blocks * 512 < sparse.stat().st_size
    assert (dest / "sizes" / f"zeros {(1 << 20) + 1}").stat().st_blocks <= 8


def is_open(entry: Entry) -> bool:
    """Tell whether `USER` may read a file, or list a directory and enter it."""
    wanted = 5 if S_ISDIR(entry.mode) else 4
    granted = entry.mode >> 6 if entry.uid == USER else entry.mode
    return S_ISLNK(entry.mode) or granted & wanted == wanted


def as_user(original: Tree) -> tuple[Tree, set[bytes], set[bytes]]:
    """Return what `USER` can restore, what he cannot, and what loses something."""
    entries: dict[bytes, Entry] = {}
    lost, reduced = set(), set()
    for path, entry in original.entries.items():
        is_device = S_ISBLK(entry.mode) or S_ISCHR(entry.mode)
        closed_above = path.startswith(b"special/unreadable/")
        if closed_above:
            continue  # Nobody can know of it.
        if is_device or not is_open(entry):
            lost.add(path)
        if is_device or (S_ISREG(entry.mode) and not is_open(entry)):
            continue
        mode = entry.mode & ~(0o6000 if S_ISREG(entry.mode) else 0)
        xattrs = {
            name: value
            for name, value in entry.xattrs.items()
            if not name.startswith("trusted.")
        }
        if (mode, xattrs) != (entry.mode, entry.xattrs):
            reduced.add(path)
        entries[path] = entry._replace(mode=mode, xattrs=xattrs, uid=USER, gid=USER)
    return Tree(entries, original.links), lost, reduced


def test_as_user(backup: Backup, users_passfile: Path, directory: Path) -> None:
    """An ordinary user gets all that he may read, owned by him, and hears of the rest."""
    dest = directory / "by user"
    dest.mkdir()
    os.chown(dest, USER, USER)
    passfile = f"--passfile={users_passfile}"
    words = ("restore", "--json", passfile, backup.copy, dest)
    result = without_fuse(directory, *words, uid=USER)
    assert result.returncode == ExitCode.FINDINGS, (result.stdout, result.stderr)
    wanted, lost, reduced = as_user(backup.original)
    assert_same(tree_at(dest), wanted)

    found = findings(result.stdout)
    kinds = {kind: set[bytes]() for kind in ("withheld", "unreadable", "diriv")}
    for finding in found:
        kinds[finding["kind"]].add(os.fsencode(finding["path"]))
    devices = {b"special/null", b"special/" + b"block" * 40}
    # Of several names of a file, one tells.
    linked = {b"xattrs/linked", b"xattrs/directory/linked too"}
    assert kinds["withheld"] - linked == (devices | reduced) - linked
    assert len(kinds["withheld"] & linked) == 1
    assert kinds["unreadable"] | kinds["diriv"] == lost - devices
    assert summary(result.stdout)["findings"] == len(found)
