"""What is in memory, on filesystems that cannot tell whether a read would have to wait.

RWF_NOWAIT is not for overlayfs, which is what containers see, nor for tmpfs. There,
mincore(2) tells which pages of a file are in memory, of a mapping that is never touched.
Other filesystems without it are left alone: one on a network may wait even for what it
has.
"""

import ctypes
import os
import sys
from mmap import MAP_SHARED, PAGESIZE, PROT_READ

_OVERLAYFS, _TMPFS = 0x794C7630, 0x01021994
_STATFS_SIZE = 256
"""Bytes, and more than any `struct statfs` has; it begins with the type, a long."""

# None of these waits for anything, so the interpreter's lock can be kept.
_libc = ctypes.PyDLL(None)
_libc.fstatfs.argtypes = [ctypes.c_int, ctypes.c_char_p]
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_long,
]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p]
_FAILED = ctypes.c_void_p(-1).value


class Pages:
    """The pages of an open file, and which of them are in memory."""

    def __init__(self, fd: int, status: os.stat_result) -> None:
        """Map *fd*, a file of that *status*, where that is of use."""
        self._address = 0
        self._size = status.st_size
        # The kernel tells nobody but root and the owner, and says yes instead.
        is_told = os.geteuid() in (0, status.st_uid)
        if self._size and is_told and _filesystem(fd) in (_OVERLAYFS, _TMPFS):
            address = _libc.mmap(None, self._size, PROT_READ, MAP_SHARED, fd, 0)
            self._address = 0 if address == _FAILED else address

    def are_in_memory(self, offset: int, size: int) -> bool:
        """Tell whether *size* bytes from *offset* are; False if nobody knows."""
        if not self._address or offset + size > self._size:
            return False
        start = offset - offset % PAGESIZE
        length = offset + size - start
        pages = ctypes.create_string_buffer(-(-length // PAGESIZE))
        failed = _libc.mincore(self._address + start, length, pages)
        return not failed and all(page & 1 for page in pages.raw)

    def close(self) -> None:
        """Unmap the file."""
        if self._address:
            _libc.munmap(self._address, self._size)
            self._address = 0


def _filesystem(fd: int) -> int:
    """Return the kind of filesystem that a file is on, 0 if that cannot be found out."""
    buffer = ctypes.create_string_buffer(_STATFS_SIZE)
    if _libc.fstatfs(fd, buffer):
        return 0
    return int.from_bytes(buffer.raw[: ctypes.sizeof(ctypes.c_long)], sys.byteorder)
