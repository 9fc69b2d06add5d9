"""A tree of everything that backups have stumbled over, always the same one.

Times of all entries are set last, to a past (now and then a future) that no program can
take for now, so nothing may be added to the tree after `build`.
"""

import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from random import Random

SEED = 20_240_229
SIZES = (0, 1, 15, 16, 17, 4095, 4096, 4097, (1 << 20) + 1)
LONGEST_LINK_TARGET = 3039
"""The longest whose encrypted form the kernel takes from FUSE."""

NAME_BYTES = bytes(value for value in range(1, 256) if value != ord("/"))
CONFIG_NAME = b"gocryptfs.conf"
OWN_NAMES = (
    b"gocryptfs.diriv",
    b"gocryptfs.longname.qF68nyhu0f4otrf71flV1L7wklkZVm1l4yDdQZFj9MA",
    b"gocryptfs.longname.qF68nyhu0f4otrf71flV1L7wklkZVm1l4yDdQZFj9MA.name",
)
REVERSE_CONFIG_NAME = b".gocryptfs.reverse.conf"
AWKWARD_NAMES = (
    b"-rf",
    b"--delete",
    b"...",
    b" ",
    b"new\nline",
    b"\xff\xfe not UTF-8",
    b"\xc3\x28",
    b"back\\slash \\001",
    b"$(quote) `'\"*?[",
)
MODES = (0o000, 0o200, 0o444, 0o640, 0o777, 0o4755, 0o2711, 0o1666, 0o7777)
OWNERS = ((0, 0), (1, 65_534), (65_534, 1), (4_000_000_000, 123_456))
SECOND = 10**9
YEAR = 365 * 86_400 * SECOND
ODD_TIMES = (-40 * YEAR + 1, -SECOND, -1, 0, 280 * YEAR + 7)
"""The year 1930 to 2249; gocryptfs 2.3 cannot show what 63 bits do not hold."""


def build(
    root: Path,
    *,
    files: int = 4200,
    depth: int = 200,
    sparse_size: int = 300_000,
    longest_target: int = LONGEST_LINK_TARGET,
    plaintext_names: bool = False,
) -> None:
    """Fill the directory *root*.

    With 200 levels of *depth*, paths are longer than PATH_MAX, which rsync cannot pull.
    With *plaintext_names*, the root has no room for a file called `gocryptfs.conf`.
    """
    base = os.fsencode(root)
    random = Random(SEED)
    _sizes(_directory(base, b"sizes"), random, sparse_size)
    _names(_directory(base, b"names"), random)
    _own_names(base, OWN_NAMES if plaintext_names else (CONFIG_NAME, *OWN_NAMES))
    inside = _directory(base, b"own names")
    _own_names(inside, (CONFIG_NAME, REVERSE_CONFIG_NAME, *OWN_NAMES))
    _links(_directory(base, b"links"), random, longest_target)
    _special_files(_directory(base, b"special"))
    _attributes(_directory(base, b"attributes"))
    _xattrs(_directory(base, b"xattrs"), random)
    _deep(base, depth)
    _many(_directory(base, b"many"), random, files)
    with open_directory(base) as fd:
        _set_times(fd, random)
        os.utime(fd, ns=(SECOND, 1_111_111_111 * SECOND + 1))


