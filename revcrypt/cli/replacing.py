"""Putting new files in the place of old ones, so that there is always a whole one.

Old ones stay until all new ones have been read back from the disk and found good.
"""

import fcntl
import logging
import os
import re
import secrets as random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from errno import EIO, ENOTSUP, EOPNOTSUPP, EPERM
from stat import S_IMODE, S_ISREG

from revcrypt.errors import ConfigExistsError, ConfigUnwritableError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """What is to be the content of the regular file *path*, which is no symlink."""

    path: str
    data: bytes
    check: Callable[[bytes], object]
    """Gets what was read back, and raises what it likes."""
    mode: int | None = None
    """Of a new file. An old one keeps its own, its owner and its extended attributes
    (ACLs are some); if this is None, there must be one."""
    is_new: bool = False
    """Whether there must be no old one."""
    overwrite: bool = False
    """Whether the content of the old one is overwritten, once it has lost its name. What
    a filesystem or a disk keeps of it besides is out of our reach."""
    before: Callable[[], object] | None = None
    """What is to be done when those before are in their places, and this one is not."""


def replace_all(files: Sequence[File]) -> None:
    """Put the files in their places, in that order.

    What can fail is done for all of them before the first is touched, so that nothing has
    changed then. Raises `ConfigUnwritableError`, `ConfigExistsError`, or what a check or
    a *before* raises.
    """
    for path in {file.path for file in files}:
        with _telling(path):
            _remove_leftovers(path)
    with ExitStack() as stack:
        prepared = [stack.enter_context(_prepared(file)) for file in files]
        for file, put in zip(files, prepared, strict=True):
            if file.before is not None:
                file.before()
            with _telling(file.path):
                put()


@contextmanager
def locked(path: str) -> Iterator[None]:
    """Keep other commands from changing *path* and what else is in its directory.

    Not all network filesystems can do that, so whoever changes something also looks
    whether it still is what he has read.
    """
    directory = os.path.dirname(path) or "."
    with _telling(path):
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                log.warning("waiting for another command to end in %s", directory)
                fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


@contextmanager
def _telling(path: str) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise ConfigExistsError(
            f"there is a file already: {path}",
            hint="it may hold the key of a backup; move it away only if there is none",
        ) from None
    except OSError as error:
        raise ConfigUnwritableError(
            f"cannot write {path}: {error.strerror}",
            hint="its directory and the disk must be writable for its owner; a new "
            "config may lie elsewhere: --config FILE",
        ) from None


@contextmanager
def _prepared(file: File) -> Iterator[Callable[[], None]]:
    """Yield what puts *file*, which is on the disk by then, in its place."""
    temporary = f"{file.path}.{random.token_hex(4)}.tmp"
    with ExitStack() as stack:
        stack.callback(_unlink, temporary)
        with _telling(file.path):
            old = None if file.is_new else _open_old(file)
            if old is not None:
                stack.callback(os.close, old)
            _write(temporary, file, old)

        def put() -> None:
            if file.is_new:
                _rename_new(temporary, file.path)
            else:
                os.rename(temporary, file.path)
            sync_directory(os.path.dirname(file.path) or ".")
            if old is not None and file.overwrite:
                _overwrite(old, file.path)

        yield put


def _open_old(file: File) -> int | None:
    # O_PATH if it need not be read: we may replace what we may not read.
    access = os.O_RDONLY if file.overwrite else os.O_PATH
    try:
        fd = os.open(file.path, access | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        if file.mode is None:
            raise
        return None
    if not S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(ENOTSUP, "it is no regular file")
    return fd


def _write(temporary: str, file: File, old: int | None) -> None:
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with open(os.open(temporary, flags, 0o600), "r+b") as out:
        fd = out.fileno()
        out.write(file.data)
        out.flush()
        if old is not None:
            _look_like(fd, old)
        elif file.mode is not None:
            os.fchmod(fd, file.mode)
        os.fsync(fd)
        # From the disk, not from the cache.
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        out.seek(0)
        back = out.read()
    if back != file.data:
        raise OSError(EIO, "the disk does not keep what is written to it")
    file.check(back)


def _rename_new(temporary: str, path: str) -> None:
    try:
        os.link(temporary, path)
    except OSError as error:
        if error.errno not in (EPERM, EOPNOTSUPP):
            raise
        # FAT and some network filesystems have no hard links.
        if os.path.lexists(path):
            raise FileExistsError from None
        os.rename(temporary, path)


def _overwrite(fd: int, path: str) -> None:
    status = os.fstat(fd)
    if status.st_nlink:
        log.warning("another hard link of the old %s opens what it opened", path)
        return
    try:
        # Its owner, too, may have forbidden himself to write.
        os.fchmod(fd, 0o600)
        with open(_link(fd), "r+b", buffering=0) as file:
            file.write(bytes(status.st_size))
            os.fsync(file)
    except OSError as error:
        log.warning("the old %s is not overwritten: %s", path, error.strerror)


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


def _unlink(path: str) -> None:
    # It need not be there; and what has gone wrong before is to be told.
    with suppress(OSError):
        os.unlink(path)


def _link(fd: int) -> str:
    return f"/proc/self/fd/{fd}"


def _look_like(fd: int, old: int) -> None:
    status = os.fstat(old)
    os.fchown(fd, status.st_uid, status.st_gid)
    os.fchmod(fd, S_IMODE(status.st_mode))
    try:
        names = os.listxattr(_link(old))
    except OSError as error:
        if error.errno != ENOTSUP:
            raise
        return
    for name in names:
        try:
            os.setxattr(fd, name, os.getxattr(_link(old), name))
        except PermissionError:
            # Labels of the system are its own business; it has given the file one.
            if not name.startswith("security."):
                raise
