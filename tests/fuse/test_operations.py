"""Attributes, files and reference counts as the kernel sees them."""

import errno
import os
from stat import S_IFDIR

import pyfuse3
import pytest

from revcrypt.errors import StaleNodeError
from revcrypt.fuse.live import LiveFiles
from revcrypt.fuse.operations import Operations
from revcrypt.view.nodes import Attrs
from revcrypt.view.source import NotRegularError
from tests.view.trees import FakeFile, FakeView, fake_attrs

ROOT = pyfuse3.ROOT_INODE
CTX = pyfuse3.RequestContext()


@pytest.fixture
def view() -> FakeView:
    return FakeView(
        {
            b"a": FakeFile(b"content", fake_attrs(10, size=7)),
            b"b": FakeFile(b"other", fake_attrs(11, size=5)),
        }
    )


async def is_known(ops: Operations, inode: int) -> bool:
    try:
        await ops.getattr(inode, CTX)
    except pyfuse3.FUSEError:
        return False
    return True


# Attributes


@pytest.mark.parametrize("ask", ["lookup", "getattr"])
async def test_all_attributes_are_told(ops: Operations, view: FakeView, ask: str) -> None:
    """Every attribute that the view gives reaches the kernel under its own name."""
    entry = await ops.lookup(ROOT, b"a", CTX)
    if ask == "getattr":
        entry = await ops.getattr(10, CTX)
    attrs = view.files[b"a"].attrs()
    assert entry.st_ino == attrs.inode
    assert (entry.st_mode, entry.st_nlink) == (attrs.mode, attrs.nlink)
    assert (entry.st_uid, entry.st_gid) == (attrs.uid, attrs.gid)
    assert entry.st_rdev == attrs.rdev
    assert (entry.st_size, entry.st_blocks) == (attrs.size, attrs.blocks)
    assert entry.st_blksize == attrs.block_size
    assert (entry.st_atime_ns, entry.st_mtime_ns) == (attrs.atime_ns, attrs.mtime_ns)
    assert entry.st_ctime_ns == attrs.ctime_ns
    assert entry.entry_timeout == 1


async def test_the_root_is_known_from_the_start(ops: Operations) -> None:
    """The kernel may ask about inode 1 first; it shows the root's own number."""
    entry = await ops.getattr(ROOT, CTX)
    assert (entry.st_ino, entry.st_mode) == (2, S_IFDIR | 0o755)


async def test_links_and_attributes_are_passed_on(ops: Operations) -> None:
    """Link targets, attribute names and values are the view's."""
    assert await ops.readlink(ROOT, CTX) == b"target"
    assert await ops.listxattr(ROOT, CTX) == [b"user.a"]
    assert await ops.getxattr(ROOT, b"user.a", CTX) == b"value of user.a"


async def test_statfs_is_the_source_s(ops: Operations, view: FakeView) -> None:
    """df shows what it shows for the source."""
    data, expected = await ops.statfs(CTX), view.statvfs()
    for name in "f_bsize f_frsize f_blocks f_files f_namemax".split():
        assert getattr(data, name) == getattr(expected, name)
    for name in "f_bfree f_bavail f_ffree f_favail".split():
        assert 0 <= getattr(data, name) <= max(expected.f_blocks, expected.f_files)


# Reference counts


async def test_a_node_lives_as_long_as_it_is_referred_to(
    ops: Operations, view: FakeView
) -> None:
    """Each lookup counts; only when all are forgotten is the node released, and once."""
    for _ in range(3):
        await ops.lookup(ROOT, b"a", CTX)
    await ops.lookup(ROOT, b"b", CTX)
    await ops.forget([(10, 1)])
    await ops.forget([(10, 1), (11, 1)])
    assert [node.inode for node in view.forgotten] == [11]
    assert await is_known(ops, 10)
    await ops.forget([(10, 1)])
    assert [node.inode for node in view.forgotten] == [11, 10]
    assert not await is_known(ops, 10)
    await ops.lookup(ROOT, b"a", CTX)
    assert await is_known(ops, 10)


async def test_unknown_nodes_can_be_forgotten(ops: Operations, view: FakeView) -> None:
    """Forgetting what was never known does nothing, also among what is known."""
    await ops.lookup(ROOT, b"a", CTX)
    await ops.forget([(99, 1), (10, 1), (10, 5), (98, 1)])
    assert [node.inode for node in view.forgotten] == [10]


async def test_the_root_is_never_forgotten(ops: Operations, view: FakeView) -> None:
    """The root stays, however often it is forgotten."""
    await ops.forget([(ROOT, 1), (ROOT, 1000)])
    assert await is_known(ops, ROOT)
    assert view.forgotten == []


async def test_a_failed_lookup_leaves_nothing(ops: Operations, view: FakeView) -> None:
    """A name that is not found makes no node."""
    with pytest.raises(pyfuse3.FUSEError):
        await ops.lookup(ROOT, b"absent", CTX)
    assert len(ops._nodes) == 1


async def test_a_node_moves_with_its_object(ops: Operations, view: FakeView) -> None:
    """An object found under a new name is looked at there from then on."""
    await ops.lookup(ROOT, b"a", CTX)
    view.files[b"moved"] = view.files.pop(b"a")
    await ops.lookup(ROOT, b"moved", CTX)
    entry = await ops.getattr(10, CTX)
    assert (entry.st_ino, entry.st_size) == (10, 7)
    await ops.forget([(10, 2)])
    assert [node.shown_name for node in view.forgotten] == [b"moved"]


