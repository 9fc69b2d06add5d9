"""An unchanged source looks unchanged, whoever looked at what first, and when."""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from filecmp import cmp
from hashlib import sha256
from pathlib import Path
from random import Random
from stat import S_ISDIR, S_ISREG
from typing import NamedTuple

import pytest

from tests.mount.big_tree import build
from tests.support import Mounts, backdate, run, snapshot, walk

pytestmark = pytest.mark.fuse

CONFIG = b".gocryptfs.reverse.conf"


class Pull(NamedTuple):
    """A source and a copy of its view."""

    source: Path
    copy: Path


@pytest.fixture(scope="module")
def pull(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pull]:
    """Pull the big tree once."""
    directory = tmp_path_factory.mktemp("determinism")
    pull = Pull(directory / "source", directory / "copy")
    pull.source.mkdir()
    with closing(Mounts(directory)) as mounts:
        mounts.init(pull.source)
        build(pull.source, files=500, depth=60)
        rsync(mounts.reverse(pull.source), pull.copy)
        yield pull


def rsync(view: Path, copy: Path, *options: str) -> str:
    """Pull a view and return what rsync says."""
    return run("rsync", "-aH", *options, f"{view}/", copy).stdout


def statistic(output: str, name: str) -> int:
    """Return a number of rsync's --stats."""
    match = re.search(rf"^{name}: ([\d,]+)", output, re.MULTILINE)
    assert match, output
    return int(match[1].replace(",", ""))


def statuses(root: Path, paths: Iterable[bytes]) -> dict[bytes, os.stat_result]:
    """Look at *paths* in this order, and open what is a file."""
    found = {}
    for path in paths:
        full = os.fsencode(root) + b"/" + path
        found[path] = os.lstat(full)
        if S_ISREG(found[path].st_mode):
            with open(full, "rb") as file:
                file.read(1)
    return found


def inode_numbers(root: Path, paths: Iterable[bytes]) -> dict[bytes, int]:
    """Return the inode numbers of *paths*, after looking at them in this order."""
    return {path: status.st_ino for path, status in statuses(root, paths).items()}


def test_second_pull_transfers_nothing(pull: Pull, mounts: Mounts) -> None:
    """A second pull finds every file unchanged, and nothing else to do either."""
    view = mounts.reverse(pull.source)
    assert rsync(view, pull.copy, "--itemize-changes") == ""
    output = rsync(view, pull.copy, "--stats")
    assert statistic(output, "Number of regular files transferred") == 0
    assert statistic(output, "Number of files") > 1000


@pytest.mark.parametrize("order", ["backwards", "shuffled"])
def test_order_of_opening_does_not_matter(pull: Pull, mounts: Mounts, order: str) -> None:
    """After a remount every byte is the same, whichever name was opened first."""
    view = mounts.reverse(pull.source)
    paths = sorted(walk(view), reverse=order == "backwards")
    if order == "shuffled":
        Random(1).shuffle(paths)
    seen = statuses(view, paths).values()
    linked = [s for s in seen if s.st_nlink > 1 and not S_ISDIR(s.st_mode)]
    assert len(linked) > 20
    assert rsync(view, pull.copy, "-ni", "--checksum") == ""


def test_inode_numbers_after_remount(pull: Pull, mounts: Mounts) -> None:
    """After a remount inode numbers are the same, and real files have the source's."""
    first = mounts.reverse(pull.source, "first")
    paths = sorted(walk(first))
    numbers = inode_numbers(first, paths)
    mounts.unmount(first)
    second = mounts.reverse(pull.source, "second")
    assert inode_numbers(second, reversed(paths)) == numbers
    assert second.stat().st_ino == pull.source.stat().st_ino
    found = statuses(pull.source, walk(pull.source)).values()
    real = {status.st_ino for status in found if not S_ISDIR(status.st_mode)}
    assert len(real - set(numbers.values())) == 1, "only the config has another number"


