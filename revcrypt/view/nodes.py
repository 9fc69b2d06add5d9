"""Nodes: what a view consists of, how nodes are numbered, and the inode table.

Decided here and only here: which number an object has. It is a pure function of the
source, so that it is the same after every remount, whichever object was touched first.
(But see `fuse/apart.py`, for sources that give one number to several objects.)
Nothing in this module does I/O.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from os import statvfs_result
from typing import NamedTuple, Protocol

from revcrypt.errors import StaleNodeError
from revcrypt.format.content import Bytes
from revcrypt.format.derive import Purpose, derive, linked_path

ROOT_INODE = 1
"""The number under which FUSE knows the root, whatever number it shows."""

_HASHED = 1 << 62
_SHRINKS_AT = 8
"""How much of the table of nodes must be empty for it to be made smaller."""


class Attrs(NamedTuple):
    """Attributes as the view shows them; times in nanoseconds, *blocks* of 512 bytes."""

    inode: int
    mode: int
    nlink: int
    uid: int
    gid: int
    rdev: int
    size: int
    blocks: int
    block_size: int
    atime_ns: int
    mtime_ns: int
    ctime_ns: int


@dataclass(frozen=True, slots=True)
class Device:
    """A filesystem of the source.

    *number* is its `st_dev`, which changes between boots. *tag* stands for it in
    everything that must not change: empty for the source's own device, otherwise
    derived from the cipher path where the device begins.
    """

    number: int
    tag: bytes

    @classmethod
    def at(cls, number: int, cipher_path: bytes) -> "Device":
        """Return the device that begins at *cipher_path*."""
        return cls(number, derive(cipher_path, Purpose.DEVICE_TAG))


def inode_number(device: Device, source_inode: int) -> int:
    """Return the number of a real object.

    0 and 1 have a meaning in FUSE, and some filesystems use them; numbers from 2^62 on
    are for hashes.
    """
    if not device.tag and ROOT_INODE < source_inode < _HASHED:
        return source_inode
    return _hashed(linked_path(device.tag, source_inode))


def inode_number_at(device: Device, source_inode: int, cipher_path: bytes) -> int:
    """Return the number of an object that is another one wherever it is.

    Of a directory: what is in it depends on its path, although its times do not. tar -g
    relies on what it has read of a directory with the same number, whatever its name; and
    the kernel must not mix what it has cached below the old path with what is below the
    new. Also of what has the `source_inode` of something else.
    """
    return _hashed(cipher_path + linked_path(device.tag, source_inode))


def virtual_inode_number(cipher_path: bytes) -> int:
    """Return the number of a file that exists only in the view."""
    return _hashed(cipher_path)


def _hashed(key: bytes) -> int:
    return _HASHED | int.from_bytes(derive(key, Purpose.INODE)[:8]) >> 2


class Node:
    """One object of the source, at the path where it was last looked up.

    *backing_name* is its name in the source, *shown_name* its name in the view; one of
    them is the cipher name. Nodes refer to their parents, never to children.
    """

    __slots__ = (
        "backing_name",
        "device",
        "inode",
        "kind",
        "lookups",
        "parent",
        "shown_name",
        "source_inode",
    )

    def __init__(
        self,
        parent: "Node | None",
        backing_name: bytes,
        shown_name: bytes,
        device: Device,
        source_inode: int,
        inode: int,
    ) -> None:
        self.parent = parent
        self.backing_name = backing_name
        self.shown_name = shown_name
        self.device = device
        self.source_inode = source_inode
        self.inode = inode
        self.kind = 0
        """The upper bits of its mode (`kind_of`), 0 if it is of no matter."""
        self.lookups = 0

    def backing_path(self) -> bytes:
        """Return the path in the source, relative to its root (root: empty)."""
        return b"/".join([node.backing_name for node in reversed(list(self._chain()))])

    def shown_path(self) -> bytes:
        """Return the path in the view, relative to its root (root: empty)."""
        return b"/".join([node.shown_name for node in reversed(list(self._chain()))])

    def _chain(self) -> "Iterator[Node]":
        """Yield this node and its ancestors, without the root."""
        node = self
        while node.parent is not None:
            yield node
            node = node.parent

    def is_same_object(self, other: "Node") -> bool:
        """Tell whether *other*, which has the same number, is the same object."""
        return (
            type(self) is type(other)
            and self.source_inode == other.source_inode
            and self.device.tag == other.device.tag
        )

    def move_to(self, other: "Node") -> None:
        """Take over the path at which the object was just found as *other*."""
        self.parent = other.parent
        self.backing_name = other.backing_name
        self.shown_name = other.shown_name
        self.device = other.device
        self.kind = other.kind


class VirtualNode(Node):
    """A file that exists only in the view: *content* under *shown_name*.

    It belongs to the entry *backing_name* of its parent, or to the parent itself if
    that is empty: owner and times come from there.
    """

    __slots__ = ("content", "path")

    def __init__(
        self, parent: Node, backing_name: bytes, shown_name: bytes, content: bytes
    ) -> None:
        self.path = join(parent.shown_path(), shown_name)
        inode = virtual_inode_number(self.path)
        super().__init__(parent, backing_name, shown_name, parent.device, 0, inode)
        self.content = content

    def backing_path(self) -> bytes:
        """Return the path in the source of what it belongs to."""
        assert self.parent is not None
        directory = self.parent.backing_path()
        return join(directory, self.backing_name) if self.backing_name else directory

    def is_same_object(self, other: Node) -> bool:
        """Tell whether both had the same path when they were made.

        Where the parent is by now does not count: the number was made of that path.
        """
        return isinstance(other, VirtualNode) and self.path == other.path

    def move_to(self, other: Node) -> None:
        """Take over what was just found; a config may have been rewritten."""
        super().move_to(other)
        assert isinstance(other, VirtualNode)
        self.content = other.content


class EmptyDirNode(Node):
    """A directory that is shown empty: where a view is mounted."""

    __slots__ = ()

    def __init__(self, parent: Node, backing_name: bytes, shown_name: bytes) -> None:
        inode = virtual_inode_number(join(parent.shown_path(), shown_name))
        super().__init__(parent, backing_name, shown_name, parent.device, 0, inode)


def kind_of(mode: int) -> int:
    """Return what kind of object has this mode: a small number, which costs no memory."""
    return mode >> 12


def blocks_of(size: int) -> int:
    """Return how many blocks of 512 bytes a file of *size* occupies, without holes."""
    return -(-size // 512)


def join(directory: bytes, name: bytes) -> bytes:
    """Return the path of *name* in *directory*, where the root is empty."""
    return directory + b"/" + name if directory else name


class Child(NamedTuple):
    """An entry of a directory listing.

    *content* is None for an object of the source; bytes for a virtual file that belongs
    to *backing_name*, or to the directory if that is empty.
    """

    shown_name: bytes
    backing_name: bytes
    content: bytes | None = None


class OpenFile(Protocol):
    """A regular file of a view, opened for reading.

    Two of them with equal *stamp* show the same bytes.
    """

    stamp: object
    path: bytes
    """The cipher path, for messages."""

    @property
    def size(self) -> int:
        """Bytes to be served, frozen when the file was opened."""

    @property
    def quiet(self) -> bool:
        """Whether the last change is so old that another one would alter *stamp*."""

    def freeze(self, size: int) -> None:
        """Serve only the first *size* bytes; called before the first read.

        Raises `SourceChangedError` for a file that makes sense only as a whole.
        """

    def attrs(self) -> Attrs:
        """Return the attributes as of now, also if the file has lost its name."""

    def read(self, offset: int, size: int, *, nowait: bool) -> Bytes:
        """Return *size* bytes from *offset*, fewer only at the end.

        With *nowait*, raises `BlockingIOError` instead of waiting for a disk. Safe to
        call from several threads at once.
        """

    def close(self) -> None:
        """Release the file; no read is under way."""


class View(Protocol):
    """A read-only tree. Its methods are for one thread; open files are for any.

    What does not exist, or must not be seen, is `FileNotFoundError`; data that is not
    as it should be is a `DataError`; everything else is the source's own `OSError`.
    """

    root: Node

    def cipher_path(self, node: Node) -> bytes:
        """Return the path on the encrypted side, the one that messages may show."""

    def lookup(self, parent: Node, shown_name: bytes) -> tuple[Node, Attrs]:
        """Find an entry of a directory."""

    def entries(self, node: Node) -> list[Child]:
        """Return a snapshot of a directory's entries, without `.` and `..`."""

    def child(self, parent: Node, child: Child) -> tuple[Node, Attrs]:
        """Turn an entry of a listing into a node."""

    def may_wait(self, child: Child) -> bool:
        """Tell whether an entry may be on another disk, which may hang."""

    def attrs(self, node: Node) -> Attrs:
        """Return the attributes of *node* as of now."""

    def readlink(self, node: Node) -> bytes:
        """Return the target of a symlink."""

    def open(self, node: Node) -> OpenFile:
        """Open a regular file."""

    def list_xattrs(self, node: Node) -> list[bytes]:
        """Return the names of the extended attributes of *node*."""

    def get_xattr(self, node: Node, name: bytes) -> bytes:
        """Return the value of an extended attribute; raises `NoAttributeError`."""

    def statvfs(self) -> statvfs_result:
        """Return size and usage of the source's filesystem."""

    def forget(self, node: Node) -> None:
        """Release what is kept for *node*."""