async def test_an_open_file_outlives_its_node(ops: Operations, view: FakeView) -> None:
    """A handle can be read after the kernel has forgotten the inode."""
    await ops.lookup(ROOT, b"a", CTX)
    handle = (await ops.open(10, os.O_RDONLY, CTX)).fh
    await ops.forget([(10, 1)])
    assert await ops.read(handle, 0, 100) == b"content"
    await ops.release(handle)
    assert view.files[b"a"].closed == 1


# Files


@pytest.mark.parametrize(
    "flags",
    [os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_TRUNC, os.O_WRONLY | os.O_APPEND],
)
async def test_files_are_not_opened_for_writing(
    ops: Operations, view: FakeView, flags: int
) -> None:
    """Opening for writing is refused as on a read-only filesystem."""
    await ops.lookup(ROOT, b"a", CTX)
    view.errors["open"] = AssertionError("it was opened")
    with pytest.raises(pyfuse3.FUSEError) as raised:
        await ops.open(10, flags, CTX)
    assert raised.value.errno == errno.EROFS


async def test_what_is_no_file_any_more_is_looked_up_anew(
    ops: Operations, view: FakeView
) -> None:
    """The kernel takes it for a file, so something else was there a moment ago."""
    await ops.lookup(ROOT, b"a", CTX)
    view.errors["open"] = NotRegularError(errno.EACCES, "not a regular file")
    with pytest.raises(pyfuse3.FUSEError) as raised:
        await ops.open(10, os.O_RDONLY, CTX)
    assert raised.value.errno == errno.ESTALE


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_RDONLY | os.O_NONBLOCK, os.O_DIRECT])
async def test_files_are_opened_for_reading(ops: Operations, flags: int) -> None:
    """Other flags than those for writing make no difference."""
    await ops.lookup(ROOT, b"a", CTX)
    handle = (await ops.open(10, flags, CTX)).fh
    assert await ops.read(handle, 3, 2) == b"te"
    assert await ops.read(handle, 5, 100) == b"nt"
    assert await ops.read(handle, 7, 100) == b""
    await ops.release(handle)


async def test_a_failed_open_leaves_nothing_open(
    ops: Operations, view: FakeView, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file whose status cannot be read any more is closed again."""
    await ops.lookup(ROOT, b"a", CTX)
    file = view.files[b"a"]
    monkeypatch.setattr(LiveFiles, "_last_told", lambda *_: None)

    def fail() -> Attrs:
        raise OSError(errno.EIO, "gone")

    monkeypatch.setattr(file, "attrs", fail)
    with pytest.raises(pyfuse3.FUSEError) as raised:
        await ops.open(10, os.O_RDONLY, CTX)
    assert raised.value.errno == errno.EIO
    assert file.closed == 1


async def test_handles_are_never_used_twice(ops: Operations, view: FakeView) -> None:
    """A handle that was released reads nothing, also after others were opened."""
    for name in (b"a", b"b"):
        await ops.lookup(ROOT, name, CTX)
    first = (await ops.open(10, os.O_RDONLY, CTX)).fh
    await ops.release(first)
    await ops.release(first)
    second = (await ops.open(11, os.O_RDONLY, CTX)).fh
    directory = await ops.opendir(ROOT, CTX)
    assert len({first, second, directory}) == 3
    with pytest.raises(pyfuse3.FUSEError):
        await ops.read(first, 0, 10)
    assert view.files[b"a"].closed == 1


async def test_a_cold_read_goes_to_a_thread(ops: Operations, view: FakeView) -> None:
    """A read that would have to wait is done again, where it may wait."""
    await ops.lookup(ROOT, b"a", CTX)
    handle = (await ops.open(10, os.O_RDONLY, CTX)).fh
    file = view.files[b"a"]
    file.waits.clear()
    assert await ops.read(handle, 0, 3) == b"con"
    assert file.waits == [True]
    file.error = BlockingIOError()
    assert await ops.read(handle, 3, 4) == b"tent"
    assert file.waits == [True, True, False]


@pytest.mark.parametrize("gone", [FileNotFoundError(2, "gone"), StaleNodeError("gone")])
async def test_an_open_file_keeps_its_attributes(
    ops: Operations, view: FakeView, gone: Exception
) -> None:
    """fstat works on a file that has lost its name, as long as it is open."""
    await ops.lookup(ROOT, b"a", CTX)
    handle = (await ops.open(10, os.O_RDONLY, CTX)).fh
    view.errors["attrs"] = gone
    assert (await ops.getattr(10, CTX)).st_size == 7
    await ops.release(handle)
    assert not await is_known(ops, 10)


async def test_a_size_that_is_too_large_is_taken_back(
    ops: Operations, view: FakeView, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the kernel knows a larger size than there is, it is told to forget it."""
    told = []
    monkeypatch.setattr(
        pyfuse3, "invalidate_inode", lambda *args, **kw: told.append((args, kw))
    )
    await ops.lookup(ROOT, b"a", CTX)
    await ops.lookup(ROOT, b"b", CTX)
    view.files[b"a"].size = 3
    for inode in (10, 11):
        await ops.open(inode, os.O_RDONLY, CTX)
    assert told == [((10,), {"attr_only": True})]
