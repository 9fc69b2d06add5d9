"""Small files that the kernel is given when they are opened."""

import os

import pyfuse3
import pytest

from revcrypt.errors import AuthenticationError
from revcrypt.fuse.operations import STORED_SIZE, Operations
from tests.view.trees import FakeFile, FakeView, fake_attrs

ROOT = pyfuse3.ROOT_INODE
CTX = pyfuse3.RequestContext()
INODE = 10


class Kernel:
    """Takes what is stored, or refuses it."""

    def __init__(self) -> None:
        self.stored: list[tuple[int, int, bytes]] = []
        self.error: OSError | None = None

    def store(self, inode: int, offset: int, data: bytes) -> None:
        if self.error is not None:
            raise self.error
        self.stored.append((inode, offset, data))


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    kernel = Kernel()
    monkeypatch.setattr(pyfuse3, "notify_store", kernel.store)
    return kernel


def make_file(content: bytes) -> FakeFile:
    return FakeFile(content, fake_attrs(INODE, size=len(content)))


async def opened(file: FakeFile, *, times: int = 1) -> list[pyfuse3.FileInfo]:
    """Return what the kernel is answered when it opens *file*."""
    ops = Operations(FakeView({b"a": file}))
    await ops.lookup(ROOT, b"a", CTX)
    return [await ops.open(INODE, os.O_RDONLY, CTX) for _ in range(times)]


async def test_all_of_a_small_file_is_stored(kernel: Kernel) -> None:
    [info] = await opened(make_file(b"content"))
    assert kernel.stored == [(INODE, 0, b"content")]
    assert info.keep_cache


@pytest.mark.parametrize("surplus", [0, 1])
async def test_large_files_are_left_to_reads(kernel: Kernel, surplus: int) -> None:
    """Who opens a large file may want none of it."""
    [info] = await opened(make_file(bytes(STORED_SIZE + surplus)))
    assert [len(data) for _, _, data in kernel.stored] == [STORED_SIZE] * (1 - surplus)
    assert info.keep_cache == (not surplus)


async def test_the_second_reader_finds_it_there(kernel: Kernel) -> None:
    """Storing waits for pages that are being read, so nobody else may read them."""
    infos = await opened(make_file(b"content"), times=2)
    assert len(kernel.stored) == 1
    assert all(info.keep_cache for info in infos)


async def test_nothing_is_stored_of_a_file_that_changes(kernel: Kernel) -> None:
    """Its reads bypass the page cache."""
    file = make_file(b"content")
    file.quiet = False
    [info] = await opened(file)
    assert info.direct_io
    assert not kernel.stored


async def test_nothing_is_stored_beside_a_reader_that_bypasses_the_cache(
    kernel: Kernel,
) -> None:
    """It may have mapped the file, and wait for a page."""
    file = make_file(b"content")
    ops = Operations(FakeView({b"a": file}))
    await ops.lookup(ROOT, b"a", CTX)
    file.quiet = False
    assert (await ops.open(INODE, os.O_RDONLY, CTX)).direct_io
    file.quiet = True
    info = await ops.open(INODE, os.O_RDONLY, CTX)
    assert (info.direct_io, info.keep_cache) == (False, False)
    assert not kernel.stored


@pytest.mark.parametrize("error", [BlockingIOError(), AuthenticationError("damaged")])
async def test_what_cannot_be_read_at_once_is_left_to_reads(
    kernel: Kernel, error: Exception
) -> None:
    """An open does not wait for a disk, and does not fail because of damage."""
    file = make_file(b"content")
    file.error = error
    [info] = await opened(file)
    assert not info.keep_cache
    assert not kernel.stored


async def test_what_the_kernel_does_not_take_is_not_kept(kernel: Kernel) -> None:
    kernel.error = OSError(38, "not implemented")
    [info] = await opened(make_file(b"content"))
    assert not info.keep_cache
