"""A filesystem that claims odd things of the objects of a directory (`oddfs.c`)."""

import os
from pathlib import Path

from tests.support import Mounts


def claim(path: Path, **claims: int) -> None:
    """Let the filesystem claim something else of an object than what is true.

    *ino*, *nlink*, *size*; or *error*, the errno of reading it.
    """
    for name, value in claims.items():
        what = f"trusted.odd.{name}"
        os.setxattr(path, what, b"%d" % value, follow_symlinks=False)


def mount_odd_filesystem(mounts: Mounts, program: Path, backing: Path) -> Path:
    """Show *backing*, with all that is claimed of it."""
    mountpoint = mounts.mountpoint("odd")
    mounts.start(program, backing, mountpoint)
    return mountpoint
