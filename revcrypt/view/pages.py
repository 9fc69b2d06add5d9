"""What is in memory, on filesystems that cannot tell whether a read would have to wait.

RWF_NOWAIT is not for overlayfs, which is what containers see, nor for tmpfs. There,
mincore(2) tells which pages of a file are in memory, of a mapping that is never touched.
"""

import ctypes
import os
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


def are_told(fd: int) -> bool:
    """Tell whether the kernel tells us the pages of a file.

    To others than its owner, who may be another one in a layer of an overlay, it says
    that all is in memory.
    """
    return not are_in_memory(fd, os.fstat(fd).st_size + PAGESIZE, 1)


def are_in_memory(fd: int, offset: int, size: int) -> bool:
    """Tell whether *size* bytes (1 or more) from *offset* of a file are.

    False if that cannot be found out. A mapping for each question costs 6 µs; one for
    each open file would use up what a process may have.
    """
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
