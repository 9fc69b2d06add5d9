"""Files that change while they are read: what the kernel may believe about them.

The kernel keeps two things per inode: attributes, for a second, and pages. Clients
mostly ask for the size first and then read so much. So what is read must have the size
that was told, and pages must not come from two states of a file:

- A file that was told about within the last second is frozen at the size told then.
- While somebody reads it, the size and times it was opened with are told to everybody,
  for longer than the kernel remembers them.
- All readers of one state share one open file and the page cache. A reader of another
  state, opened meanwhile, bypasses the page cache.
- Cached pages outlive the last reader only if the file had not changed for a while when
  they were read: otherwise a change could leave its timestamps as they are.
"""

import time
from dataclasses import dataclass
from typing import NamedTuple

from revcrypt.view.nodes import Attrs, Node, OpenFile

TIMEOUT = 1.0
"""Seconds for which the kernel may keep attributes and names."""

_TOLD = TIMEOUT + 0.1
_ACTIVE = 2 * TIMEOUT


class _Told(NamedTuple):
    at: float
    size: int
    mtime_ns: int
    ctime_ns: int


@dataclass(slots=True)
class Reader:
    """An open file as its readers share it; *last_used* is monotonic."""

    node: Node
    file: OpenFile
    told: _Told
    direct: bool
    keep_cache: bool
    stale_size: bool
    """The kernel believes in a size that the file does not have any more."""
    last_used: float
    users: int = 1


class LiveFiles:
    """The regular files that were told about lately, or are open."""

    def __init__(self) -> None:
        self._told: dict[int, _Told] = {}
        self._latest: dict[int, Reader] = {}
        """By inode: the reader that was opened last."""
        self._cached: dict[int, Reader] = {}
        """By inode: the reader that fills the page cache."""

    def tell(self, attrs: Attrs) -> Attrs:
        """Return what the kernel is to be told for a regular file's *attrs*."""
        inode, now = attrs.inode, time.monotonic()
        reader = self._latest.get(inode)
        if reader is not None and now - reader.last_used < _ACTIVE:
            _, size, mtime_ns, ctime_ns = reader.told
            attrs = attrs._replace(
                size=size, blocks=-(-size // 512), mtime_ns=mtime_ns, ctime_ns=ctime_ns
            )
        # Taking it out first keeps the oldest in front.
        self._told.pop(inode, None)
        self._told[inode] = _Told(now, attrs.size, attrs.mtime_ns, attrs.ctime_ns)
        self._drop_old(now)
        return attrs

    def _drop_old(self, now: float) -> None:
        old = []
        for inode, told in self._told.items():
            if now - told.at < _TOLD:
                break
            old.append(inode)
        for inode in old:
            del self._told[inode]

    def open(self, node: Node, file: OpenFile) -> Reader:
        """Return the reader of *file*, which was just opened for *node*."""
        now = time.monotonic()
        self._drop_old(now)
        told = self._told.get(node.inode)
        stale_size = told is not None and told.size > file.size
        if told is None or stale_size:
            attrs = file.attrs()
            told = _Told(now, file.size, attrs.mtime_ns, attrs.ctime_ns)
        steady = file.quiet and told.size == file.size
        file.freeze(told.size)

        cached = self._cached.get(node.inode)
        if cached is not None and steady and cached.file.stamp == file.stamp:
            file.close()
            cached.users += 1
            cached.last_used = now
            # Pages that a reader of this state has filled are this reader's too.
            cached.keep_cache = True
            cached.stale_size = False
            self._latest[node.inode] = cached
            return cached

        # Beyond the end, the kernel would fill pages with zeros.
        direct = stale_size or cached is not None
        keep_cache = direct or (steady and node.filled == file.stamp)
        reader = Reader(node, file, told, direct, keep_cache, stale_size, now)
        if not direct:
            node.filled = file.stamp if steady else None
            self._cached[node.inode] = reader
        self._latest[node.inode] = reader
        return reader

    def latest(self, inode: int) -> Reader | None:
        """Return the reader of *inode* that was opened last, if it is still open."""
        return self._latest.get(inode)

    def touch(self, reader: Reader) -> None:
        """Note that *reader* is being read."""
        reader.last_used = time.monotonic()

    def close(self, reader: Reader) -> None:
        """Let one user of *reader* go."""
        reader.users -= 1
        if reader.users:
            return
        for readers in (self._latest, self._cached):
            if readers.get(reader.node.inode) is reader:
                del readers[reader.node.inode]
        reader.file.close()
