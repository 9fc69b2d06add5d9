"""Trees to restore: a small one of odd objects, copies of views, and comparing trees.

Everything goes by descriptors, as some paths are longer than PATH_MAX.
"""

import os
import struct
from collections.abc import Collection, Iterator
from pathlib import Path
from random import Random
from stat import S_IFMT, S_IFSOCK, S_ISDIR, S_ISLNK, S_ISREG
from typing import NamedTuple

from revcrypt.format.config import Features
from revcrypt.view.nodes import Attrs, Node
from revcrypt.view.reverse import ReverseView
from revcrypt.view.shown_config import REVERSE_CONFIG_NAME
from tests.mount.big_tree import names_in, open_directory, sparse_file
from tests.support import Entry
from tests.view.trees import at, content, reverse_view

_N = 2**32 - 1
_ACES = ((1, 6, _N), (2, 4, 1234), (4, 4, _N), (16, 4, _N), (32, 0, _N))
ACL = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *ace) for ace in _ACES)
"""rw- for the owner, r-- for user 1234, the group and the mask (acl(5))."""
BIG = Random(4).randbytes(300_000)
REPORT = Random(5).randbytes(9000)
LONG = "long" * 60
SECOND = 10**9

# Making them


def build_small(root: Path) -> None:
    """Fill a directory with some of everything, all of it some years old."""
    for name in ("documents/old", "links", "special", "empty", f"{LONG} dir", "odd"):
        (root / name).mkdir(parents=True)
    (root / "big").write_bytes(BIG)
    (root / "nothing").touch()
    sparse_file(root / "sparse", 400_000)
    report = root / "documents" / "report.odt"
    report.write_bytes(REPORT)
    (root / "documents" / "letter.txt").write_text("Dear all")
    (root / "documents" / "old" / "letter.txt").write_text("Dear you")
    (root / "documents" / "what [1]*?.txt").write_text("not a pattern")
    (root / "documents" / "what 1.txt").write_text("what a pattern finds")
    (root / f"{LONG} dir" / LONG).write_text("below long names")
    for odd in (b"-rf", b"new\nline", b"\xff not UTF-8"):
        (root / "odd" / os.fsdecode(odd)).write_bytes(odd)
    os.link(report, root / "links" / "second name")
    for name, target in (
        ("relative", "../documents/letter.txt"),
        ("absolute", "/etc/passwd"),
        ("escaping", "../../../../outside"),
        ("to directory", "../documents"),
    ):
        (root / "links" / name).symlink_to(target)
    os.link(root / "links" / "relative", root / "links" / "twin", follow_symlinks=False)
    os.mkfifo(root / "special" / "fifo", 0o640)
    os.mknod(root / "special" / "socket", S_IFSOCK | 0o600)
    for path in (report, root / "documents" / "old"):
        os.setxattr(path, "user.comment", b"a value")
        os.setxattr(path, "user.empty", b"")
        os.setxattr(path, "system.posix_acl_access", ACL)
    # What is made in there inherits it; what is restored there must not.
    os.setxattr(root / "documents" / "old", "system.posix_acl_default", ACL)
    (root / "documents" / "old").chmod(0o2750)
    (root / "documents" / "letter.txt").chmod(0)
    (root / "odd").chmod(0o555)
    (root / "empty").chmod(0o1777)
    _backdate(root)


def _backdate(root: Path) -> None:
    with open_directory(os.fsencode(root)) as fd:
        for number, found in enumerate(_walk(fd)):
            # Now and then before 1970, which some programs cannot tell.
            years = 40 if number % 5 else -10
            mtime = (years * 365 * 86_400 + number) * SECOND + 123_456_789
            times = (SECOND, mtime)
            os.utime(found.name, ns=times, dir_fd=found.fd, follow_symlinks=False)
        os.utime(fd, ns=(SECOND, 1_111_111_111 * SECOND + 1))


def chown_tree(root: Path, uid: int) -> None:
    """Give what belongs to root in a tree to somebody else, and its group, too."""
    with open_directory(os.fsencode(root)) as fd:
        for _, dir_fd, name, status in _walk(fd):
            if (status.st_uid, status.st_gid) != (0, 0):
                continue
            os.chown(name, uid, uid, dir_fd=dir_fd, follow_symlinks=False)
            if not S_ISLNK(status.st_mode):
                # A change of owner takes some bits away.
                os.chmod(name, status.st_mode & 0o7777, dir_fd=dir_fd)
        os.chown(fd, uid, uid)


def write_copy(plain: Path, copy: Path, features: Features | None = None) -> None:
    """Write what a reverse view of *plain* shows into a new directory, as rsync -aHAX."""
    copy.mkdir()
    with (
        reverse_view(plain, features or Features()) as view,
        open_directory(os.fsencode(copy)) as fd,
    ):
        _write_directory(view, view.root, fd, copy)


