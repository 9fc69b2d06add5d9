"""Directories that the kernel has forgotten before what it knew to be in them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pyfuse3
import pytest

from revcrypt.fuse.operations import Operations
from revcrypt.view.reverse import ReverseView
from tests.fuse.callers import caller
from tests.view.trees import PLAINTEXT, reverse_view

ROOT = pyfuse3.ROOT_INODE
CTX = caller(0, 0)


@pytest.fixture
def view(tmp_path: Path) -> Iterator[ReverseView]:
    """A view of a file that has a name in each of two directories."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    (tmp_path / "one" / "file").write_bytes(b"content")
    os.link(tmp_path / "one" / "file", tmp_path / "two" / "link")
    with reverse_view(tmp_path, PLAINTEXT) as view:
        yield view


@pytest.fixture
async def found(view: ReverseView) -> tuple[Operations, int]:
    """Operations that know the file, but not its first directory any more."""
    ops = Operations(view)
    directory = (await ops.lookup(ROOT, b"one", CTX)).st_ino
    inode = (await ops.lookup(directory, b"file", CTX)).st_ino
    await ops.forget([(directory, 1)])
    return ops, inode


async def test_a_file_outlives_its_directory(
    found: tuple[Operations, int], view: ReverseView
) -> None:
    """What is opened to look at it is closed when it is forgotten, too."""
    ops, inode = found
    await ops.getattr(inode, CTX)
    assert view.source._dir_fds
    await ops.forget([(inode, 1)])
    assert not view.source._dir_fds


async def test_a_file_is_found_elsewhere(
    found: tuple[Operations, int], view: ReverseView
) -> None:
    """When it is known by another name, its former directory is nothing to us."""
    ops, inode = found
    directory = (await ops.lookup(ROOT, b"two", CTX)).st_ino
    assert (await ops.lookup(directory, b"link", CTX)).st_ino == inode
    assert [node.shown_name for node in view.source._dir_fds] == [b"two"]
    await ops.forget([(inode, 2), (directory, 1)])
    assert not view.source._dir_fds
