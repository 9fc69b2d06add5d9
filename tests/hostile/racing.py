"""A user who swaps what is his for links to what is not, while a view is read."""

import ctypes
import errno
import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG

from tests.mount.big_tree import open_directory

USER = 1000
EACH = 41
"""Swaps for each look. It is odd, so that each look finds others swapped."""
OURS = b"may be read. " * 1000
SECRET = b"the secret! " * 500
ATTRIBUTE = "user.text"
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_REMOUNT = 1, 2, 4, 32
_PATH = ("home", "a", "b")
"""Directories, the last two of which are swapped."""
_TRAP = ".trap"
"""With this at the end, it is a symlink to what has the same name in the secret tree."""


def build(directory: Path) -> Path:
    """Make the source of the user, and a secret tree of the same names beside it."""
    for root, content in (("source", OURS), ("secret", SECRET)):
        inner = (directory / root).joinpath(*_PATH)
        inner.mkdir(parents=True)
        (inner / "file").write_bytes(content)
        (inner / "other").write_bytes(content)
        (inner / "link").symlink_to(os.fsdecode(content[:200]))
        os.setxattr(inner / "file", ATTRIBUTE, content[:10])
    source, secret = directory / "source", directory / "secret"
    (secret.joinpath(*_PATH) / "only in secret").touch()
    (secret.joinpath(*_PATH[:2]) / "only in secret").touch()
    secret.chmod(0o700)
    for path in ("home/a", "home/a/b", "home/a/b/file"):
        (source / f"{path}{_TRAP}").symlink_to(secret / path)
    os.mkfifo(source / "home/a/b/fifo")
    for path in (source / "home", *(source / "home").rglob("*")):
        os.chown(path, USER, USER, follow_symlinks=False)
    return source


class Swapper:
    """The user: a process that swaps when it is told to."""

    def __init__(self, program: Path, source: Path) -> None:
        pairs = [
            (source / "home", "a", f"a{_TRAP}"),
            (source / "home/a", "b", f"b{_TRAP}"),
            (source / "home/a/b", "file", f"file{_TRAP}"),
            (source / "home/a/b", "other", "fifo"),
        ]
        words = [os.fspath(word) for pair in pairs for word in pair]
        self._process = subprocess.Popen(
            [program, str(USER), str(EACH), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )

    def go(self) -> None:
        """Begin to swap, and do not wait for the end of it."""
        assert self._process.stdin is not None
        self._process.stdin.write(b".")

    def end(self) -> int:
        """Let it come to its end; return how often it has swapped."""
        told, _ = self._process.communicate(timeout=60)
        assert self._process.returncode == 0
        return int(told)


@dataclass
class Seen:
    """What was seen during a race."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By way to look, and `ours` or the name of the error."""
    foreign: list[object] = field(default_factory=list)
    """What was not the user's."""
    swaps: int = 0
    naive: int = 0
    """How often who simply opens the path got the secret."""


class Reader:
    """Looks at the view in every way, with what it must show known before the race."""

    def __init__(
        self, view: Path, names: dict[str, bytes], unseal: Callable[[bytes], bytes]
    ) -> None:
        self._view = view
        self._names = names
        self._unseal = unseal
        self.ways: dict[str, Callable[[], object]] = {
            "read": lambda: self._read("file"),
            "read other": lambda: self._read("other"),
            "stat": self._stat,
            "readlink": self._readlink,
            "xattr": self._xattr,
            "list a": lambda: self._list(2),
            "list b": lambda: self._list(3),
        }
        self._ours = {name: way() for name, way in self.ways.items()}

    @contextmanager
    def _directory(self, depth: int) -> Iterator[int]:
        """Open a directory, without following any link ourselves."""
        fd = os.open(self._view, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for name in _PATH[:depth]:
                with open_directory(self._names[name], fd) as inner:
                    os.dup2(inner, fd)
            yield fd
        finally:
            os.close(fd)

    def _read(self, name: str) -> object:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        with self._directory(3) as directory:
            fd = os.open(self._names[name], flags, dir_fd=directory)
            with open(fd, "rb") as file:
                if not S_ISREG(os.fstat(fd).st_mode):
                    raise OSError(errno.EINVAL, "a FIFO, which is the user's")
                sealed = file.read()
        return self._unseal(sealed)

    def _stat(self) -> object:
        with self._directory(3) as directory:
            status = os.stat(self._names["file"], dir_fd=directory, follow_symlinks=False)
        if not S_ISREG(status.st_mode) and status.st_uid == USER:
            raise OSError(errno.ELOOP, "a link, which is the user's")
        return status.st_mode, status.st_uid, status.st_size

    def _readlink(self) -> object:
        with self._directory(3) as directory:
            return os.readlink(self._names["link"], dir_fd=directory)

    def _xattr(self) -> object:
        with self._directory(3) as directory:
            path = b"/proc/self/fd/%d/%b" % (directory, self._names["file"])
            names = os.listxattr(path, follow_symlinks=False)
            if not names:
                raise OSError(errno.ELOOP, "a link, which has none")
            return [(n, os.getxattr(path, n, follow_symlinks=False)) for n in names]

    def _list(self, depth: int) -> object:
        with self._directory(depth) as directory:
            return set(os.listdir(directory))

    def look(self, way: str, seen: Seen) -> bool:
        """Look once, and take note of what is seen; tell whether that was anything."""
        try:
            found = self.ways[way]()
        except OSError as error:
            seen.outcomes[way, errno.errorcode[error.errno or 0]] += 1
            return False
        if found == self._ours[way]:
            seen.outcomes[way, "ours"] += 1
        else:
            seen.foreign.append((way, found))
        return True


def forget_names(view: Path) -> None:
    """Make the kernel forget what it knows of a mount."""
    flags = _MS_REMOUNT | _MS_RDONLY | _MS_NOSUID | _MS_NODEV
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(None, os.fsencode(view), None, ctypes.c_ulong(flags), None):
        raise OSError(ctypes.get_errno(), "cannot remount")


def race(program: Path, reader: Reader, view: Path, source: Path, looks: int) -> Seen:
    """Let both run at the same time, until something foreign is seen."""
    swapper, seen = Swapper(program, source), Seen()
    naive_path = source.joinpath(*_PATH) / "file"
    for number in range(looks):
        way = list(reader.ways)[number % len(reader.ways)]
        swapper.go()
        if not reader.look(way, seen) or number % 5 == 0:
            # For a second, it would answer for the view.
            forget_names(view)
        with suppress(OSError):
            seen.naive += naive_path.read_bytes() == SECRET
        if seen.foreign:
            break
    seen.swaps = swapper.end()
    return seen
