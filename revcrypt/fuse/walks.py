"""Walks: whether a client has been everywhere in the tree.

A walk is what one process does after it has opened the root of the view, until it opens
it again. It has come to its end when every directory that was reported to this process
has been read to its end by it, or has turned out to be gone when it asked for it. So the
directories that are still missing are all there is to remember.

That is a statement about directories: which files were read, and what became of them at
the other side, is the client's business.
"""

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from revcrypt.fuse.processes import process_of
from revcrypt.view.nodes import Node

MOST_WALKS = 16
"""Unfinished ones to remember: whoever lists the root has begun one."""
_MOST_THREADS = 256
_ROOT = (0, b"")


@dataclass(slots=True)
class Walk:
    """One walk; times in seconds since 1970."""

    process: int
    failures_before: int
    """How many failures there had been when it began."""
    begun: float = field(default_factory=time.time)
    ended: float | None = None
    directories: int = 0
    """Those that were read to their end."""
    entries: int = 0
    """What was reported in these."""
    missing: set[tuple[int, bytes]] = field(default_factory=lambda: {_ROOT})
    """What is still to be read: the inode of the directory above, and the name."""

    @property
    def is_running(self) -> bool:
        """Whether it may still come to its end."""
        return self.ended is None and os.path.exists(f"/proc/{self.process}")


def _key(node: Node) -> tuple[int, bytes]:
    return _ROOT if node.parent is None else (node.parent.inode, node.shown_name)


class Walks:
    """All walks through one view; *failures* tells how many there have been so far."""

    def __init__(self, failures: Callable[[], int]) -> None:
        self._failures = failures
        self._by_process: OrderedDict[int, Walk] = OrderedDict()
        self._process_of: dict[int, int] = {}
        """By thread. To ask /proc each time would cost more than all the rest."""
        self.last: Walk | None = None
        """The last that has come to its end."""

    @property
    def unfinished(self) -> list[Walk]:
        """Those that have not, the oldest first."""
        return list(self._by_process.values())

    def of(self, directory: Node, tid: int) -> Walk | None:
        """Return the walk that a thread is on, when it opens a directory.

        Opening the root may be the beginning of one; it is, if the root is read.
        """
        if directory.parent is None:
            return Walk(self._learn(tid), self._failures())
        process = self._process_of.get(tid) or self._learn(tid)
        return self._by_process.get(process)

    def _learn(self, tid: int) -> int:
        if len(self._process_of) >= _MOST_THREADS:
            self._process_of.clear()
        process = self._process_of[tid] = process_of(tid)
        return process

    def listed(
        self, walk: Walk, directory: Node, entries: int, below: Iterable[bytes]
    ) -> None:
        """Take note that all *entries* of a directory were read on a walk.

        *below* are the names of those that are directories, or may be.
        """
        if _key(directory) not in walk.missing:
            return  # It was read before; what is in it now is for the next walk.
        if directory.parent is None:
            self._begin(walk)
        elif self._by_process.get(walk.process) is not walk:
            return  # Its process has begun another one meanwhile.
        walk.directories += 1
        walk.entries += entries
        walk.missing.update((directory.inode, name) for name in below)
        self._done(walk, _key(directory))

    def gone(self, directory: Node, name: bytes, tid: int) -> None:
        """Take note that a client was told that an entry does not exist."""
        walk = self._by_process.get(self._process_of.get(tid, 0))
        if walk is not None and (directory.inode, name) in walk.missing:
            self._done(walk, (directory.inode, name))

    def _done(self, walk: Walk, key: tuple[int, bytes]) -> None:
        walk.missing.discard(key)
        if not walk.missing:
            walk.ended = time.time()
            self.last = walk
            del self._by_process[walk.process]

    def _begin(self, walk: Walk) -> None:
        self._by_process.pop(walk.process, None)
        self._by_process[walk.process] = walk
        if len(self._by_process) > MOST_WALKS:
            others = list(self._by_process.values())[:-1]
            # A pull may pause for hours, with a large file; who has ended is ended.
            stopped = [other for other in others if not other.is_running]
            del self._by_process[(stopped or others)[0].process]
