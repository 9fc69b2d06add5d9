"""The kernel's part: what it asks the adapter, and what it knows from the answers."""

import os
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pyfuse3
import pytest
import trio

from revcrypt.fuse.operations import Operations
from tests.fuse.callers import caller
from tests.fuzz.plain_tree import Thing

ROOT = pyfuse3.ROOT_INODE
PROCESSES = (os.getpid(), 1)
"""Two that exist."""

T = TypeVar("T")


def answer(request: Coroutine[Any, Any, T]) -> T:
    """Return the answer to a request that waits for nothing."""
    try:
        request.send(None)
    except StopIteration as done:
        answered: T = done.value
        return answered
    raise AssertionError("it waits")


@dataclass
class Handle:
    """An open file, how many *states* it had had by then, and what was read so far."""

    number: int
    inode: int
    thing: Thing
    states: int
    size: int
    data: bytes = b""
    is_broken: bool = False


@dataclass
class Listing:
    """An open directory, and what was reported so far."""

    number: int
    inode: int
    offset: int = 0
    names: list[bytes] = field(default_factory=list)


class Kernel:
    """Asks *operations*, and counts what it must forget again."""

    def __init__(self, operations: Operations, patch: pytest.MonkeyPatch) -> None:
        self.operations = operations
        self.lookups: Counter[int] = Counter()
        self.requests = 0
        self.stored: list[bytes] = []
        self._room = 0
        self._reported: list[tuple[bytes, pyfuse3.EntryAttributes, int]] = []
        patch.setattr(pyfuse3, "readdir_reply", self._take)
        patch.setattr(pyfuse3, "notify_store", self._store)
        patch.setattr(pyfuse3, "invalidate_inode", lambda *_, **__: None)

    def _take(
        self, _: object, name: bytes, entry: pyfuse3.EntryAttributes, next_id: int
    ) -> bool:
        if len(self._reported) == self._room:
            return False
        self._reported.append((name, entry, next_id))
        return True

    def _store(self, _: int, offset: int, data: bytes) -> None:
        assert offset == 0
        self.stored.append(data)

    def lookup(self, parent: int, name: bytes, process: int) -> pyfuse3.EntryAttributes:
        self.requests += 1
        context = caller(0, 0, process)
        entry = answer(self.operations.lookup(parent, name, context))
        self.lookups[entry.st_ino] += 1
        return entry

    def forget(self, inode: int, count: int) -> None:
        self.requests += 1
        self.lookups[inode] -= count
        if not self.lookups[inode]:
            del self.lookups[inode]
        answer(self.operations.forget([(inode, count)]))

    def getattr(self, inode: int, process: int) -> pyfuse3.EntryAttributes:
        self.requests += 1
        return answer(self.operations.getattr(inode, caller(0, 0, process)))

    def readlink(self, inode: int) -> bytes:
        self.requests += 1
        return answer(self.operations.readlink(inode, caller(0, 0)))

    def attributes(self, inode: int) -> dict[bytes, bytes]:
        """Return all extended attributes."""
        context = caller(0, 0)
        names = answer(self.operations.listxattr(inode, context))
        self.requests += 1 + len(names)
        return {n: answer(self.operations.getxattr(inode, n, context)) for n in names}

    def opendir(self, inode: int, process: int) -> Listing:
        self.requests += 1
        return Listing(
            answer(self.operations.opendir(inode, caller(0, 0, process))), inode
        )

    def readdir(self, listing: Listing, room: int) -> list[pyfuse3.EntryAttributes]:
        """Read on in a directory; the end is an empty answer."""
        self.requests += 1
        self._room, self._reported = room, []
        answer(self.operations.readdir(listing.number, listing.offset, None))
        found = []
        for name, entry, offset in self._reported:
            listing.offset = offset
            if name not in (b".", b".."):
                listing.names.append(name)
                self.lookups[entry.st_ino] += 1
                found.append(entry)
        return found

    def read_all(self, listing: Listing) -> list[pyfuse3.EntryAttributes]:
        """Read a directory to its end, a few entries at a time."""
        found, offset = self.readdir(listing, 4), 0
        while listing.offset > offset:
            offset = listing.offset
            found += self.readdir(listing, 4)
        return found

    def releasedir(self, listing: Listing) -> None:
        self.requests += 1
        answer(self.operations.releasedir(listing.number))

    def open(self, inode: int, process: int, thing: Thing) -> Handle:
        """Open a file, which *thing* is; its size is what will be read."""
        self.requests += 1
        self.stored = []
        context = caller(0, 0, process)
        number = answer(self.operations.open(inode, os.O_RDONLY, context)).fh
        size = self.operations._readers[number].file.size
        return Handle(number, inode, thing, len(thing.states), size)

    def read(self, handle: Handle, size: int) -> bytes:
        """Read on in a file; whoever must wait for a disk does so in a thread."""
        self.requests += 1
        offset = len(handle.data)
        data = bytes(trio.run(self.operations.read, handle.number, offset, size))
        handle.data += data
        return data

    def release(self, handle: Handle) -> None:
        self.requests += 1
        answer(self.operations.release(handle.number))
