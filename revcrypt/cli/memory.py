"""Keeping what is in memory from files and from other processes.

Python copies secrets where it likes, and cannot wipe what it has copied. So the whole
process is protected: no core dumps, nobody but root may look into it (prctl(2),
PR_SET_DUMPABLE), and, where that is allowed, keys are not swapped (mlockall(2)).
"""

import ctypes
import logging
import os
import resource
from contextlib import suppress

_PR_SET_DUMPABLE = 4
_MCL_CURRENT = 1
_MCL_ONFAULT = 4

log = logging.getLogger(__name__)


def protect() -> None:
    """Forbid core dumps and other users' looks; for what is forked from us, too."""
    # Where a program takes the dumps (core_pattern), the limit alone changes nothing.
    _libc().prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    # A service may be forbidden to set limits at all, which Python calls a bad value.
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def lock() -> None:
    """Keep all memory that we have now, and so the keys in it, from the swap space.

    Wherever a key is opened this is called, and again where others are derived from it.
    What comes later, such as a million inodes, is not locked. Nor is anything for users
    who may not lock that much (RLIMIT_MEMLOCK).
    """
    # What was never touched holds no key; reading it all in would take time and memory.
    if _libc().mlockall(_MCL_CURRENT | _MCL_ONFAULT):
        log.debug("keys may be swapped: %s", os.strerror(ctypes.get_errno()))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
