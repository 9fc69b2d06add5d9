"""When a client has been everywhere, and when it only seems so."""

import json
import os
from collections.abc import Iterator, Sequence
from errno import EACCES
from pathlib import Path
from shutil import rmtree
from threading import Event, Thread
from typing import Any

import pyfuse3
import pytest

from revcrypt.fuse import status
from revcrypt.fuse.operations import Operations
from revcrypt.fuse.walks import MOST_WALKS
from revcrypt.view.reverse import ReverseView
from tests.fuse.callers import caller
from tests.view.trees import PLAINTEXT, at, reverse_view

ROOT = pyfuse3.ROOT_INODE
DIRECTORIES = ["a", "a/b", "a/b/c", "d"]


class Kernel:
    """Has room for a few entries of a listing at a time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room = 3
        self.inodes: list[int] = []
        self.offset = 0
        self._left = 0
        monkeypatch.setattr(pyfuse3, "readdir_reply", self._reply)

    def _reply(
        self, _: object, name: bytes, entry: pyfuse3.EntryAttributes, next_id: int
    ) -> bool:
        if not self._left:
            return False
        self._left -= 1
        self.offset = next_id
        if name not in (b".", b"..") and entry.st_mode & 0o040000:
            self.inodes.append(entry.st_ino)
        return True

    async def readdir(self, ops: Operations, handle: int) -> bool:
        """Ask once, from where it stopped, and tell whether anything came."""
        self._left, before = self.room, self.offset
        await ops.readdir(handle, self.offset, None)
        return self.offset != before


class Client:
    """A process that walks."""

    def __init__(self, ops: Operations, kernel: Kernel, pid: int) -> None:
        self.ops, self.kernel = ops, kernel
        self.ctx = caller(0, 0, pid)

    async def read(self, inode: int, *, pages: int = 100, skip: int = 0) -> list[int]:
        """Read a directory, at most some pages of it; return the directories in it."""
        handle = await self.ops.opendir(inode, self.ctx)
        self.kernel.offset, self.kernel.inodes = skip, []
        for _ in range(pages):
            if not await self.kernel.readdir(self.ops, handle):
                break
        await self.ops.releasedir(handle)
        return self.kernel.inodes

    async def walk(self, inodes: Sequence[int] = (ROOT,)) -> None:
        """Read everything below some directories."""
        for inode in inodes:
            await self.walk(await self.read(inode))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a few directories, with a file in each."""
    for name in DIRECTORIES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    return tmp_path


@pytest.fixture
def view(source: Path) -> Iterator[ReverseView]:
    with reverse_view(source, PLAINTEXT) as view:
        yield view


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(monkeypatch)


@pytest.fixture
def client(ops: Operations, kernel: Kernel) -> Client:
    return Client(ops, kernel, 1)


async def told(ops: Operations) -> dict[str, Any]:
    """Return what the view says of itself."""
    answer: dict[str, Any] = json.loads(
        await ops.getxattr(ROOT, status.ATTRIBUTE, caller(0, 0))
    )
    return answer


async def last(ops: Operations) -> dict[str, Any] | None:
    """Return the last walk that came to its end."""
    walk: dict[str, Any] | None = (await told(ops))["last_walk"]
    return walk


async def missing(ops: Operations) -> list[int]:
    """Return how many directories each unfinished walk misses."""
    return [walk["missing"] for walk in (await told(ops))["unfinished_walks"]]


@pytest.mark.parametrize("room", [1, 2, 3, 100])
async def test_a_walk(ops: Operations, client: Client, room: int) -> None:
    """Whoever has read all directories to their end has walked to the end."""
    client.kernel.room = room
    assert await last(ops) is None
    await client.walk()
    walk = await last(ops)
    assert walk is not None
    assert (walk["directories"], walk["entries"]) == (5, 8)
    assert walk["begun"] <= walk["ended"]
    assert await missing(ops) == []


async def test_a_directory_that_was_not_opened(ops: Operations, client: Client) -> None:
    """One is enough for a walk not to have come to its end."""
    top = await client.read(ROOT)
    await client.walk(top[:1])
    assert await last(ops) is None
    assert await missing(ops) == [len(top) - 1]
    await client.walk(top[1:])
    assert await last(ops) is not None


async def test_a_directory_that_was_read_twice(ops: Operations, client: Client) -> None:
    """Reading one twice does not stand in for reading another."""
    top = await client.read(ROOT)
    await client.walk(top[:1])
    await client.walk(top[:1])
    assert await last(ops) is None


