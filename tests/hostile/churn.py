"""A process that does to its directory what filesystems are tested with, by chance.

The same seed does the same again. Names and objects are few enough to meet one another,
so that operations often fail, as they do in life; only what is left over counts.
"""

import ctypes
import mmap
import os
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from stat import S_IFCHR, S_IFIFO, S_IFSOCK, S_ISDIR, S_ISREG

from tests.mount.big_tree import (
    AWKWARD_NAMES,
    MODES,
    NAME_BYTES,
    ODD_TIMES,
    OWN_NAMES,
    OWNERS,
)
from tests.rescue.trees import ACL

LARGEST = 1 << 20
"""Bytes of a file, about."""
LONGEST_TARGET = 4095
_KEEP_SIZE, _PUNCH_HOLE, _COLLAPSE, _ZERO, _INSERT = 1, 2, 8, 16, 32
_EXCHANGE = 2
_AT_FDCWD = -100
_libc = ctypes.CDLL(None, use_errno=True)


class Churn:
    """What is done below *root*, a directory of this process alone."""

    def __init__(self, root: Path, seed: str) -> None:
        self.done: Counter[str] = Counter()
        """What has succeeded, by name."""
        self._random = Random(seed)
        self._root = os.fsencode(root)
        self._directories = [self._root]
        self._files: list[bytes] = []
        """What is no directory."""
        self._operations: dict[Callable[[], object], int] = {
            self._create: 12,
            self._mkdir: 6,
            self._symlink: 4,
            self._mknod: 2,
            self._link: 6,
            self._rename: 8,
            self._exchange: 4,
            self._unlink: 5,
            self._rmdir: 2,
            self._write: 14,
            self._write_mapped: 4,
            self._truncate: 6,
            self._allocate: 8,
            self._copy_range: 3,
            self._chmod: 3,
            self._chown: 3,
            self._set_times: 4,
            self._set_attribute: 4,
            self._remove_attribute: 1,
            self._set_acl: 1,
        }

    def operate(self) -> None:
        """Do something; it may fail."""
        operations, weights = zip(*self._operations.items(), strict=True)
        [operation] = self._random.choices(operations, weights)
        with suppress(OSError):
            operation()
            self.done[operation.__name__.removeprefix("_")] += 1

    # Choosing

    def _name(self) -> bytes:
        random = self._random
        match random.randrange(10):
            case 0:
                return bytes(random.choices(NAME_BYTES, k=random.randrange(1, 256)))
            case 1:
                return b"long" * 60 + b"%d" % random.randrange(20)
            case 2:
                return random.choice(AWKWARD_NAMES + OWN_NAMES)
        return b"%x" % random.randrange(200)

    def _directory(self) -> bytes:
        return self._random.choice(self._directories)

    def _new(self) -> bytes:
        return self._directory() + b"/" + self._name()

    def _any(self) -> bytes:
        return self._random.choice(self._files + self._directories[1:] or [self._root])

    def _file(self) -> bytes:
        return self._random.choice(self._files or [self._root + b"/none"])

    def _span(self, size: int) -> tuple[int, int]:
        offset = int(size * self._random.random())
        return offset, 1 + int(LARGEST // 4 * self._random.random() ** 4)

    # Names and objects

    def _create(self) -> None:
        path = self._new()
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        self._files.append(path)

    def _mkdir(self) -> None:
        path = self._new()
        os.mkdir(path)
        self._directories.append(path)

    def _symlink(self) -> None:
        random, path = self._random, self._new()
        size = random.choice((1, 10, 100, 1000, 3039, 3040, LONGEST_TARGET))
        os.symlink(bytes(random.choices(NAME_BYTES, k=size)), path)
        self._files.append(path)

    def _mknod(self) -> None:
        path = self._new()
        kind = self._random.choice((S_IFIFO, S_IFSOCK, S_IFCHR))
        os.mknod(path, kind | 0o644, os.makedev(1, 3) if kind == S_IFCHR else 0)
        self._files.append(path)

    def _link(self) -> None:
        path = self._new()
        os.link(self._file(), path, follow_symlinks=False)
        self._files.append(path)

    def _rename(self) -> None:
        old, new = self._any(), self._random.choice((self._new(), self._any()))
        os.rename(old, new)
        self._scan()

    def _exchange(self) -> None:
        names = self._any(), self._any()
        if _libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _EXCHANGE):
            raise OSError(ctypes.get_errno(), "renameat2")
        self._scan()

    def _scan(self) -> None:
        """Find out what is where, after things have moved."""
        self._directories, self._files = [self._root], []
        for directory in self._directories:
            for name in sorted(os.listdir(directory)):
                path = directory + b"/" + name
                is_directory = S_ISDIR(os.lstat(path).st_mode)
                (self._directories if is_directory else self._files).append(path)

    def _unlink(self) -> None:
        path = self._file()
        os.unlink(path)
        self._files.remove(path)

    def _rmdir(self) -> None:
        path = self._directory()
        if path != self._root:
            os.rmdir(path)
            self._directories.remove(path)

    # Content

    def _open(self) -> int:
        path = self._file()
        if not S_ISREG(os.lstat(path).st_mode):
            raise FileNotFoundError
        return os.open(path, os.O_RDWR | os.O_NOFOLLOW)

    def _write(self) -> None:
        with open(self._open(), "r+b", buffering=0) as file:
            offset, length = self._span(os.fstat(file.fileno()).st_size + 10_000)
            os.pwrite(file.fileno(), self._random.randbytes(length), offset)

    def _write_mapped(self) -> None:
        with open(self._open(), "r+b", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if size:
                offset, length = self._span(size)
                with mmap.mmap(file.fileno(), size) as mapped:
                    length = min(length, size - offset)
                    mapped[offset : offset + length] = self._random.randbytes(length)

    def _truncate(self) -> None:
        with open(self._open(), "r+b", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            file.truncate(
                int(self._random.choice((size, LARGEST)) * self._random.random())
            )

    def _allocate(self) -> None:
        with open(self._open(), "r+b", buffering=0) as file:
            offset, length = self._span(os.fstat(file.fileno()).st_size + 1)
            punch = _PUNCH_HOLE | _KEEP_SIZE
            mode = self._random.choice((0, _KEEP_SIZE, punch, _ZERO, _COLLAPSE, _INSERT))
            if mode in (_COLLAPSE, _INSERT):
                offset, length = offset & ~4095, (length | 4095) + 1
            span = ctypes.c_int64(offset), ctypes.c_int64(length)
            if _libc.fallocate(file.fileno(), mode, *span):
                raise OSError(ctypes.get_errno(), "fallocate")

    def _copy_range(self) -> None:
        with open(self._open(), "rb") as source, open(self._open(), "r+b") as target:
            offset, length = self._span(os.fstat(source.fileno()).st_size + 1)
            os.copy_file_range(source.fileno(), target.fileno(), length, 0, offset)

    # Attributes

    def _chmod(self) -> None:
        path = self._any()
        if not os.path.islink(path):
            os.chmod(path, self._random.choice(MODES))

    def _chown(self) -> None:
        os.chown(self._any(), *self._random.choice(OWNERS), follow_symlinks=False)

    def _set_times(self) -> None:
        times = (*ODD_TIMES, self._random.randrange(2 * 10**18))
        ns = (0, self._random.choice(times))
        os.utime(self._any(), ns=ns, follow_symlinks=False)

    def _attribute(self) -> str:
        return f"user.{self._random.randrange(5)}"

    def _set_attribute(self) -> None:
        value = self._random.randbytes(self._random.randrange(1000))
        os.setxattr(self._any(), self._attribute(), value, follow_symlinks=False)

    def _remove_attribute(self) -> None:
        os.removexattr(self._any(), self._attribute(), follow_symlinks=False)

    def _set_acl(self) -> None:
        # Of a sticky directory, rsync loses what the group may, also without a view.
        os.setxattr(self._file(), "system.posix_acl_access", ACL, follow_symlinks=False)
