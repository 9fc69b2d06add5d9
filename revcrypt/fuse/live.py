"""Files that change while they are read: what the kernel and clients may believe.

Clients ask for a file's size first and then read that much, or read to the end; either
way a size that does not fit what is read would cut the last block. The kernel keeps
attributes for a second, and pages, for all clients together. So:

- A file that has not changed for a while ("quiet") is read through the page cache, and
  all its readers share one open file. Its size and times stay told as they were until
  some minutes after a change, because the kernel ends cached reads where it believes the
  end to be.
- Attributes of a file that has just changed are not kept by the kernel, so that every
  question gets here and every process can be told its own truth: the process that opens
  it gets it frozen at the size that it was told last, and is told that size when it asks
  again. Its reads bypass the page cache: there, the end is where we say it is.
- Pages do not outlive the last reader. The times of a file do not tell all changes (a
  dirty page of a mapped file can change again unseen), and half a block from before one
  would not fit the other half.
"""

import time
from collections.abc import Hashable
from dataclasses import dataclass
from math import inf
from stat import S_ISREG
from typing import Generic, NamedTuple, TypeVar

from pyfuse3 import EntryAttributes

from revcrypt.errors import SourceChangedError
from revcrypt.fuse.entries import AHEAD, TIMEOUT, entry_of
from revcrypt.fuse.processes import process_of
from revcrypt.view.files import is_quiet
from revcrypt.view.nodes import Attrs, Node, OpenFile, blocks_of

_KERNEL_KEEPS = AHEAD + TIMEOUT + 0.1
RELIED_ON = 2 * _KERNEL_KEEPS + 0.1
"""Seconds after which `LiveFiles.forget_old` leaves nothing of files that were quiet."""
_PROCESS_RELIES = 10.0
"""Seconds between two questions of a process that belong together."""
_HELD_BACK = 600.0
"""Seconds for which readers hold back the news of a change.

A pull over a slow line should get to the end of its file; a program that opens a file
and forgets it must not hide changes from the next pull.
"""

K = TypeVar("K", bound=Hashable)


class _Told(NamedTuple):
    """What was said about a file; *at* is monotonic."""

    at: float
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, attrs: Attrs) -> "_Told":
        return cls(time.monotonic(), attrs.size, attrs.mtime_ns, attrs.ctime_ns)

    def repeated(self, attrs: Attrs) -> Attrs:
        """Return *attrs* with what was said before."""
        return attrs._replace(
            size=self.size,
            blocks=blocks_of(self.size),
            mtime_ns=self.mtime_ns,
            ctime_ns=self.ctime_ns,
        )


class _Recent(Generic[K]):
    """What was told within the last *seconds*."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        # Two dicts that take turns cost less than the order of all entries in one.
        self._new: dict[K, _Told] = {}
        self._old: dict[K, _Told] = {}
        self._turn_at = 0.0
        """When what is new becomes old, monotonic."""

    def add(self, key: K, told: _Told) -> None:
        if told.at >= self._turn_at:
            self.drop_old()
        self._new[key] = told

    def get(self, key: K) -> _Told | None:
        told = self._new.get(key) or self._old.get(key)
        is_recent = told is not None and time.monotonic() - told.at <= self._seconds
        return told if is_recent else None

    def __bool__(self) -> bool:
        self.drop_old()
        return bool(self._new or self._old)

    def drop_old(self) -> None:
        now = time.monotonic()
        if now >= self._turn_at:
            is_recent = now < self._turn_at + self._seconds
            self._old = self._new if is_recent else {}
            self._new = {}
            self._turn_at = now + self._seconds


@dataclass(slots=True, eq=False)
class Reader:
    """An open file as its users share it."""

    node: Node
    file: OpenFile
    told: _Told
    """What the users have been told."""
    direct: bool
    """Whether reads bypass the page cache."""
    stale_size: bool
    """Whether the kernel believes in more than there is."""
    process: int
    """The process that opened it, if it is the only user."""
    believed_size: int
    """The size that the kernel was told last, by anybody's question."""
    changed_at: float | None = None
    """When somebody asked first after the file had changed; monotonic."""
    users: int = 1

    @property
    def keep_cache(self) -> bool:
        """Whether pages that are there when it is opened are right.

        They are another's if it is *direct*, and its own if it has users already.
        """
        return self.direct or self.users > 1

    def holds_back(self) -> bool:
        """Tell whether what the users were told is still told to all."""
        changed_at = self.changed_at
        return changed_at is None or time.monotonic() - changed_at < _HELD_BACK