def sparse_file(path: bytes | Path, size: int) -> None:
    """Write a file of *size* that begins and ends with a hole."""
    with open(path, "xb") as file:
        for number in range(1, 4):
            file.seek(size // 4 * number + number * 1000)
            file.write(b"data %d" % number)
        file.truncate(size)


@contextmanager
def open_directory(name: bytes, dir_fd: int | None = None) -> Iterator[int]:
    """Open a directory, relative to another one, however deep that is."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    fd = os.open(name, flags, dir_fd=dir_fd)
    try:
        yield fd
    finally:
        os.close(fd)


def names_in(fd: int) -> list[bytes]:
    """Return the names in an open directory, sorted."""
    return sorted(map(os.fsencode, os.listdir(fd)))


def _directory(parent: bytes, name: bytes) -> bytes:
    path = parent + b"/" + name
    os.mkdir(path)
    return path


def _write(directory: bytes, name: bytes, content: bytes) -> bytes:
    path = directory + b"/" + name
    with open(path, "xb") as file:
        file.write(content)
    return path


def _sizes(directory: bytes, random: Random, sparse_size: int) -> None:
    for size in SIZES:
        _write(directory, b"%d" % size, random.randbytes(size))
        _write(directory, b"zeros %d" % size, bytes(size))
    sparse_file(directory + b"/sparse", sparse_size)


def _names(directory: bytes, random: Random) -> None:
    lengths = _directory(directory, b"every length")
    for length in range(1, 256):
        name = b"." * length
        while not name.strip(b"."):  # `.` and `..` are taken
            name = bytes(random.choices(NAME_BYTES, k=length))
        _write(lengths, name, name)
    one_byte = _directory(directory, b"every byte")
    for value in NAME_BYTES:
        if value != ord("."):
            _write(one_byte, bytes([value]), b"%d" % value)
    for name in AWKWARD_NAMES:
        inner = _directory(directory, name)
        _write(inner, name, name)
        os.symlink(name, inner + b"/link to " + name)
    long = _directory(directory, b"d" * 255)
    _write(_directory(long, b"e" * 176), b"f" * 175, b"below long names")
    os.symlink(b"target", long + b"/" + b"s" * 255)


def _own_names(directory: bytes, names: tuple[bytes, ...]) -> None:
    for name in names:
        _write(directory, name, b"mine: " + name)
    below = _directory(directory, b"with directories of such names")
    for name in names:
        _write(_directory(below, name), name, b"inside: " + name)


def _links(directory: bytes, random: Random, longest_target: int) -> None:
    targets = (
        b"dangling",
        b"/absolute/and dangling",
        b"/etc",
        b"../sizes/17",
        b".",
        b"\xff\n\x01",
        b"t",
        (b"long target/" * 300)[:longest_target],
    )
    for number, target in enumerate(targets):
        os.symlink(target, directory + b"/link %d" % number)
    os.symlink(b"itself", directory + b"/itself")
    inner = _directory(directory, b"inner")
    # gocryptfs 2.3 cannot tell two long names of one inode apart; one is enough.
    others = (directory + b"/second", inner + b"/third", inner + b"/" + b"4" * 200)
    content = random.randbytes(10_000)
    for group in range(5):
        first = _write(directory, b"hard %d" % group, content[: group * 2500])
        for other in others:
            os.link(first, other + b" %d" % group)
    linked = directory + b"/hard-linked symlink"
    os.symlink(b"a target", linked)
    for other in others:
        os.link(linked, other + b" symlink", follow_symlinks=False)


def _special_files(directory: bytes) -> None:
    os.mkfifo(directory + b"/fifo")
    os.mknod(directory + b"/socket", stat.S_IFSOCK | 0o600)
    os.mknod(directory + b"/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(directory + b"/" + b"block" * 40, stat.S_IFBLK | 0o600, os.makedev(7, 99))
    _directory(directory, b"empty")
    unreadable = _directory(directory, b"unreadable")
    _write(unreadable, b"file", b"in an unreadable directory")
    os.chmod(unreadable, 0)


def _attributes(directory: bytes) -> None:
    for number, (mode, (uid, gid)) in enumerate(zip(MODES, cycle(OWNERS))):
        file = _write(directory, b"file %d" % number, b"%o" % mode)
        inner = _directory(directory, b"directory %d" % number)
        for path in (file, inner):
            os.chown(path, uid, gid)
            os.chmod(path, mode)
        link = directory + b"/link %d" % number
        os.symlink(b"nowhere", link)
        os.chown(link, uid, gid, follow_symlinks=False)


def _xattrs(directory: bytes, random: Random) -> None:
    file = _write(directory, b"file", b"with attributes")
    linked = _write(directory, b"linked", b"with attributes and two names")
    inner = _directory(directory, b"directory")
    os.link(linked, inner + b"/linked too")
    for path in (file, linked, inner):
        os.setxattr(path, b"user.text", b"a value")
        os.setxattr(path, b"user.empty", b"")
        os.setxattr(path, b"user.binary", random.randbytes(1000))
        os.setxattr(path, b"user." + b"n" * 150, b"a long name")
        os.setxattr(path, b"user.\xff\n", b"a name that is not UTF-8")
        os.setxattr(path, b"trusted.revcrypt", b"another namespace")
        os.setxattr(path, b"system.posix_acl_access", _acl(user=1234))
    os.setxattr(inner, b"system.posix_acl_default", _acl(user=4321))


def _acl(user: int) -> bytes:
    """Return rwx for the owner, r-- for one other user, r-x for the mask (acl(5))."""
    nobody = 0xFFFF_FFFF
    owner, named, group, mask, other = 0x01, 0x02, 0x04, 0x10, 0x20
    entries = (
        (owner, 7, nobody),
        (named, 4, user),
        (group, 5, nobody),
        (mask, 5, nobody),
        (other, 0, nobody),
    )
    version = struct.pack("<I", 2)
    return version + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def _deep(base: bytes, depth: int) -> None:
    parent = os.open(base, os.O_RDONLY | os.O_DIRECTORY)
    for level in range(depth):
        name = b"one of many levels %d" % level
        os.mkdir(name, dir_fd=parent)
        child = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=parent)
        os.close(parent)
        parent = child
    fd = os.open(b"bottom", os.O_WRONLY | os.O_CREAT, dir_fd=parent)
    os.write(fd, b"far below")
    os.symlink(b"bottom", b"link", dir_fd=parent)
    os.close(fd)
    os.close(parent)


def _many(directory: bytes, random: Random, files: int) -> None:
    """Write *files* small files, a hundred to a directory."""
    for number in range(files):
        if number % 100 == 0:
            inner = _directory(directory, b"%d" % number)
        content = random.randbytes(random.choice((0, 7, 100, 1000, 5000)))
        _write(inner, b"file %d.%d" % (number, random.getrandbits(32)), content)


def _set_times(fd: int, random: Random) -> None:
    """Set the times of everything in an open directory, the deepest first."""
    for name in names_in(fd):
        status = os.stat(name, dir_fd=fd, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            with open_directory(name, fd) as child:
                _set_times(child, random)
        mtime = random.randrange(10 * YEAR, 50 * YEAR)
        if random.random() < 0.05:
            mtime = random.choice(ODD_TIMES)
        os.utime(name, ns=(SECOND, mtime), dir_fd=fd, follow_symlinks=False)
