"""What is in memory, on filesystems that cannot tell whether a read would have to wait.

RWF_NOWAIT is not for overlayfs, which is what containers see, nor for tmpfs. There,
mincore(2) tells which pages of a file are in memory, of a mapping that is never touched.
"""

import ctypes
import os
from fcntl import F_GETFL, fcntl
from mmap import MAP_SHARED, PAGESIZE, PROT_READ

_libc = ctypes.CDLL(None)
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


def are_in_memory(fd: int, offset: int, size: int) -> bool:
    """Tell whether *size* bytes (1 or more) from *offset* of a file are.

    False if that cannot be found out. A mapping for each question costs 6 µs; one for
    each open file would use up what a process may have.
    """
    # The kernel tells those only who may read without a trace, and says yes to others.
    if not fcntl(fd, F_GETFL) & os.O_NOATIME:
        return False
    skipped = offset % PAGESIZE
    length = skipped + size
    start = _libc.mmap(None, length, PROT_READ, MAP_SHARED, fd, offset - skipped)
    if start == _FAILED:
        return False
    try:
        pages = ctypes.create_string_buffer(-(-length // PAGESIZE))
        failed = _libc.mincore(start, length, pages)
        return not failed and all(page & 1 for page in pages.raw)
    finally:
        _libc.munmap(start, length)
