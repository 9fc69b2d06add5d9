"""Restoring to where there is no room, or where nothing can be written at all."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from revcrypt.errors import ExitCode
from tests.rescue.running import Command
from tests.rescue.trees import BIG, in_copy
from tests.support import Mounts, run

pytestmark = pytest.mark.fuse

NAMES = ["documents/report.odt", "links/absolute", "odd", "sparse", "big"]


@pytest.fixture
def small(mounts: Mounts) -> Iterator[Path]:
    """An empty filesystem with room for 200 KiB."""
    path = mounts.mountpoint("small")
    run("mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", path)
    yield path
    mounts.unmount(path)


@pytest.mark.parametrize("jobs", ["-j1", "-j2"])
def test_full(jobs: str, copy: Path, small: Path, restore: Command) -> None:
    """A full disk ends it with a way out; once there is room, it goes on and is done."""
    said = restore(jobs, copy, small, *NAMES, status=ExitCode.DESTINATION)
    assert said.stderr == (
        "revcrypt: error: cannot write to the destination: No space left on device\n"
        "revcrypt: hint: make room and run the same command again; "
        "it goes on where it was\n"
    )
    assert not (small / "big").exists()
    left = [path for path in small.rglob("*") if path.name.startswith(".revcrypt")]
    # A worker that was in the middle of a file is ended there.
    assert left == [] or jobs == "-j2"
    run("mount", "-o", "remount,size=2m", small)
    assert restore(jobs, copy, small, *NAMES) == ("", "")
    assert (small / "big").read_bytes() == BIG
    assert sorted(os.listdir(small)) == ["big", "documents", "links", "odd", "sparse"]


def test_no_inodes(copy: Path, small: Path, restore: Command) -> None:
    """No room for more files is no room, too."""
    run("mount", "-o", "remount,nr_inodes=4", small)
    said = restore(copy, small, "odd", status=ExitCode.DESTINATION)
    assert "No space left on device" in said.stderr


def test_read_only(copy: Path, small: Path, restore: Command) -> None:
    """Where nothing may be written, it ends before long."""
    run("mount", "-o", "remount,ro", small)
    said = restore(copy, small, "big", status=ExitCode.DESTINATION)
    assert "Read-only file system" in said.stderr


def test_no_report(
    plain: Path, copy: Path, mounts: Mounts, small: Path, restore: Command
) -> None:
    """A report that cannot be written is told of, and what was restored stays."""
    # Less than there is room for.
    os.truncate(in_copy(plain, copy, "big"), 100_000)
    dest = small / "dest"
    # The filesystem's root, the destination and the file itself.
    run("mount", "-o", "remount,nr_inodes=3", small)
    said = restore("--salvage", copy, dest, "big", status=ExitCode.DESTINATION)
    assert "dest.salvage.txt cannot be written" in said.stderr
    assert (dest / "big").read_bytes()[:98_304] == BIG[:98_304]
