"""A mount namespace for the tests."""

import ctypes
import os
from errno import EPERM

_CLONE_NEWNS = 0x20000
_MS_BIND, _MS_REC, _MS_SLAVE = 0x1000, 0x4000, 0x80000


def leave_mounts() -> None:
    """Let what this process mounts be seen by its children only, if it may.

    Commands that look at all mounts, of tests that run at the same time, must not find
    each other's. What is mounted outside is still seen here, and unmounted here too.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS) != 0:
        if ctypes.get_errno() == EPERM:
            return  # An ordinary user has mounts of his own with fusermount3 only.
        raise OSError(ctypes.get_errno(), "unshare")
    for source, target, flags in (
        (None, b"/", _MS_REC | _MS_SLAVE),
        # A service looks there whether the machine sees its mount; we are the machine.
        (f"/proc/{os.getpid()}/mountinfo".encode(), b"/proc/1/mountinfo", _MS_BIND),
    ):
        if libc.mount(source, target, None, flags, None) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
