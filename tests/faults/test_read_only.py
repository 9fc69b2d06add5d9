"""System calls that change something, on each kind of object: refused, no effect."""

import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Callable, Iterator
from errno import ENOTTY, EOPNOTSUPP, EROFS
from pathlib import Path
from stat import S_IFCHR
from typing import NamedTuple

import pytest

from tests.counts import Counted
from tests.faults.place import Place, plain_source
from tests.support import run, snapshot

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can remount"),
]

AT_FDCWD = -100
FS_IOC_SETFLAGS = 0x40086602
RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT = 1, 2, 4
ACL = struct.pack("<I" + "HHI" * 3, 2, 1, 6, 2**32 - 1, 4, 4, 2**32 - 1, 32, 4, 2**32 - 1)
"""rw-r--r-- (acl(5))."""
libc = ctypes.CDLL(None, use_errno=True)


class Target(NamedTuple):
    """An object of the view, another one of its kind, and a name that does not exist."""

    path: Path
    other: Path
    new: Path


Change = Callable[[Target], object]
Inside = Callable[[Path], object]


def opening(flags: int) -> Change:
    return lambda target: os.open(target.path, flags, 0o600)


def by_descriptor(change: Callable[[int], object]) -> Change:
    """Return what changes an object that is open for reading."""

    def use(target: Target) -> None:
        fd = os.open(target.path, os.O_RDONLY)
        try:
            change(fd)
        finally:
            os.close(fd)

    return use


def within(make: Inside) -> Change:
    """Return what makes something new in a directory."""
    return lambda target: make(target.path / "new")


def renaming(old: str, new: str, flags: int = 0) -> Change:
    """Return what renames one field of the target to another (renameat2(2))."""

    def rename(target: Target) -> None:
        paths = [os.fsencode(getattr(target, field)) for field in (old, new)]
        if libc.renameat2(AT_FDCWD, paths[0], AT_FDCWD, paths[1], flags):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    return rename


def bind(path: Path) -> None:
    """Make a socket."""
    with socket.socket(socket.AF_UNIX) as server:
        directory = os.open(path.parent, os.O_PATH)
        try:
            # The path may be too long for a socket.
            server.bind(f"/proc/self/fd/{directory}/{path.name}")
        finally:
            os.close(directory)


def attribute(set_or_remove: Callable[..., None], name: str, *value: bytes) -> Change:
    return lambda target: set_or_remove(target.path, name, *value, follow_symlinks=False)


def set_flags(fd: int) -> None:
    """Do as `chattr +i` does (ioctl_iflags(2))."""
    fcntl.ioctl(fd, FS_IOC_SETFLAGS, struct.pack("l", 0x10))


FILE: dict[str, Change] = {
    "open to write": opening(os.O_WRONLY),
    "open to read and write": opening(os.O_RDWR),
    "open to append": opening(os.O_WRONLY | os.O_APPEND),
    "open and truncate": opening(os.O_RDONLY | os.O_TRUNC),
    "creat": opening(os.O_CREAT | os.O_WRONLY | os.O_TRUNC),
    "open again by descriptor": by_descriptor(
        lambda fd: os.open(f"/proc/self/fd/{fd}", os.O_RDWR)
    ),
    "truncate": lambda target: os.truncate(target.path, 0),
    "set a capability": attribute(
        os.setxattr, "security.capability", struct.pack("<5I", 0x2000000, 1, 0, 0, 0)
    ),
}
DIRECTORY: dict[str, Change] = {
    "create": within(lambda path: os.open(path, os.O_CREAT | os.O_WRONLY)),
    "create without a name": opening(os.O_TMPFILE | os.O_RDWR),
    "mkdir": within(os.mkdir),
    "mknod, file": within(os.mknod),
    "mknod, FIFO": within(os.mkfifo),
    "mknod, device": within(lambda path: os.mknod(path, S_IFCHR, os.makedev(1, 3))),
    "symlink": within(lambda path: os.symlink("target", path)),
    "bind": within(bind),
    "rmdir": lambda target: os.rmdir(target.path),
    "set a default ACL": attribute(os.setxattr, "system.posix_acl_default", ACL),
}
NO_DIRECTORY: dict[str, Change] = {
    "link": lambda target: os.link(target.path, target.new, follow_symlinks=False),
    "unlink": lambda target: os.unlink(target.path),
}
NO_SYMLINK: dict[str, Change] = {
    "chmod": lambda target: os.chmod(target.path, 0o777),
    "fchmod": by_descriptor(lambda fd: os.fchmod(fd, 0o777)),
    "fchown": by_descriptor(lambda fd: os.fchown(fd, 1, 1)),
    "futimens": by_descriptor(lambda fd: os.utime(fd, (0, 0))),
    "fsetxattr": by_descriptor(lambda fd: os.setxattr(fd, "user.new", b"")),
    "fremovexattr": by_descriptor(lambda fd: os.removexattr(fd, "user.new")),
    "set an ACL": attribute(os.setxattr, "system.posix_acl_access", ACL),
    "set flags": by_descriptor(set_flags),
}
ALL: dict[str, Change] = {
    "rename": renaming("path", "new"),
    "rename over another": renaming("path", "other"),
    "rename another over it": renaming("other", "path"),
    "rename without replacing": renaming("path", "new", RENAME_NOREPLACE),
    "exchange": renaming("path", "other", RENAME_EXCHANGE),
    "rename and leave a whiteout": renaming("path", "new", RENAME_WHITEOUT),
    "lchown": lambda target: os.lchown(target.path, 1, 1),
    "utimensat": lambda target: os.utime(target.path, (0, 0), follow_symlinks=False),
    "lsetxattr": attribute(os.setxattr, "trusted.new", b""),
    "lremovexattr": attribute(os.removexattr, "trusted.new"),
}
CHANGES = {
    "file": FILE | NO_DIRECTORY | NO_SYMLINK | ALL,
    "directory": DIRECTORY | NO_SYMLINK | ALL,
    "symlink": NO_DIRECTORY | ALL,
}
UNKNOWN = {"create without a name": EOPNOTSUPP, "set flags": ENOTTY}
"""What the kernel says of itself where it may write, but FUSE has no such request."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Two of each kind."""
    with plain_source(tmp_path_factory.mktemp("read only")) as (mounts, source):
        for number in range(2):
            (source / f"file {number}").write_bytes(b"content")
            (source / f"directory {number}").mkdir()
            (source / f"symlink {number}").symlink_to(f"file {number}")
        yield Place(mounts, source)


@pytest.mark.parametrize("remounted", [False, True], ids=["ro", "rw"])
@pytest.mark.parametrize("kind", CHANGES)
def test_refused(kind: str, remounted: bool, place: Place, counted: Counted) -> None:
    """Nothing can be changed, also where root has remounted the view for writing."""
    view = place.view
    target = Target(view / f"{kind} 0", view / f"{kind} 1", view / "new")
    before = snapshot(place.source), snapshot(view)
    run("mount", "-i", "-o", f"remount,{'rw' if remounted else 'ro'}", view)
    for name, change in CHANGES[kind].items():
        with pytest.raises(OSError) as raised:  # noqa: PT011 - the errno tells
            change(target)
        unknown = UNKNOWN.get(name, EROFS) if remounted else EROFS
        assert raised.value.errno in (EROFS, unknown), name
    assert (snapshot(place.source), snapshot(view)) == before
    counted("mutating system calls refused", len(CHANGES[kind]))
