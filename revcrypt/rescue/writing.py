"""Writing for a restore: temporary names, attributes, and what a failure means."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from errno import (
    EDQUOT,
    EEXIST,
    EISDIR,
    ELOOP,
    ENODATA,
    ENOSPC,
    ENOTDIR,
    ENOTEMPTY,
    ENOTSUP,
    EROFS,
)
from hashlib import sha256

from revcrypt.errors import DestinationError, UnwritableError
from revcrypt.view.findings import printable
from revcrypt.view.tree import ACL_NAMES

Xattrs = dict[bytes, bytes]

_FATAL = (ENOSPC, EDQUOT, EROFS)
_IN_THE_WAY = (EEXIST, EISDIR, ELOOP, ENOTDIR, ENOTEMPTY)


def write_at(fd: int, data: bytes, offset: int) -> None:
    """Write all of *data* at *offset*; raises `OSError`."""
    while data:
        written = os.pwrite(fd, data, offset)
        data, offset = data[written:], offset + written


def temporary_name(name: bytes) -> bytes:
    """Return the name of an entry that is not complete; there is one for each entry.

    So what an interrupted restore has left is found by the one that goes on with it.
    """
    return b".revcrypt-" + sha256(name).hexdigest()[:32].encode() + b".part"


TEMPORARY = re.compile(rb"\.revcrypt-[0-9a-f]{32}\.part")


def clear_acls(place: int | bytes) -> None:
    """Remove what an object has inherited from its directory, or had before."""
    for name in ACL_NAMES:
        try:
            os.removexattr(place, name)
        except OSError as error:
            if error.errno not in (ENODATA, ENOTSUP):
                raise


def set_xattrs(place: int | bytes, xattrs: Xattrs) -> list[str]:
    """Set attributes of what a descriptor or path leads to, and return what failed."""
    problems = []
    for name, value in xattrs.items():
        try:
            os.setxattr(place, name, value)
        except OSError as error:
            # Where there is room, it is more than this filesystem takes for one object.
            has_room = error.errno == ENOSPC and os.statvfs(place).f_bavail
            if error.errno in _FATAL and not has_room:
                raise _full_error(error) from None
            problems.append(
                f"its attribute {printable(name)} cannot be set: {error.strerror}"
            )
    return problems


def _full_error(error: OSError) -> DestinationError:
    """Return the error for a destination to which nothing more can be written."""
    return DestinationError(
        f"cannot write to the destination: {error.strerror}",
        hint="make room and run the same command again; it goes on where it was",
    )


@contextmanager
def writing() -> Iterator[None]:
    """Turn what the system says into what it means for the restore."""
    try:
        yield
    except OSError as error:
        if error.errno in _FATAL:
            raise _full_error(error) from None
        text = error.strerror
        if error.errno in _IN_THE_WAY:
            text = "something else is in the way"
        raise UnwritableError(f"not restored: {text}") from None
