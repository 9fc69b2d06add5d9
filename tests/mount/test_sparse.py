"""Sparse files survive programs that look for holes, which the view does not have.

gocryptfs 2.3 fails all of this: a file that begins with a hole loses its header.
"""

import os
from hashlib import file_digest
from pathlib import Path

import pytest

from tests.mount.big_tree import sparse_file
from tests.support import Mounts, backdate, read_at, run

pytestmark = pytest.mark.fuse

MIB = 1 << 20
GIB = 1 << 30


def cp(view: Path, copy: Path, *options: str) -> None:
    """Copy a view with cp."""
    run("cp", "-a", *options, f"{view}/.", copy)


def tar(view: Path, copy: Path, *options: str) -> None:
    """Copy a view with tar, there and back."""
    archive = copy.with_suffix(".tar")
    run("tar", "-c", "--format=posix", *options, "-f", archive, "-C", view, ".")
    run("tar", "-x", "-p", "-f", archive, "-C", copy)


COPIES = {
    "cp": (cp, []),
    "cp-sparse": (cp, ["--sparse=always"]),
    "tar": (tar, []),
    "tar-sparse": (tar, ["-S"]),
    "tar-seek": (tar, ["-S", "--hole-detection=seek"]),
}


@pytest.fixture
def plain(mounts: Mounts, tmp_path: Path) -> Path:
    """An empty source."""
    path = tmp_path / "source"
    path.mkdir()
    mounts.init(path)
    return path


def digest(path: Path) -> str:
    """Return the hash of a whole file."""
    with open(path, "rb") as file:
        return file_digest(file, "sha256").hexdigest()


@pytest.mark.parametrize("name", COPIES)
def test_copies_restore(mounts: Mounts, plain: Path, tmp_path: Path, name: str) -> None:
    """A file that begins with a hole comes back from a copy, whatever made the copy."""
    sparse = plain / "sparse"
    sparse_file(sparse, 64 * MIB)
    only_a_hole = plain / "only a hole"
    only_a_hole.touch()
    os.truncate(only_a_hole, MIB)
    backdate(plain)
    copy = tmp_path / "copy"
    copy.mkdir()
    program, options = COPIES[name]
    program(mounts.reverse(plain), copy, *options)
    restored = mounts.forward(copy)
    for file in (sparse, only_a_hole):
        back = restored / file.name
        assert digest(back) == digest(file)
        assert back.stat().st_mtime_ns == file.stat().st_mtime_ns


def test_view_has_no_holes(mounts: Mounts, plain: Path) -> None:
    """The kernel is told that a sparse file is data from end to end."""
    sparse_file(plain / "sparse", 64 * MIB)
    [shown] = [
        path for path in mounts.reverse(plain).iterdir() if path.stat().st_size > MIB
    ]
    status = shown.stat()
    assert status.st_blocks * 512 >= status.st_size
    with open(shown, "rb") as file:
        assert os.lseek(file.fileno(), 0, os.SEEK_DATA) == 0
        assert os.lseek(file.fileno(), 0, os.SEEK_HOLE) == status.st_size


def test_huge_sparse_file(mounts: Mounts, plain: Path, tmp_path: Path) -> None:
    """Any part of a file of 1 GiB can be had without reading what comes before it."""
    sparse = plain / "sparse"
    sparse_file(sparse, GIB)
    view = mounts.reverse(plain)
    restored = mounts.forward(view)
    assert (restored / "sparse").stat().st_size == GIB
    [shown] = [path for path in view.iterdir() if path.stat().st_size > MIB]
    # A header, and 32 bytes for each block of 4096 (specification, section 3.3).
    assert shown.stat().st_size == 18 + GIB + 32 * (GIB // 4096)
    for quarter in range(5):
        for offset in (-5000, -4096, -1, 0, 1, 1000 * quarter):
            start = min(max(GIB // 4 * quarter + offset, 0), GIB - 1)
            assert read_at(restored / "sparse", start, 5000) == read_at(
                sparse, start, 5000
            )