class LiveFiles:
    """The regular files that were told about lately, or are open."""

    def __init__(self) -> None:
        self._quiet = _Recent[int](_KERNEL_KEEPS)
        """By inode: what all were told of files that were quiet then."""
        self._changing = _Recent[tuple[int, int]](_PROCESS_RELIES)
        """By inode and process: what a process was told of a file that was not."""
        self.changing_at = -inf
        """When anybody was last told of a change, monotonic."""
        self._cached: dict[int, Reader] = {}
        """By inode: the reader that fills the page cache."""
        self._open: dict[int, list[Reader]] = {}
        """By inode: all readers, the latest last."""

    def entry(self, attrs: Attrs, tid: int | None) -> EntryAttributes:
        """Return what to answer for any object; see `tell`."""
        if not S_ISREG(attrs.mode):
            return entry_of(attrs)
        told, timeout = self.tell(attrs, tid)
        entry = entry_of(told)
        if timeout != TIMEOUT:
            entry.attr_timeout = timeout
        return entry

    def tell(self, attrs: Attrs, tid: int | None) -> tuple[Attrs, float]:
        """Return what to answer for a regular file, and for how many seconds it holds.

        *tid* is the thread that asks, None if the answer is nobody's in particular.
        """
        inode = attrs.inode
        readers = self._open.get(inode)
        if readers is not None:
            cached = self._cached.get(inode)
            if cached is not None:
                repeated = cached.told.repeated(attrs)
                if repeated != attrs and cached.changed_at is None:
                    cached.changed_at = time.monotonic()
                if cached.holds_back():
                    self._quiet.add(inode, _Told.of(repeated))
                    return repeated, TIMEOUT
                cached.believed_size = attrs.size
            if tid is not None and (held := self._held(readers, tid)) is not None:
                return self._tell_one(held.repeated(attrs), tid)
        if is_quiet(attrs.mtime_ns, attrs.ctime_ns):
            told = _Told.of(attrs)
            if tid is not None:
                before = self._quiet.get(inode)
                if before is not None and before[1:] != told[1:]:
                    self.changing_at = told.at  # A clock of another machine has told it.
            self._quiet.add(inode, told)
            return attrs, TIMEOUT
        return (attrs, 0) if tid is None else self._tell_one(attrs, tid)

    def _tell_one(self, attrs: Attrs, tid: int) -> tuple[Attrs, float]:
        told = _Told.of(attrs)
        self._changing.add((attrs.inode, process_of(tid)), told)
        self.changing_at = told.at
        return attrs, 0

    def _held(self, readers: list[Reader], tid: int) -> _Told | None:
        """Return what a process must be told, because it has just opened the file."""
        recently = time.monotonic() - _PROCESS_RELIES
        recent = [r for r in readers if r.direct and r.told.at > recently]
        if not recent:
            return None
        process = process_of(tid)
        mine = [reader.told for reader in recent if reader.process == process]
        return mine[-1] if mine else None

    def open(self, node: Node, file: OpenFile, tid: int) -> Reader:
        """Return the reader of *file*, which the thread *tid* has just opened."""
        inode, now = node.inode, time.monotonic()
        told = self._last_told(inode, tid)
        stale_size = told is not None and told.size > file.size
        if told is None or stale_size:
            told = _Told.of(file.attrs())._replace(size=file.size)
        steady = file.quiet and told.size == file.size
        file.freeze(told.size)

        cached = self._cached.get(inode)
        if cached is not None and steady and cached.file.stamp == file.stamp:
            file.close()
            cached.users += 1
            return cached
        direct = not steady or cached is not None
        reader = Reader(
            node=node,
            file=file,
            told=told._replace(at=now),
            direct=direct,
            stale_size=stale_size,
            process=process_of(tid) if direct else 0,
            believed_size=told.size,
        )
        if not direct:
            self._cached[inode] = reader
        self._open.setdefault(inode, []).append(reader)
        return reader

    def _last_told(self, inode: int, tid: int) -> _Told | None:
        """Return what the process of *tid* believes about a file."""
        cached = self._cached.get(inode)
        if cached is not None and cached.holds_back():
            return cached.told
        told = self._quiet.get(inode)
        # Most of the time there is none, and asking for the process costs something.
        mine = None
        if self._changing:
            mine = self._changing.get((inode, process_of(tid)))
        if told is None or mine is None:
            return told or mine
        return told if told.at > mine.at else mine

    def forget_old(self) -> None:
        """Release what was told so long ago that nobody relies on it."""
        self._quiet.drop_old()
        self._changing.drop_old()

    def opened(self, inode: int) -> Reader | None:
        """Return the latest reader of *inode*, if it is open at all."""
        readers = self._open.get(inode)
        return readers[-1] if readers else None

    def is_only(self, reader: Reader) -> bool:
        """Tell whether *reader* has one user, and its file no other reader."""
        return reader.users == 1 and len(self._open[reader.node.inode]) == 1

    def check_read(self, reader: Reader, offset: int, size: int) -> None:
        """Raise `SourceChangedError` where a read cannot be answered as it should.

        That is where the kernel would fill up a short answer with zeros, because it
        believes in a larger file by now.
        """
        end = reader.file.size
        if not reader.direct and reader.believed_size > end and offset + size > end:
            raise SourceChangedError("the file has grown since it was opened")

    def close(self, reader: Reader) -> None:
        """Let one user of *reader* go."""
        reader.users -= 1
        if reader.users:
            return
        inode = reader.node.inode
        self._open[inode].remove(reader)
        if not self._open[inode]:
            del self._open[inode]
        if self._cached.get(inode) is reader:
            del self._cached[inode]
        reader.file.close()