def test_inode_numbers_of_other_filesystems(mounts: Mounts, tmp_path: Path) -> None:
    """Numbers are the same after a remount, and apart, on filesystems below too."""
    source = tmp_path / "source"
    source.mkdir()
    disks = [mounts.mountpoint(f"source/disk {number}") for number in range(2)]
    for disk in disks:
        run("mount", "-t", "tmpfs", "tmpfs", disk)
        (disk / "directory").mkdir()
        (disk / "directory" / "file").write_bytes(b"content")
        os.link(disk / "directory" / "file", disk / "link")
    # Only then does it matter that the numbers are kept apart.
    assert disks[0].stat().st_ino == disks[1].stat().st_ino
    mounts.init(source)
    first = mounts.reverse(source, "first")
    paths = sorted(walk(first))
    found = statuses(first, paths)
    numbers = {path: status.st_ino for path, status in found.items()}
    contents = {path: entry.content for path, entry in snapshot(first).items()}
    mounts.unmount(first)
    second = mounts.reverse(source, "second")
    assert inode_numbers(second, reversed(paths)) == numbers
    assert {path: entry.content for path, entry in snapshot(second).items()} == contents
    files = [status for status in found.values() if S_ISREG(status.st_mode)]
    links = {status.st_ino: status.st_nlink for status in files}
    assert sum(links.values()) == len(files), "two files have one number"


def test_changed_byte_transfers_little(mounts: Mounts, tmp_path: Path) -> None:
    """After a change of one byte in 100 MiB, rsync sends under 50 kB, and it restores."""
    source = tmp_path / "source"
    source.mkdir()
    mounts.init(source)
    large = source / "large"
    large.write_bytes(Random(2).randbytes(1 << 20) * 100)
    backdate(source)
    view = mounts.reverse(source)
    copy = tmp_path / "copy"
    rsync(view, copy)
    with open(large, "r+b") as file:
        file.seek(50_000_000)
        [byte] = file.read(1)
        file.seek(50_000_000)
        file.write(bytes([byte ^ 1]))
    output = rsync(view, copy, "--no-whole-file", "--stats")
    assert statistic(output, "Number of regular files transferred") == 1
    assert 0 < statistic(output, "Literal data") < 50_000
    assert cmp(mounts.forward(copy) / "large", large, shallow=False)


RENAMES = {
    "renamed": [("one", "new name")],
    "swapped": [("one", "aside"), ("second", "one"), ("aside", "second")],
    "moved": [("one", "second/one")],
    "long": [("one", "n" * 255)],
}


@pytest.mark.parametrize("name", RENAMES)
def test_rename_under_a_live_mount(mounts: Mounts, tmp_path: Path, name: str) -> None:
    """What is pulled right after a directory was renamed has no undecryptable name."""
    source = tmp_path / "source"
    for directory in ("one", "second"):
        inner = source / directory / "inner"
        inner.mkdir(parents=True)
        for file in ("file", "f" * 200, "linked"):
            # Of different sizes, so that rsync knows them apart.
            (inner / file).write_text(f"{file} of {directory}" * 1000)
        os.link(inner / "linked", inner / "other name")
        (inner / "symlink").symlink_to(directory)
    mounts.init(source)
    backdate(source)
    view = mounts.reverse(source)
    copy = tmp_path / "copy"
    rsync(view, copy)
    for old, new in RENAMES[name]:
        (source / old).rename(source / new)
    for path in source.iterdir():
        os.utime(path, (0, 0))
    rsync(view, copy, "--delete")
    passfile = f"--passfile={mounts.passfile}"
    run("gocryptfs", "-fsck", "-q", passfile, copy)
    assert snapshot(mounts.forward(copy)) == snapshot(source, leave_out=[CONFIG])


def test_directory_iv_after_rename(mounts: Mounts, tmp_path: Path) -> None:
    """The kernel never shows the IV of the path that a directory had before."""
    source = tmp_path / "source"
    (source / "directory").mkdir(parents=True)
    mounts.init(source)
    view = mounts.reverse(source)
    for name in ("first", "second", "third"):
        (source / "directory").rename(source / name)
        [shown] = [path for path in view.iterdir() if path.is_dir()]
        # The specification, section 3.5.
        expected = sha256(os.fsencode(shown.name) + b"\0DIRIV").digest()[:16]
        assert (shown / "gocryptfs.diriv").read_bytes() == expected
        (source / name).rename(source / "directory")
