"""Listings: what is reported, where they resume, and what they refer to."""

import errno
import os
from contextlib import suppress
from itertools import chain
from pathlib import Path
from stat import S_IFDIR, S_ISREG

import pyfuse3
import pytest

from revcrypt.errors import MalformedError, StaleNodeError
from revcrypt.fuse.operations import Operations
from tests.view.trees import FakeFile, FakeView, fake_attrs, reverse_view, unseal

ROOT = pyfuse3.ROOT_INODE
CTX = pyfuse3.RequestContext()
NAMES = [b"a", b"b", b"c", b"d", b"e"]
ALL = [b".", b"..", *NAMES]


class Buffer(list[tuple[bytes, pyfuse3.EntryAttributes, int]]):
    """What the kernel has room for; it stands in for the token too."""

    room = 1000

    def reply(
        self, _: object, name: bytes, entry: pyfuse3.EntryAttributes, next_id: int
    ) -> bool:
        """Take an entry, unless there is no room."""
        if len(self) == self.room:
            return False
        self.append((name, entry, next_id))
        return True

    @property
    def names(self) -> list[bytes]:
        return [name for name, _, _ in self]


@pytest.fixture
def buffer(monkeypatch: pytest.MonkeyPatch) -> Buffer:
    buffer = Buffer()
    monkeypatch.setattr(pyfuse3, "readdir_reply", buffer.reply)
    return buffer


@pytest.fixture
def view() -> FakeView:
    return FakeView(
        {name: FakeFile(b"", fake_attrs(10 + i)) for i, name in enumerate(NAMES)}
    )


async def pages(
    ops: Operations, buffer: Buffer, handle: int, room: int
) -> list[list[bytes]]:
    """Read a directory to its end, *room* entries at a time."""
    buffer.room, offset, found = room, 0, []
    for _ in range(20):
        buffer.clear()
        await ops.readdir(handle, offset, None)
        if not buffer:
            return found
        found.append(buffer.names)
        offset = buffer[-1][2]
    raise AssertionError(f"the listing does not end: {found}")


@pytest.mark.parametrize("room", [1, 2, 3, 4, 6, 7, 8])
async def test_a_listing_resumes_where_it_stopped(
    ops: Operations, buffer: Buffer, room: int
) -> None:
    """However small the buffer is, everything is reported once and in order."""
    handle = await ops.opendir(ROOT, CTX)
    found = await pages(ops, buffer, handle, room)
    assert list(chain(*found)) == ALL
    assert all(len(page) == room for page in found[:-1])


async def test_any_offset_can_be_resumed(ops: Operations, buffer: Buffer) -> None:
    """The offset reported with an entry leads to the one behind it (telldir)."""
    handle = await ops.opendir(ROOT, CTX)
    await ops.readdir(handle, 0, None)
    offsets = [0] + [offset for _, _, offset in buffer]
    for number, offset in enumerate(offsets):
        buffer.clear()
        await ops.readdir(handle, offset, None)
        assert buffer.names == ALL[number:]


async def test_dots_come_first(ops: Operations, buffer: Buffer) -> None:
    """`.` and `..` are directories, and the root is its own parent."""
    await ops.readdir(await ops.opendir(ROOT, CTX), 0, None)
    assert buffer.names[:2] == [b".", b".."]
    for _, entry, _ in buffer[:2]:
        assert (entry.st_ino, entry.st_mode) == (2, S_IFDIR)


@pytest.mark.parametrize("room", [1, 2, 3, 1000])
async def test_vanished_entries_are_skipped(
    ops: Operations, view: FakeView, buffer: Buffer, room: int
) -> None:
    """An entry that has gone since the snapshot is left out, and nothing else."""
    handle = await ops.opendir(ROOT, CTX)
    for name in ("a", "c", "e"):
        view.errors[f"child {name}"] = FileNotFoundError(errno.ENOENT, "gone")
    found = await pages(ops, buffer, handle, room)
    assert list(chain(*found)) == [b".", b"..", b"b", b"d"]


