"""The source: read-only access to the backing tree, always relative to directory fds.

Somebody who can write to the source must not be able to lead us out of it. So no path
is ever resolved again: every component is opened without following symlinks, relative
to its parent, and must be the object (device and inode) that its node was made from.
Nothing here keeps a descriptor per node, only a bounded number for recent directories.
"""

import os
from collections import OrderedDict
from collections.abc import Callable
from errno import (
    EACCES,
    ELOOP,
    EMFILE,
    ENFILE,
    ENODATA,
    ENOENT,
    ENOTDIR,
    ENOTSUP,
    EPERM,
)
from stat import S_ISREG
from typing import TypeVar

from revcrypt.errors import NoAttributeError, SourceError, StaleNodeError
from revcrypt.view.distant import Distant
from revcrypt.view.nodes import Node, kind_of

MAX_DIR_FDS = 128

T = TypeVar("T")

_DIR_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC


class NotRegularError(PermissionError):
    """What was to be read is no regular file."""


class Source:
    """The tree below one directory. Not for use by two threads at once."""

    def __init__(self, path: bytes) -> None:
        """Open *path*; raises `SourceError` if it is no directory we may search."""
        try:
            self.root_fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise SourceError(
                f"cannot open directory {os.fsdecode(path)}: {error.strerror}",
                hint="give the directory to show first, the mountpoint second",
            ) from None
        self.root_stat = os.fstat(self.root_fd)
        self.distant: Distant | None = None
        """Disks to be touched only after they have answered."""
        self._dir_fds: OrderedDict[Node, int] = OrderedDict()

    def close(self) -> None:
        """Close every descriptor."""
        self._close_directories()
        os.close(self.root_fd)

    def _close_directories(self) -> None:
        while self._dir_fds:
            os.close(self._dir_fds.popitem()[1])

    def forget(self, node: Node) -> None:
        """Close what is open for *node*."""
        fd = self._dir_fds.pop(node, None)
        if fd is not None:
            os.close(fd)

    def dir_fd(self, node: Node) -> int:
        """Return an O_PATH descriptor of a directory, valid until the next call.

        Raises `StaleNodeError` if another object is at its path now.
        """
        if self.distant is not None:
            self.distant.check(node)
        return self._fd(node)

    def _fd(self, node: Node) -> int:
        known = self._dir_fds.get(node)
        if known is None:
            return self._with_room(self._dir_fd, node)
        self._dir_fds.move_to_end(node)
        return known

    def _with_room(self, opens: Callable[[Node], T], node: Node) -> T:
        """Do what needs a descriptor; where none is left, those of directories go."""
        try:
            return opens(node)
        except OSError as error:
            if error.errno not in (EMFILE, ENFILE) or not self._dir_fds:
                raise
        self._close_directories()
        return opens(node)

    def _dir_fd(self, node: Node) -> int:
        missing = []
        while (known := self._dir_fds.get(node)) is None and node.parent is not None:
            missing.append(node)
            node = node.parent
        if known is not None:
            self._dir_fds.move_to_end(node)
        fd = self.root_fd if known is None else known
        for child in reversed(missing):
            fd = self._open_dir(fd, child)
        return fd

    def _open_dir(self, parent_fd: int, node: Node) -> int:
        try:
            fd = os.open(node.backing_name, _DIR_FLAGS, dir_fd=parent_fd)
        except OSError as error:
            if error.errno in (ENOENT, ENOTDIR, ELOOP):
                raise StaleNodeError("a directory has moved") from None
            raise
        try:
            _check(node, os.fstat(fd))
        except StaleNodeError:
            os.close(fd)
            raise
        self._dir_fds[node] = fd
        if len(self._dir_fds) > MAX_DIR_FDS:
            os.close(self._dir_fds.popitem(last=False)[1])
        return fd

    def stat(self, node: Node) -> os.stat_result:
        """Return the status of *node*; raises `StaleNodeError`."""
        if node.parent is None:
            return os.fstat(self.root_fd)
        status = self.stat_entry(node.parent, node.backing_name)
        _check(node, status)
        return status

    def stat_entry(self, parent: Node, name: bytes) -> os.stat_result:
        """Return the status of the entry *name* of a directory."""
        if self.distant is not None:
            self.distant.check(parent, name)
        return os.stat(name, dir_fd=self._fd(parent), follow_symlinks=False)

    def names(self, node: Node) -> list[bytes]:
        """Return the names in a directory, in its own order."""
        # A kept descriptor may lead to a directory that has lost its place.
        self.stat(node)
        return self._with_room(self._names, node)

    def _names(self, node: Node) -> list[bytes]:
        # Only a path in bytes gives names in bytes.
        return os.listdir(b"/proc/self/fd/%d" % self.dir_fd(node))

    def readlink(self, node: Node) -> bytes:
        """Return the target of a symlink."""
        assert node.parent is not None
        return os.readlink(node.backing_name, dir_fd=self.dir_fd(node.parent))

    def open_file(self, node: Node) -> tuple[int, os.stat_result]:
        """Open a regular file for reading and return its status too.

        Raises `StaleNodeError` if another object is at its path now, and what
        `open_regular` raises.
        """
        if node.parent is None:
            raise NotRegularError(EACCES, "the root is no file")
        fd, status = self._with_room(self._open_regular, node)
        try:
            _check(node, status)
        except StaleNodeError:
            os.close(fd)
            raise
        return fd, status

    def _open_regular(self, node: Node) -> tuple[int, os.stat_result]:
        assert node.parent is not None
        return open_regular(self.dir_fd(node.parent), node.backing_name)

    def list_xattrs(self, node: Node) -> list[bytes]:
        """Return the names of the extended attributes of *node*."""
        try:
            names = os.listxattr(self._proc_path(node), follow_symlinks=False)
        except OSError as error:
            if error.errno == ENOTSUP:
                return []
            raise
        return [os.fsencode(name) for name in names]

    def get_xattr(self, node: Node, name: bytes) -> bytes:
        """Return the value of an attribute; raises `NoAttributeError`."""
        try:
            return os.getxattr(self._proc_path(node), name, follow_symlinks=False)
        except OSError as error:
            if error.errno in (ENODATA, ENOTSUP):
                raise NoAttributeError("no such attribute") from None
            raise

    def _proc_path(self, node: Node) -> bytes:
        # Linux has no getxattrat(2) before 6.13. Of this path only the last component
        # is looked up by name, and it is not followed.
        self.stat(node)
        if node.parent is None:
            return b"/proc/self/fd/%d/." % self.root_fd
        return b"/proc/self/fd/%d/%b" % (self.dir_fd(node.parent), node.backing_name)


