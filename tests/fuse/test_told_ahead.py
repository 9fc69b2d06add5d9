"""Answers that are ready before they are asked for, and what happens in between."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pyfuse3
import pytest

from revcrypt.fuse.entries import TIMEOUT
from revcrypt.fuse.operations import Operations
from revcrypt.view.reverse import ReverseView
from tests.clock import later
from tests.view.trees import PLAINTEXT, cipher_size, reverse_view

ROOT = pyfuse3.ROOT_INODE
CTX = pyfuse3.RequestContext()

__all__ = ["later"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file that it is about, in a directory."""
    (tmp_path / "directory").mkdir()
    path = tmp_path / "directory" / "file"
    path.write_bytes(bytes(9000))
    return path


@pytest.fixture
def view(path: Path, later: None) -> Iterator[ReverseView]:
    """A view an hour later, so that nothing has changed lately."""
    with reverse_view(path.parent.parent, PLAINTEXT) as view:
        yield view


Told = dict[bytes, pyfuse3.EntryAttributes]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """What was reported, by name."""
    told: Told = {}

    def reply(_: object, name: bytes, entry: pyfuse3.EntryAttributes, __: int) -> bool:
        told[name] = entry
        return True

    monkeypatch.setattr(pyfuse3, "readdir_reply", reply)
    monkeypatch.setattr(pyfuse3, "invalidate_inode", lambda *_, **__: None)
    return told


async def look_ahead(ops: Operations) -> int:
    """List the root, and look ahead at the directory in it; return its number."""
    await ops.readdir(await ops.opendir(ROOT, CTX), 0, None)
    while ops.ahead.step():
        pass
    listing = ops.ahead._listing
    assert listing is not None
    assert len(listing.found) == 1
    return listing.node.inode


async def report(ops: Operations, told: Told, directory: int) -> tuple[int, float]:
    """List the directory; return the size that is told, and for how long it holds."""
    await ops.readdir(await ops.opendir(directory, CTX), 0, None)
    return told[b"file"].st_size, told[b"file"].attr_timeout


def change(path: Path, size: int) -> None:
    """Let the file have another size, and have changed just now."""
    os.truncate(path, size)
    os.utime(path, ns=(time.time_ns(), time.time_ns()))


async def test_what_is_ready_is_told(
    ops: Operations, view: ReverseView, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is looked at again if nothing has happened."""
    directory = await look_ahead(ops)
    monkeypatch.setattr(view, "child", lambda *_: 1 / 0)
    assert await report(ops, told, directory) == (cipher_size(9000), TIMEOUT)


async def test_somebody_was_told_more(ops: Operations, told: Told, path: Path) -> None:
    """Who was told a new size must not be answered with the old one by the kernel."""
    directory = await look_ahead(ops)
    change(path, 9500)
    entry = await ops.lookup(directory, b"file", CTX)
    assert (entry.st_size, entry.attr_timeout) == (cipher_size(9500), 0)
    assert await report(ops, told, directory) == (cipher_size(9500), 0)


async def test_somebody_has_opened_less(ops: Operations, told: Told, path: Path) -> None:
    """Where the kernel believes in more than a reader has, it makes up zeros."""
    directory = (await ops.lookup(ROOT, b"directory", CTX)).st_ino
    inode = (await ops.lookup(directory, b"file", CTX)).st_ino
    assert await look_ahead(ops) == directory
    change(path, 5000)
    handle = (await ops.open(inode, os.O_RDONLY, CTX)).fh
    assert await report(ops, told, directory) == (cipher_size(5000), 0)
    await ops.release(handle)


async def test_somebody_had_opened_less(ops: Operations, told: Told, path: Path) -> None:
    """What is held back for readers is not told any more when they have gone."""
    directory = (await ops.lookup(ROOT, b"directory", CTX)).st_ino
    inode = (await ops.lookup(directory, b"file", CTX)).st_ino
    handle = (await ops.open(inode, os.O_RDONLY, CTX)).fh
    os.truncate(path, 9500)
    assert (await ops.getattr(inode, CTX)).st_size == cipher_size(9000)
    assert await look_ahead(ops) == directory
    await ops.release(handle)
    assert (await ops.getattr(inode, CTX)).st_size == cipher_size(9500)
    assert await report(ops, told, directory) == (cipher_size(9500), TIMEOUT)


async def test_another_machine_has_the_time(
    ops: Operations, told: Told, path: Path
) -> None:
    """A change that seems to be old, by the clock of a file server, is one, too."""
    directory = (await ops.lookup(ROOT, b"directory", CTX)).st_ino
    await ops.lookup(directory, b"file", CTX)
    assert await look_ahead(ops) == directory
    os.truncate(path, 5000)
    entry = await ops.lookup(directory, b"file", CTX)
    assert (entry.st_size, entry.attr_timeout) == (cipher_size(5000), TIMEOUT)
    assert await report(ops, told, directory) == (cipher_size(5000), TIMEOUT)
