"""The destination of a restore: writing below one directory, and nowhere else.

What is restored comes from somebody who is not trusted, and may have put links in the
way before. So every step goes from a directory's descriptor to the next without following
links; a file gets its name only when it is complete; and nothing is ever opened that was
there before, except directories.
"""

import os
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from errno import EEXIST, ENODATA, ENOTSUP
from stat import S_IFMT, S_IMODE, S_ISBLK, S_ISCHR, S_ISGID, S_ISREG, S_ISUID

from revcrypt.errors import UnwritableError
from revcrypt.rescue.writing import (
    TEMPORARY,
    Xattrs,
    clear_acls,
    set_xattrs,
    temporary_name,
    write_at,
    writing,
)
from revcrypt.view.nodes import Attrs
from revcrypt.view.tree import ACL_NAMES

MAX_DIR_FDS = 128

_DIR_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PAGE = bytes(4096)


class Target:
    """The tree below the directory *root_fd*. Not for use by two processes at once.

    Paths are plain paths from the root. Failures are `UnwritableError`, or
    `DestinationError` for those after which nothing more can be written.
    """

    def __init__(self, root_fd: int, *, is_privileged: bool) -> None:
        self._root_fd = root_fd
        self._is_privileged = is_privileged
        self._sets_owners = os.geteuid() == 0
        self._fds: OrderedDict[bytes, int] = OrderedDict()

    def close(self) -> None:
        """Close every descriptor but the root's."""
        while self._fds:
            os.close(self._fds.popitem()[1])

    def _dir_fd(self, path: bytes) -> int:
        """Return a descriptor of a directory, valid until the next call."""
        missing = []
        while path and path not in self._fds:
            missing.append(path)
            path = path.rpartition(b"/")[0]
        fd = self._root_fd
        if path:
            self._fds.move_to_end(path)
            fd = self._fds[path]
        for below in reversed(missing):
            name = below.rpartition(b"/")[2]
            fd = self._fds[below] = os.open(name, _DIR_FLAGS, dir_fd=fd)
            if len(self._fds) > MAX_DIR_FDS:
                os.close(self._fds.popitem(last=False)[1])
        return fd

    def _place(self, path: bytes) -> tuple[int, bytes]:
        """Return the descriptor of an entry's directory, and its name."""
        parent, _, name = path.rpartition(b"/")
        if TEMPORARY.fullmatch(name):
            # It would be taken for another entry in the making, and get its name.
            raise UnwritableError("not restored: its name is a temporary one of ours")
        return self._dir_fd(parent), name

    def status(self, path: bytes) -> os.stat_result | None:
        """Return the status of what is at *path*, or None if there is nothing."""
        with writing(), suppress(FileNotFoundError):
            fd, name = self._place(path)
            return os.stat(name, dir_fd=fd, follow_symlinks=False)
        return None

    # Directories

    def make_directory(self, path: bytes) -> None:
        """Make a directory, or make sure that the one that is there can be written to."""
        with writing():
            if path:
                fd, name = self._place(path)
                with suppress(FileExistsError):
                    os.mkdir(name, 0o700, dir_fd=fd)
            fd = self._dir_fd(path)
            status = os.fstat(fd)
            # Its own mode may forbid its owner to go on with an earlier restore.
            if status.st_mode & 0o700 != 0o700 and status.st_uid == os.geteuid():
                os.fchmod(fd, S_IMODE(status.st_mode) | 0o700)

    def finish_directory(self, path: bytes, attrs: Attrs, xattrs: Xattrs) -> list[str]:
        """Give a directory its attributes when nothing more is written to it.

        Returns what could not be set.
        """
        with writing():
            return self._set_attributes(self._dir_fd(path), attrs, xattrs)

    # Files

    def is_there(self, path: bytes, attrs: Attrs) -> bool:
        """Tell whether a file is there as an earlier restore has left it."""
        status = self.status(path)
        return (
            status is not None
            and S_ISREG(status.st_mode)
            and (status.st_size, status.st_mtime_ns) == (attrs.size, attrs.mtime_ns)
            and S_IMODE(status.st_mode) == S_IMODE(self.allowed_mode(attrs.mode))
            and (
                not self._sets_owners
                or (status.st_uid, status.st_gid) == (attrs.uid, attrs.gid)
            )
        )

    def has_xattrs(self, path: bytes, xattrs: Xattrs) -> bool:
        """Tell whether what is at *path* has these attributes, maybe among others."""
        if not xattrs:
            return True
        with writing():
            fd, name = self._place(path)
            place = b"/proc/self/fd/%d/%b" % (fd, name)
            try:
                return all(
                    os.getxattr(place, key, follow_symlinks=False) == value
                    for key, value in xattrs.items()
                )
            except OSError as error:
                if error.errno not in (ENODATA, ENOTSUP):
                    raise
                return False

    def new_file(self, path: bytes) -> "NewFile":
        """Begin a file; it gets its name when it is put in place."""
        with writing():
            fd, name = self._place(path)
            temporary = temporary_name(name)
            try:
                new = os.open(temporary, _NEW_FLAGS, 0o600, dir_fd=fd)
            except FileExistsError:
                # An earlier restore was interrupted here.
                os.unlink(temporary, dir_fd=fd)
                new = os.open(temporary, _NEW_FLAGS, 0o600, dir_fd=fd)
        return NewFile(self, path, new)

    def finish_file(self, file: "NewFile", attrs: Attrs, xattrs: Xattrs) -> list[str]:
        """Give a complete file its attributes and its name.

        Returns what could not be set.
        """
        with writing():
            file.finish()
            problems = self._set_attributes(file.fd, attrs, xattrs)
            fd, name = self._place(file.path)
            with suppress(FileNotFoundError):
                os.stat(name, dir_fd=fd, follow_symlinks=False)
                file.has_replaced = True
            os.rename(temporary_name(name), name, src_dir_fd=fd, dst_dir_fd=fd)
        file.is_placed = True
        return problems

    def abandon(self, file: "NewFile") -> None:
        """Remove a file that has not got its name."""
        with writing():
            fd, name = self._place(file.path)
            self._clear(fd, temporary_name(name))

    def allowed_mode(self, mode: int) -> int:
        """Return *mode* without what makes a file run as somebody else."""
        if self._is_privileged or not S_ISREG(mode):
            return mode
        return mode & ~(S_ISUID | S_ISGID)

    # Everything else

    def allows_node(self, mode: int) -> bool:
        """Tell whether a special file may be made: devices could do harm."""
        return self._is_privileged or not (S_ISBLK(mode) or S_ISCHR(mode))

    def make_link(self, path: bytes, target: bytes, attrs: Attrs) -> None:
        """Make a symlink, in place of another or of a file."""
        with writing():
            fd, name = self._place(path)
            temporary = temporary_name(name)
            self._clear(fd, temporary)
            os.symlink(target, temporary, dir_fd=fd)

            try:
                if self._sets_owners:
                    os.chown(
                        temporary, attrs.uid, attrs.gid, dir_fd=fd, follow_symlinks=False
                    )
                times = attrs.atime_ns, attrs.mtime_ns
                os.utime(temporary, ns=times, dir_fd=fd, follow_symlinks=False)
                os.rename(temporary, name, src_dir_fd=fd, dst_dir_fd=fd)
            except OSError:
                self._clear(fd, temporary)
                raise

    def make_node(self, path: bytes, attrs: Attrs, xattrs: Xattrs) -> list[str]:
        """Make a FIFO, socket or device; returns what could not be set."""
        with writing():
            fd, name = self._place(path)
            temporary = temporary_name(name)
            self._clear(fd, temporary)
            os.mknod(temporary, S_IFMT(attrs.mode) | 0o600, attrs.rdev, dir_fd=fd)
            try:
                problems = self._settle_node(fd, temporary, attrs, xattrs)
                os.rename(temporary, name, src_dir_fd=fd, dst_dir_fd=fd)
            except OSError:
                self._clear(fd, temporary)
                raise
            return problems

    def _settle_node(
        self, fd: int, temporary: bytes, attrs: Attrs, xattrs: Xattrs
    ) -> list[str]:
        # Where somebody else can write to the directory, he can put a link here. And
        # what can be held by O_PATH alone has no other way to its attributes than this.
        node_fd = os.open(temporary, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
        try:
            status = os.fstat(node_fd)
            if S_IFMT(status.st_mode) != S_IFMT(attrs.mode) or status.st_nlink != 1:
                raise FileExistsError(EEXIST, "somebody has put something else there")
            return self._set_attributes(b"/proc/self/fd/%d" % node_fd, attrs, xattrs)
        finally:
            os.close(node_fd)

    def make_hard_link(self, path: bytes, first: bytes) -> None:
        """Make *path* another name of *first*, which was restored before."""
        with writing():
            fd, name = self._place(path)
            # The next call may close the descriptor.
            fd = os.dup(fd)
            try:
                self._hard_link(fd, name, *self._place(first))
            finally:
                os.close(fd)

    def _hard_link(self, fd: int, name: bytes, first_fd: int, first: bytes) -> None:
        original = os.stat(first, dir_fd=first_fd, follow_symlinks=False)
        with suppress(FileNotFoundError):
            present = os.stat(name, dir_fd=fd, follow_symlinks=False)
            if os.path.samestat(present, original):
                return  # rename(2) would leave both names.
        temporary = temporary_name(name)
        self._clear(fd, temporary)
        os.link(
            first, temporary, src_dir_fd=first_fd, dst_dir_fd=fd, follow_symlinks=False
        )
        try:
            os.rename(temporary, name, src_dir_fd=fd, dst_dir_fd=fd)
        except OSError:
            self._clear(fd, temporary)
            raise

    @staticmethod
    def _clear(fd: int, temporary: bytes) -> None:
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=fd)

    # Attributes

    def _set_attributes(
        self, place: int | bytes, attrs: Attrs, xattrs: Xattrs
    ) -> list[str]:
        """Set owner, attributes, mode and times, and return what could not be set.

        *place* is a descriptor, or a path that leads to one.
        """
        problems = []
        # A change of owner takes capabilities away, and a mode without write permission
        # forbids attributes. An ACL says what the mode is, so it comes last.
        if self._sets_owners:
            os.chown(place, attrs.uid, attrs.gid)
        clear_acls(place)
        plain = {name: xattrs[name] for name in xattrs if name not in ACL_NAMES}
        problems += set_xattrs(place, plain)
        os.chmod(place, S_IMODE(self.allowed_mode(attrs.mode)))
        problems += set_xattrs(place, {n: xattrs[n] for n in ACL_NAMES if n in xattrs})
        os.utime(place, ns=(attrs.atime_ns, attrs.mtime_ns))
        return problems

    def withheld_xattrs(self, names: Iterable[bytes]) -> list[bytes]:
        """Return those of the attributes *names* that could do harm."""
        if self._is_privileged:
            return []
        harmless = (b"user.", b"system.")
        return [name for name in names if not name.startswith(harmless)]


class NewFile:
    """A file that has no name yet, and leaves nothing behind unless it gets one."""

    def __init__(self, target: Target, path: bytes, fd: int) -> None:
        self._target = target
        self.path = path
        self.fd = fd
        self._size = 0
        self.is_placed = False
        self.has_replaced = False
        """Whether there was something else in its place."""

    def write(self, data: bytes) -> None:
        """Append *data*, with holes for whole pages of zeros."""
        with writing():
            start = 0
            if _PAGE in data:
                for page in range(0, len(data), len(_PAGE)):
                    # The last one may be shorter.
                    if _PAGE.startswith(data[page : page + len(_PAGE)]):
                        write_at(self.fd, data[start:page], self._size + start)
                        start = page + len(_PAGE)
            write_at(self.fd, data[start:], self._size + start)
        self._size += len(data)

    def skip(self, size: int) -> None:
        """Append *size* zeros, as a hole."""
        self._size += size

    def finish(self) -> None:
        """Give the file its size: it may end with a hole."""
        os.ftruncate(self.fd, self._size)

    def __enter__(self) -> "NewFile":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)
        if not self.is_placed:
            self._target.abandon(self)