def open_regular(dir_fd: int | None, name: bytes) -> tuple[int, os.stat_result]:
    """Open a regular file and return its status too.

    Raises `NotRegularError` for anything else, and `BlockingIOError` while somebody
    holds a lease on it: waiting for him, one user could stop the view for all.
    """
    # Merely opening a device or FIFO can have effects, so look before opening, and
    # then open what was looked at.
    path_fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)
    try:
        status = os.fstat(path_fd)
        if not S_ISREG(status.st_mode):
            raise NotRegularError(EACCES, "not a regular file")
        path = b"/proc/self/fd/%d" % path_fd
        try:
            # Reading a backup must not look like using the files.
            fd = os.open(path, _FILE_FLAGS | os.O_NOATIME)
        except PermissionError as error:
            if error.errno != EPERM:  # O_NOATIME is for owners and root only
                raise
            fd = os.open(path, _FILE_FLAGS)
        return fd, status
    finally:
        os.close(path_fd)


def _check(node: Node, status: os.stat_result) -> None:
    is_same = status.st_ino == node.source_inode and status.st_dev == node.device.number
    # A file that is deleted leaves its number to the next object, of whichever kind.
    if not is_same or (node.kind and node.kind != kind_of(status.st_mode)):
        raise StaleNodeError("another object has taken the place of a node")
