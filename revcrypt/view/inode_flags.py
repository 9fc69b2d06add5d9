"""Inode flags that `os.stat` does not give: statx(2), which Python lacks before 3.15."""

import ctypes
import os
import sys

_AT_SYMLINK_NOFOLLOW = 0x100
_AT_NO_AUTOMOUNT = 0x800
_NODUMP = 0x40
_SIZE = 256
_ATTRIBUTES = slice(8, 16)
"""Where `stx_attributes` is in `struct statx`."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.statx.argtypes = [
    ctypes.c_int,
    ctypes.c_char_p,
    ctypes.c_int,
    ctypes.c_uint,
    ctypes.c_char_p,
]


def is_nodump(dir_fd: int, name: bytes) -> bool:
    """Tell whether an entry of a directory is marked with `chattr +d`.

    The file is not opened. Raises `OSError`. False where the filesystem has no such mark.
    """
    buffer = ctypes.create_string_buffer(_SIZE)
    flags = _AT_SYMLINK_NOFOLLOW | _AT_NO_AUTOMOUNT
    if _libc.statx(dir_fd, name, flags, 0, buffer):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return bool(int.from_bytes(buffer.raw[_ATTRIBUTES], sys.byteorder) & _NODUMP)