@pytest.mark.parametrize("reading", [{"pages": 0}, {"pages": 1}, {"skip": 4}])
async def test_a_directory_that_was_read_in_part(
    ops: Operations, client: Client, reading: dict[str, int]
) -> None:
    """Opening is not reading, and neither the beginning nor the end is all of it."""
    client.kernel.room = 3
    [first, second] = await client.read(ROOT)
    await client.walk([first])
    await client.read(second, **reading)
    assert await last(ops) is None
    await client.read(second)
    if await last(ops) is None:
        await client.walk(client.kernel.inodes)
    assert await last(ops) is not None


async def test_two_clients(ops: Operations, client: Client, kernel: Kernel) -> None:
    """What one has read does not count for the other."""
    other = Client(ops, kernel, 2)
    top = await client.read(ROOT)
    await other.read(ROOT)
    await client.walk(top[:1])
    await other.walk(top[1:])
    assert await last(ops) is None
    await client.walk(top[1:])
    assert await last(ops) is not None
    assert len(await missing(ops)) == 1


async def test_threads_of_one_client(ops: Operations, kernel: Kernel) -> None:
    """The threads of a process walk together."""
    end = Event()
    thread = Thread(target=end.wait)
    thread.start()
    assert thread.native_id not in (None, os.getpid())
    top = await Client(ops, kernel, os.getpid()).read(ROOT)
    await Client(ops, kernel, thread.native_id or 0).walk(top)
    end.set()
    thread.join()
    assert await last(ops) is not None


async def test_beginning_anew(ops: Operations, client: Client) -> None:
    """Reading the root again is another walk; the last that was whole stays known."""
    await client.walk()
    first = await last(ops)
    top = await client.read(ROOT)
    await client.walk(top[:1])
    assert await last(ops) == first
    await client.read(ROOT)
    await client.walk(top[1:])
    assert await last(ops) == first
    await client.walk()
    second = await last(ops)
    assert second is not None
    assert second != first


async def test_a_directory_that_has_gone(
    ops: Operations, client: Client, source: Path
) -> None:
    """What a client asked for in vain, it has not missed."""
    top = await client.read(ROOT)
    rmtree(source / "d")
    names = {ops._nodes[inode].shown_name: inode for inode in top}
    await client.walk([names[b"a"]])
    assert await last(ops) is None
    with pytest.raises(pyfuse3.FUSEError):
        await ops.lookup(ROOT, b"d", caller(0, 0, 2))
    assert await last(ops) is None, "somebody else has asked"
    with pytest.raises(pyfuse3.FUSEError):
        await ops.lookup(ROOT, b"d", client.ctx)
    assert await last(ops) is not None


async def test_an_entry_that_cannot_be_looked_at(
    ops: Operations, client: Client, view: ReverseView, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be a directory, so a walk has not come to its end without it."""
    child = view.child

    def fail(parent: Any, entry: Any) -> Any:
        if entry.shown_name == b"d":
            raise OSError(5, "x")
        return child(parent, entry)

    monkeypatch.setattr(view, "child", fail)
    await client.walk()
    assert await last(ops) is None
    assert await missing(ops) == [1]


async def test_failures_are_told_with_the_walk(
    ops: Operations, client: Client, view: ReverseView, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that cannot be read are told, also when the walk has come to its end."""
    ops.tally.errors[5] += 1
    await client.walk()
    node = at(view, b"d/file")
    ops._nodes.remember(node)

    def fail(_: object) -> None:
        raise PermissionError(EACCES, "x")

    with monkeypatch.context() as broken:
        broken.setattr(view, "open", fail)
        with pytest.raises(pyfuse3.FUSEError):
            await ops.open(node.inode, os.O_RDONLY, client.ctx)
    walk = await last(ops)
    assert walk is not None
    assert walk["failures_since_begun"] == 1
    assert (await told(ops))["failures"] == 2


async def test_many_who_look(ops: Operations, client: Client, kernel: Kernel) -> None:
    """Those who only list the root are forgotten before one whose process lives."""
    pull = Client(ops, kernel, os.getpid())
    top = await pull.read(ROOT)
    for pid in range(2 << 22, (2 << 22) + 3 * MOST_WALKS):
        await Client(ops, kernel, pid).read(ROOT)
    assert len(await missing(ops)) == MOST_WALKS
    await pull.walk(top)
    assert await last(ops) is not None


@pytest.mark.parametrize("uid", [1, 65534])
async def test_only_some_may_ask(ops: Operations, uid: int) -> None:
    """To everybody else, there is no such attribute; and nobody's listing has it."""
    with pytest.raises(pyfuse3.FUSEError) as raised:
        await ops.getxattr(ROOT, status.ATTRIBUTE, caller(uid, 0))
    assert raised.value.errno == pyfuse3.ENOATTR
    assert status.ATTRIBUTE not in await ops.listxattr(ROOT, caller(0, 0))
