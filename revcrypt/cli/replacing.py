"""Putting a new file in the place of an old one, so that there is always a whole one.

The old one stays until the new one has been read back from the disk and found good.
"""

import os
import re
import secrets as random
from collections.abc import Callable
from contextlib import suppress
from errno import EIO, ENOTSUP
from stat import S_IMODE, S_ISREG


def replace(
    path: str,
    data: bytes,
    check: Callable[[bytes], object],
    *,
    new_mode: int | None = None,
) -> None:
    """Make *data* the content of the regular file *path*, which is no symlink.

    Owner, mode and extended attributes (ACLs are some) stay. If there is no such file and
    *new_mode* is given, there is one then, of that mode. *check* gets what was read back
    and raises what it likes; then, and on `OSError`, nothing has changed.
    """
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        if new_mode is None:
            raise
        status = None
    if status is not None and not S_ISREG(status.st_mode):
        raise OSError(ENOTSUP, "it is no regular file")
    _remove_leftovers(path)
    temporary = f"{path}.{random.token_hex(4)}.tmp"
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    fd = os.open(temporary, flags, 0o600)
    try:
        with open(fd, "r+b") as file:
            file.write(data)
            file.flush()
            if status is not None:
                _look_like(fd, path, status)
            elif new_mode is not None:
                os.fchmod(fd, new_mode)
            os.fsync(fd)
            # From the disk, not from the cache.
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            file.seek(0)
            back = file.read()
        if back != data:
            raise OSError(EIO, "the disk does not keep what is written to it")
        check(back)
        os.rename(temporary, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    sync_directory(os.path.dirname(path) or ".")


def sync_directory(path: str) -> None:
    """Have the entries of a directory on the disk."""
    directory = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _remove_leftovers(path: str) -> None:
    """Remove what we have left behind if we were killed."""
    directory, name = os.path.split(path)
    ours = re.compile(re.escape(name) + r"\.[0-9a-f]{8}\.tmp")
    for entry in os.listdir(directory or "."):
        if ours.fullmatch(entry):
            os.unlink(os.path.join(directory, entry))


def _look_like(fd: int, path: str, status: os.stat_result) -> None:
    os.fchown(fd, status.st_uid, status.st_gid)
    os.fchmod(fd, S_IMODE(status.st_mode))
    try:
        names = os.listxattr(path)
    except OSError as error:
        if error.errno != ENOTSUP:
            raise
        return
    for name in names:
        try:
            os.setxattr(fd, name, os.getxattr(path, name))
        except PermissionError:
            # Labels of the system are its own business; it has given the file one.
            if not name.startswith("security."):
                raise