@pytest.mark.parametrize(
    "error", [PermissionError(errno.EACCES, "x"), OSError(5, "x"), MalformedError("x")]
)
async def test_entries_that_cannot_be_looked_at_are_listed(
    ops: Operations,
    view: FakeView,
    buffer: Buffer,
    error: Exception,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Left out, they would look deleted; so they are listed, and a warning is logged."""
    view.errors["child c"] = error
    await ops.readdir(await ops.opendir(ROOT, CTX), 0, None)
    assert buffer.names == ALL
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    inodes = [entry.st_ino for _, entry, _ in buffer[2:]]
    assert len(set(inodes)) == 5
    assert inodes[2] not in range(20)


async def test_a_stale_directory_is_an_error(
    ops: Operations, view: FakeView, buffer: Buffer
) -> None:
    """A directory that has moved is looked up anew, not listed without its entries."""
    handle = await ops.opendir(ROOT, CTX)
    view.errors["child"] = StaleNodeError("x")
    with pytest.raises(pyfuse3.FUSEError) as raised:
        await ops.readdir(handle, 0, None)
    assert raised.value.errno == errno.ESTALE


async def test_an_error_in_the_middle_loses_no_reference(
    ops: Operations, view: FakeView, buffer: Buffer
) -> None:
    """What was reported before an error is answered; the error comes with the next call.

    An error instead would leave the kernel without the references that were counted.
    """
    handle = await ops.opendir(ROOT, CTX)
    view.errors["child c"] = StaleNodeError("x")
    await ops.readdir(handle, 0, None)
    assert buffer.names == [b".", b"..", b"a", b"b"]
    with pytest.raises(pyfuse3.FUSEError) as raised:
        await ops.readdir(handle, buffer[-1][2], None)
    assert raised.value.errno == errno.ESTALE
    await ops.forget([(entry.st_ino, 1) for _, entry, _ in buffer[2:]])
    assert [node.shown_name for node in view.forgotten] == [b"a", b"b"]


async def test_rewinding_lists_anew(
    ops: Operations, view: FakeView, buffer: Buffer
) -> None:
    """From the start, a listing is up to date; in the middle it is the snapshot's."""
    handle = await ops.opendir(ROOT, CTX)
    view.files[b"new"] = FakeFile(b"", fake_attrs(30))
    for offset, expected in [(0, ALL), (3, ALL[3:]), (0, [*ALL, b"new"])]:
        buffer.clear()
        await ops.readdir(handle, offset, None)
        assert buffer.names == expected


async def test_a_released_directory_is_not_read(ops: Operations, buffer: Buffer) -> None:
    """A handle that was released lists nothing."""
    handle = await ops.opendir(ROOT, CTX)
    await ops.releasedir(handle)
    with pytest.raises(pyfuse3.FUSEError):
        await ops.readdir(handle, 0, None)
    assert buffer == []


async def test_only_what_was_taken_is_referred_to(
    ops: Operations, view: FakeView, buffer: Buffer
) -> None:
    """An entry in the buffer counts as looked up; dots and what did not fit do not."""
    handle = await ops.opendir(ROOT, CTX)
    buffer.room = 4
    await ops.readdir(handle, 0, None)
    assert buffer.names == ALL[:4]
    await ops.lookup(ROOT, b"a", CTX)
    await ops.forget([(10, 1), (11, 1), (12, 1), (2, 1)])
    assert [node.inode for node in view.forgotten] == [11]
    await ops.forget([(10, 1)])
    assert [node.inode for node in view.forgotten] == [11, 10]
    assert len(ops._nodes) == 1


# With a real view


async def listing(ops: Operations, buffer: Buffer) -> dict[bytes, int]:
    """List the root, and return the numbers of its entries."""
    handle = await ops.opendir(ROOT, CTX)
    buffer.clear()
    await ops.readdir(handle, 0, None)
    await ops.releasedir(handle)
    return {name: entry.st_ino for name, entry, _ in buffer}


def unreadable(path: bytes, **_: object) -> os.stat_result:
    """Fail as os.stat does."""
    raise OSError(errno.EIO, os.strerror(errno.EIO), path)


async def test_plain_names_are_not_logged(
    tmp_path: Path,
    buffer: Buffer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The warning about an entry says which it is by its cipher path, and only so."""
    (tmp_path / "confidential").touch()
    with reverse_view(tmp_path) as view:
        ops = Operations(view)
        [shown] = [c.shown_name for c in view.entries(view.root) if c.content is None]
        with monkeypatch.context() as broken:
            broken.setattr(os, "stat", unreadable)
            await listing(ops, buffer)
    [message] = [record.getMessage() for record in caplog.records]
    assert "confidential" not in message
    assert shown.decode() in message


async def test_a_passing_error_makes_no_empty_file(
    tmp_path: Path, buffer: Buffer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry that could not be looked at is never read as an empty file."""
    (tmp_path / "file").write_text("content")
    with reverse_view(tmp_path) as view:
        ops = Operations(view)
        with monkeypatch.context() as broken:
            broken.setattr(os, "stat", unreadable)
            found = await listing(ops, buffer)
        [inode] = [number for name, number in found.items() if b"." not in name]
        # By now the disk answers, so whatever can be opened must be the file.
        with suppress(pyfuse3.FUSEError):
            info = await ops.open(inode, os.O_RDONLY, CTX)
            assert unseal(await ops.read(info.fh, 0, 4096)) == b"content"


async def test_what_cannot_be_looked_at_is_not_remembered(
    ops: Operations, view: FakeView, buffer: Buffer
) -> None:
    """The kernel asks again at the next look, and the client gets the error.

    Otherwise an rsync --delete would take a dead mount for an empty file, and make room
    for that by deleting the directory of the copy.
    """
    view.errors["child c"] = OSError(errno.ENOTCONN, "dead")
    await ops.readdir(await ops.opendir(ROOT, CTX), 0, None)
    timeouts = {name: (e.entry_timeout, e.attr_timeout) for name, e, _ in buffer[2:]}
    assert timeouts.pop(b"c") == (0, 0)
    assert set(timeouts.values()) == {(1, 1)}


async def test_a_new_config_does_not_break_the_listing(
    tmp_path: Path, buffer: Buffer
) -> None:
    """After the passphrase was changed, the root is listed with the new config."""
    config = tmp_path / ".gocryptfs.reverse.conf"
    config.write_text("old")
    (tmp_path / "file").touch()
    with reverse_view(tmp_path) as view:
        ops = Operations(view)
        before = await listing(ops, buffer)
        config.rename(tmp_path / "old")
        config.write_text("another")
        (tmp_path / "old").unlink()
        assert await listing(ops, buffer) == before
        entry = await ops.lookup(ROOT, b"gocryptfs.conf", CTX)
        assert entry.st_size == 7
        info = await ops.open(entry.st_ino, os.O_RDONLY, CTX)
        assert await ops.read(info.fh, 0, 100) == b"another"


async def test_listings_and_lookups_agree(tmp_path: Path, buffer: Buffer) -> None:
    """What a listing says about an entry is what a lookup says."""
    for name in ("a", "b" * 200):
        (tmp_path / name).write_text(name)
    os.symlink("a", tmp_path / "link")
    with reverse_view(tmp_path) as view:
        ops = Operations(view)
        await listing(ops, buffer)
        for name, listed, _ in list(buffer)[2:]:
            found = await ops.lookup(ROOT, name, CTX)
            for field in "st_ino st_mode st_size st_blocks st_mtime_ns".split():
                assert getattr(found, field) == getattr(listed, field)
            if S_ISREG(found.st_mode):
                info = await ops.open(found.st_ino, os.O_RDONLY, CTX)
                assert len(await ops.read(info.fh, 0, 10_000)) == found.st_size
                await ops.release(info.fh)