class NodeTable:
    """The nodes that somebody holds a reference to, by inode number.

    *let_go* is called for a node when nobody does any more, and again for a directory
    that is not in the table when something below it has gone.
    """

    def __init__(self, root: Node, let_go: Callable[[Node], None]) -> None:
        self._nodes = {ROOT_INODE: root}
        self._let_go = let_go
        self._most = 1
        """Nodes for which the dict has made room."""

    def __getitem__(self, inode: int) -> Node:
        return self._nodes[inode]

    def get(self, inode: int) -> Node | None:
        """Return the node with a number, if somebody holds a reference to it."""
        return self._nodes.get(inode)

    def __len__(self) -> int:
        return len(self._nodes)

    def remember(self, found: Node) -> Node:
        """Count one more reference to the object *found* and return its node.

        Raises `StaleNodeError` if another object with the same number is known.
        """
        node = self._nodes.get(found.inode)
        if node is None:
            node = self._nodes[found.inode] = found
        elif not node.is_same_object(found):
            raise StaleNodeError(f"two objects have the inode number {found.inode}")
        else:
            left = node.parent
            node.move_to(found)
            if left is not node.parent:
                self._left(left)
        node.lookups += 1
        return node

    def forget(self, inode: int, lookups: int) -> Node | None:
        """Drop *lookups* references; return the node if nobody refers to it now."""
        node = self._nodes.get(inode)
        if node is None or node.parent is None:
            return None
        node.lookups -= lookups
        if node.lookups > 0:
            return None
        self._most = max(self._most, len(self._nodes))
        del self._nodes[inode]
        self._let_go(node)
        self._left(node.parent)
        return node

    def _left(self, directory: Node | None) -> None:
        """Let go of a directory, and of those above, that nobody refers to any more.

        They may be forgotten before the files in them, which have other names or are
        open; to look at these, a directory is opened once more.
        """
        while (
            directory is not None
            and directory.parent is not None
            and self._nodes.get(directory.inode) is not directory
        ):
            self._let_go(directory)
            directory = directory.parent

    def shrink(self) -> bool:
        """Give back room for nodes that are gone, if there are many; tell whether so."""
        if len(self._nodes) * _SHRINKS_AT >= self._most:
            return False
        # A dict keeps room for all that it has ever had at once.
        self._nodes = dict(self._nodes)
        self._most = len(self._nodes)
        return True
