"""Open files: what the files of both views share."""

import os
import time
from collections.abc import Callable
from errno import EOPNOTSUPP
from threading import Lock, local

from revcrypt.errors import SourceChangedError
from revcrypt.format.content import Bytes
from revcrypt.view.nodes import Attrs
from revcrypt.view.pages import are_in_memory, are_told

_ROOM = 1 << 18
"""Bytes for what the kernel reads at once, 128 KiB, in whole blocks of either side."""
_rooms = local()
_QUIET_NS = 2_000_000_000
"""More than the coarsest timestamp of a Linux filesystem, FAT's two seconds."""


def is_quiet(mtime_ns: int, ctime_ns: int) -> bool:
    """Tell whether the last change is so old that another would alter the times."""
    # Where the clock is wrong, or was, times in the future say nothing.
    return abs(time.time_ns() - max(mtime_ns, ctime_ns)) > _QUIET_NS


class BytesFile:
    """An open virtual file."""

    quiet = True

    def __init__(self, path: bytes, content: bytes, attrs: Attrs) -> None:
        self.path = path
        self.stamp: object = content
        self._content = content
        self._attrs = attrs

    @property
    def size(self) -> int:
        """Bytes to be served."""
        return len(self._content)

    def freeze(self, size: int) -> None:
        """Raise `SourceChangedError` unless *size* is all: half a config is none."""
        if size != len(self._content):
            raise SourceChangedError("the file was replaced a moment ago")

    def attrs(self) -> Attrs:
        """Return the attributes."""
        return self._attrs

    def read(self, offset: int, size: int, *, nowait: bool) -> bytes:  # noqa: ARG002
        """Return *size* bytes from *offset*, fewer only at the end."""
        return self._content[offset : offset + size]

    def close(self) -> None:
        """Nothing is held."""


class SourceFile:
    """A file of the source, read through a descriptor that is owned by this object.

    *attrs* turns a status of the file into what the view shows of it. *is_paged* tells
    that its filesystem does not know RWF_NOWAIT, but the kernel which pages it has.
    Reads are safe from several threads; a lock lets one in at a time.
    """

    def __init__(
        self,
        path: bytes,
        fd: int,
        status: os.stat_result,
        attrs: Callable[[os.stat_result], Attrs],
        *,
        is_paged: bool,
    ) -> None:
        self.path = path
        self.stamp: object = (
            status.st_dev,
            status.st_ino,
            status.st_size,
            status.st_mtime_ns,
            status.st_ctime_ns,
        )
        self._fd = fd
        self._attrs = attrs
        self._is_paged = is_paged and are_told(fd)
        self._lock = Lock()
        self.quiet = is_quiet(status.st_mtime_ns, status.st_ctime_ns)

    def attrs(self) -> Attrs:
        """Return the attributes as of now, also if the file has lost its name."""
        return self._attrs(os.fstat(self._fd))

    def read(self, offset: int, size: int, *, nowait: bool) -> Bytes:
        """Return *size* bytes from *offset*, fewer only at the end of the file.

        With *nowait*, raises `BlockingIOError` instead of waiting for a disk or for
        another reader. Raises `SourceChangedError` if the file has become shorter.
        """
        if not self._lock.acquire(blocking=not nowait):
            raise BlockingIOError
        try:
            return self._read(offset, size, nowait)
        finally:
            self._lock.release()

    def _read(self, offset: int, size: int, nowait: bool) -> Bytes:
        raise NotImplementedError

    def close(self) -> None:
        """Close the descriptor."""
        # The number may be another file's by the time of a late call.
        fd, self._fd = self._fd, -1
        os.close(fd)

    def _pread(self, size: int, offset: int, nowait: bool) -> Bytes:
        """Read exactly *size* bytes of the source, to be used before the next call."""
        buffer = _scratch(size)
        if nowait:
            # Part of it may be cached and part not, so that a short count says nothing.
            if self._preadv_nowait(buffer, offset) != size:
                raise BlockingIOError
            return buffer
        done = 0
        while done < size:
            count = os.preadv(self._fd, [buffer[done:]], offset + done)
            if not count:
                raise SourceChangedError("the file has become shorter while it was read")
            done += count
        return buffer

    def _preadv_nowait(self, buffer: memoryview, offset: int) -> int:
        if self._is_paged:
            status = os.fstat(self._fd)
            # Below an overlay there may be XFS, which lets readers wait for a writer.
            if not is_quiet(status.st_mtime_ns, status.st_ctime_ns):
                return -1
            if not are_in_memory(self._fd, offset, len(buffer)):
                return -1
            return os.preadv(self._fd, [buffer], offset)
        try:
            return os.preadv(self._fd, [buffer], offset, os.RWF_NOWAIT)
        except OSError as error:
            if error.errno != EOPNOTSUPP:
                raise
            return -1  # This filesystem cannot tell whether it would have to wait.


def _scratch(size: int) -> memoryview:
    """Return room for *size* bytes, the same for all reads of this thread.

    New memory for each read costs the kernel more than reading does.
    """
    if size > _ROOM:
        return memoryview(bytearray(size))
    room: memoryview | None = getattr(_rooms, "room", None)
    if room is None:
        room = _rooms.room = memoryview(bytearray(_ROOM))
    return room[:size]
