"""Filesystems whose inode numbers are odd."""

import os
from contextlib import ExitStack
from itertools import permutations
from pathlib import Path

import pytest

from tests.hostile.backup import pull, restore
from tests.hostile.odd_filesystem import claim, mount_odd_filesystem
from tests.rescue.trees import assert_same, tree_at, without_xattrs
from tests.support import Mounts, snapshot

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can set such attributes"),
]

ODD_NUMBERS = (1, 2, 2**32 - 1, 2**32, 2**62 - 1, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
THEN = 1_500_000_000_000_000_000


def comes_back(mounts: Mounts, source: Path, plain: Path) -> None:
    """Check that a backup of *source* is what *plain* is, twice the same."""
    view = mounts.reverse(source)
    copy = pull(mounts, view)
    assert_same(tree_at(restore(mounts, copy)), without_xattrs(tree_at(plain)))
    mounts.unmount(view)
    before = snapshot(copy)
    view.rmdir()
    assert snapshot(pull(mounts, mounts.reverse(source), "--checksum")) == before


KINDS = ("file", "first", "link", "")
"""A file, one with another name, a symlink, and the directory that they are in."""


@pytest.mark.parametrize(
    ("exact", "names"), [("file", []), ("first", ["--plaintext-names"])]
)
def test_odd_numbers(
    exact: str, names: list[str], mounts: Mounts, plain: Path, oddfs: Path
) -> None:
    """Numbers that FUSE gives a meaning, or that need all bits, are numbers like others.

    Those of one kind have them exactly, and other kinds something near, as no two objects
    may have the same.
    """
    mounts.init(plain, *names)
    for number in ODD_NUMBERS:
        inner = plain / f"directory {number}"
        inner.mkdir()
        (inner / "file").write_text(f"file {number}")
        (inner / "link").symlink_to(f"link {number}")
        (inner / "first").write_text(f"linked {number}")
        os.link(inner / "first", inner / "second")
        for kind in KINDS:
            bit = 0 if kind == exact else 1 << 8 + KINDS.index(kind)
            claim(inner / kind, ino=number ^ bit)
    comes_back(mounts, mount_odd_filesystem(mounts, oddfs, plain), plain)


TWINS = ("one", "two", "six")


def make_twins(plain: Path, *, nlink: int = 1, apart: int = 0) -> None:
    """Make files that nothing but names and contents tells apart, and maybe times."""
    claim(plain, ino=1)  # As FUSE filesystems like to call their roots.
    for number, name in enumerate(TWINS):
        (plain / name).write_bytes(name.encode() * 3000)
        time = THEN + number * apart
        os.utime(plain / name, ns=(time, time))
        claim(plain / name, ino=77, nlink=nlink)


def read_by_turns(shown: Path) -> None:
    """Read them in each order, with all of them open, and check what is read."""
    for order in permutations(TWINS):
        with ExitStack() as files:
            for name, file in [
                (name, files.enter_context(open(shown / name, "rb"))) for name in order
            ]:
                assert file.read() == name.encode() * 3000


def test_colliding_numbers(mounts: Mounts, plain: Path, oddfs: Path) -> None:
    """Different files of the same number are read for what they are, in any order."""
    mounts.init(plain)
    make_twins(plain)
    source = mount_odd_filesystem(mounts, oddfs, plain)
    comes_back(mounts, source, plain)
    view = mounts.directory / "view"
    read_by_turns(mounts.forward(view, "shown"))
    read_by_turns(mounts.gocryptfs(view, "shown by gocryptfs", "-ro"))


def test_colliding_names_of_several(mounts: Mounts, plain: Path, oddfs: Path) -> None:
    """Files that claim to have more names are told apart by what else differs."""
    mounts.init(plain)
    make_twins(plain, nlink=2, apart=1)
    source = mount_odd_filesystem(mounts, oddfs, plain)
    read_by_turns(mounts.forward(mounts.reverse(source), "shown"))


def test_colliding_kinds(mounts: Mounts, plain: Path, oddfs: Path) -> None:
    """So are objects of other kinds that have the number of a file."""
    mounts.init(plain)
    for number in range(10):
        (plain / f"file {number}").write_text(f"file {number}")
        (plain / f"link {number}").symlink_to(f"target {number}")
        os.mkfifo(plain / f"fifo {number}")
        (plain / f"directory {number}" / "below").mkdir(parents=True)
    for path in plain.rglob("* *"):
        claim(path, ino=77)
    comes_back(mounts, mount_odd_filesystem(mounts, oddfs, plain), plain)


def test_moved_objects_are_not_told_apart(mounts: Mounts, plain: Path) -> None:
    """What a renamed directory takes along keeps its numbers, also while it is open."""
    mounts.init(plain, "--plaintext-names")
    (plain / "dir" / "sub").mkdir(parents=True)
    (plain / "dir" / "sub" / "file").write_text("content")
    (plain / "dir" / "sub" / "link").symlink_to("target")
    view = mounts.reverse(plain)
    names = ("file", "link")
    before = [os.lstat(view / "dir" / "sub" / name).st_ino for name in names]
    with open(view / "dir" / "sub" / "file", "rb"):
        os.listdir(view / "dir" / "sub")
        (plain / "dir").rename(plain / "moved")
        sub = view / "moved" / "sub"
        assert [os.lstat(sub / name).st_ino for name in names] == before
        assert sorted(entry.inode() for entry in os.scandir(sub)) == sorted(before)