def _write_directory(view: ReverseView, node: Node, fd: int, root: Path) -> None:
    links: dict[int, str] = {}

    def write_below(node: Node, fd: int) -> None:
        for child in view.entries(node):
            found, attrs = view.child(node, child)
            name = child.shown_name
            first = links.get(attrs.inode)
            if first is not None:
                os.link(first, name, dst_dir_fd=fd, follow_symlinks=False)
                continue
            if S_ISDIR(attrs.mode):
                os.mkdir(name, dir_fd=fd)
                with open_directory(name, fd) as inner:
                    write_below(found, inner)
                    _settle(view, found, attrs, fd)
                continue
            _write_object(view, found, attrs, fd)
            if attrs.nlink > 1 and child.content is None:
                links[attrs.inode] = os.path.join(root, os.fsdecode(found.shown_path()))

    write_below(node, fd)
    attrs = view.attrs(node)
    os.chown(fd, attrs.uid, attrs.gid)
    os.chmod(fd, attrs.mode & 0o7777)
    os.utime(fd, ns=(SECOND, attrs.mtime_ns))


def _write_object(view: ReverseView, node: Node, attrs: Attrs, fd: int) -> None:
    name = node.shown_name
    if S_ISLNK(attrs.mode):
        os.symlink(view.readlink(node), name, dir_fd=fd)
    elif S_ISREG(attrs.mode):
        new = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=fd)
        with open(new, "wb") as file:
            file.write(content(view, node))
    else:
        os.mknod(name, S_IFMT(attrs.mode) | 0o600, attrs.rdev, dir_fd=fd)
    _settle(view, node, attrs, fd)


def _settle(view: ReverseView, node: Node, attrs: Attrs, fd: int) -> None:
    name = node.shown_name
    os.chown(name, attrs.uid, attrs.gid, dir_fd=fd, follow_symlinks=False)
    if not S_ISLNK(attrs.mode):
        os.chmod(name, attrs.mode & 0o7777, dir_fd=fd)
    path = b"/proc/self/fd/%d/%b" % (fd, name)
    for xattr in view.list_xattrs(node):
        value = view.get_xattr(node, xattr)
        os.setxattr(path, xattr, value, follow_symlinks=False)
    os.utime(name, ns=(SECOND, attrs.mtime_ns), dir_fd=fd, follow_symlinks=False)


# Comparing them


class _Entry(NamedTuple):
    path: bytes
    fd: int
    name: bytes
    status: os.stat_result


def _walk(fd: int, prefix: bytes = b"") -> Iterator[_Entry]:
    """Yield what is below an open directory, children before their parents."""
    for name in names_in(fd):
        status = os.stat(name, dir_fd=fd, follow_symlinks=False)
        if S_ISDIR(status.st_mode):
            with open_directory(name, fd) as inner:
                yield from _walk(inner, prefix + name + b"/")
        yield _Entry(prefix + name, fd, name, status)


class Tree(NamedTuple):
    """All that a restore must bring back; the root has an empty path."""

    entries: dict[bytes, Entry]
    links: set[frozenset[bytes]]
    """The groups of paths that are one inode."""


def tree_at(root: Path, leave_out: Collection[bytes] = (REVERSE_CONFIG_NAME,)) -> Tree:
    """Read everything below *root*, and its own attributes."""
    entries: dict[bytes, Entry] = {}
    groups: dict[int, set[bytes]] = {}
    with open_directory(os.fsencode(root)) as fd:
        for path, dir_fd, name, status in _walk(fd):
            if path in leave_out:
                continue
            entries[path] = _read(dir_fd, name, status)
            if status.st_nlink > 1 and not S_ISDIR(status.st_mode):
                groups.setdefault(status.st_ino, set()).add(path)
        entries[b""] = _read(fd, b".", os.fstat(fd))
    return Tree(entries, {frozenset(paths) for paths in groups.values()})


def _read(fd: int, name: bytes, status: os.stat_result) -> Entry:
    data = None
    if S_ISREG(status.st_mode):
        file_fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=fd)
        with open(file_fd, "rb") as file:
            data = file.read()
    elif S_ISLNK(status.st_mode):
        data = os.readlink(name, dir_fd=fd)
    path = b"/proc/self/fd/%d/%b" % (fd, name)
    names = os.listxattr(path, follow_symlinks=False)
    return Entry(
        status.st_mode,
        status.st_uid,
        status.st_gid,
        status.st_rdev,
        status.st_mtime_ns,
        data,
        {name: os.getxattr(path, name, follow_symlinks=False) for name in names},
    )


def without_xattrs(tree: Tree) -> Tree:
    """Return a tree as gocryptfs shows it in reverse: without attributes."""
    entries = {path: entry._replace(xattrs={}) for path, entry in tree.entries.items()}
    return tree._replace(entries=entries)


def assert_same(found: Tree, wanted: Tree) -> None:
    """Compare two trees, and show no more than a few differences."""
    paths = sorted(found.entries.keys() | wanted.entries.keys())
    pairs = ((path, found.entries.get(path), wanted.entries.get(path)) for path in paths)
    assert [(path, got, want) for path, got, want in pairs if got != want][:3] == []
    assert found.links == wanted.links


def in_copy(plain: Path, copy: Path, path: str) -> Path:
    """Return where the copy has what is at *path* in the source."""
    with reverse_view(plain) as view:
        node = at(view, os.fsencode(path))
        return copy / os.fsdecode(view.cipher_path(node))
