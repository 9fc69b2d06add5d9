"""Views of small trees, and what the format specification says they must show."""

import os
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from stat import S_IFDIR, S_IFREG, S_ISDIR, S_ISLNK, S_ISREG
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from revcrypt.format.config import Features
from revcrypt.format.volume import Volume
from revcrypt.view.exclude import Exclude
from revcrypt.view.forward import ForwardView
from revcrypt.view.nodes import Attrs, Child, Device, Node, View
from revcrypt.view.reverse import ReverseView
from revcrypt.view.shown_config import REVERSE_CONFIG_NAME, ShownConfig
from revcrypt.view.source import Source
from tests.support import KEY

ENCRYPTED = Features()
DETERMINISTIC = Features(dir_iv=False)
PLAINTEXT = Features(plaintext_names=True)
SHORT_NAMES = Features(long_name_max=62)
ALL_FEATURES = {
    "encrypted": ENCRYPTED,
    "deterministic": DETERMINISTIC,
    "plaintext": PLAINTEXT,
    "longnamemax": SHORT_NAMES,
}

SIV_KEY = bytes.fromhex(
    "90be6449231c24d9d308f1772b47953b6acf97f9e7876a16172e019977f3b7e0"
    "2419aaf86d684593cf2b43008422ad6726b83aaf0897186fb8a8cbd04854bd3c"
)
"""The content key of `KEY` (section 2.3)."""


@contextmanager
def reverse_view(
    directory: Path, features: Features = ENCRYPTED, exclude: Exclude | None = None
) -> Iterator[ReverseView]:
    """Show *directory* encrypted, with its config if it has one."""
    with closing(Source(os.fsencode(directory))) as source:
        config, name = None, REVERSE_CONFIG_NAME
        if (directory / os.fsdecode(name)).exists():
            fd = source.root_fd
            config = ShownConfig(fd, name, in_root=True, check=lambda *_: None)
        volume = Volume.open(KEY, features)
        yield ReverseView(source, volume, config, exclude=exclude)


@contextmanager
def forward_view(
    directory: Path, features: Features = ENCRYPTED, *, strict: bool = True
) -> Iterator[ForwardView]:
    """Show the encrypted *directory* as plaintext."""
    source = Source(os.fsencode(directory))
    view = ForwardView(source, Volume.open(KEY, features), strict=strict)
    try:
        yield view
    finally:
        view.close()


# What the specification says, computed with nothing of the program


def derive(path: bytes, purpose: bytes) -> bytes:
    """Return an IV (section 3.5)."""
    return sha256(path + b"\0" + purpose).digest()[:16]


def cipher_size(plain_size: int) -> int:
    """Return the size of a file's ciphertext (section 3.3)."""
    if not plain_size:
        return 0
    return 18 + (plain_size - 1) // 4096 * 4128 + (plain_size - 1) % 4096 + 33


def seal(plaintext: bytes, cipher_path: bytes) -> bytes:
    """Return the ciphertext of the file at *cipher_path* (sections 3.1, 3.2, 3.5)."""
    if not plaintext:
        return b""
    file_id, block0 = derive(cipher_path, b"FILEID"), derive(cipher_path, b"BLOCK0IV")
    sealed = b"\0\2" + file_id
    for number, start in enumerate(range(0, len(plaintext), 4096)):
        low = (int.from_bytes(block0[8:]) + number) % 2**64
        nonce = block0[:8] + low.to_bytes(8)
        data = [number.to_bytes(8) + file_id, nonce]
        sealed += nonce + AESSIV(SIV_KEY).encrypt(plaintext[start : start + 4096], data)
    return sealed


def unseal(ciphertext: bytes) -> bytes:
    """Return the plaintext; raises `InvalidTag` for a block that does not open."""
    if not ciphertext:
        return b""
    assert ciphertext[:2] == b"\0\2"
    plaintext = b""
    for number, start in enumerate(range(18, len(ciphertext), 4128)):
        block = ciphertext[start : start + 4128]
        data = [number.to_bytes(8) + ciphertext[2:18], block[:16]]
        plaintext += AESSIV(SIV_KEY).decrypt(block[16:], data)
    return plaintext


def hashed(full_name: bytes) -> bytes:
    """Return the directory entry for a long name (section 4.4)."""
    digest = urlsafe_b64encode(sha256(full_name).digest()).rstrip(b"=")
    return b"gocryptfs.longname." + digest


# Walking views


def find(view: View, path: bytes) -> tuple[Node, Attrs]:
    """Look up a path of the view, component by component (root: empty)."""
    node, attrs = view.root, view.attrs(view.root)
    for name in path.split(b"/") if path else []:
        node, attrs = view.lookup(node, name)
    return node, attrs


def at(view: View, path: bytes) -> Node:
    """Return the node of what is at *path* in the source (root: empty)."""
    node = view.root
    for name in path.split(b"/") if path else []:
        children = [child for child in view.entries(node) if child.content is None]
        [child] = [child for child in children if child.backing_name == name]
        node, _ = view.child(node, child)
    return node


def walk(view: View, node: Node | None = None) -> Iterator[tuple[Node, Attrs]]:
    """Yield everything below *node*, parents first."""
    node = node or view.root
    for child in view.entries(node):
        found, attrs = view.child(node, child)
        yield found, attrs
        if S_ISDIR(attrs.mode):
            yield from walk(view, found)


def content(view: View, node: Node, piece: int = 131_072) -> bytes:
    """Read a whole file in pieces, and once beyond its end."""
    with closing(view.open(node)) as file:
        offsets = range(0, file.size + piece, piece)
        return b"".join(file.read(offset, piece, nowait=False) for offset in offsets)


class Shown(NamedTuple):
    """What a view shows of an object, without what reading it may change."""

    attrs: Attrs
    content: bytes | None
    xattrs: Mapping[bytes, bytes]


def look(view: View, node: Node) -> Shown:
    """Return everything that can be seen of *node*."""
    attrs = view.attrs(node)
    data = None
    if S_ISREG(attrs.mode):
        data = content(view, node)
    elif S_ISLNK(attrs.mode):
        data = view.readlink(node)
    xattrs = {name: view.get_xattr(node, name) for name in view.list_xattrs(node)}
    return Shown(without_atime(attrs), data, xattrs)


def without_atime(attrs: Attrs) -> Attrs:
    """Return *attrs* without what looking at a directory may change."""
    return attrs._replace(atime_ns=0)


def picture(view: View) -> dict[bytes, Shown]:
    """Return everything below the root, by path in the view."""
    return {node.shown_path(): look(view, node) for node, _ in walk(view)}


def write_out(view: View, directory: Path) -> None:
    """Copy what the view shows into an empty directory, as a backup program does."""
    times = {}
    for node, _ in walk(view):
        attrs, data, xattrs = look(view, node)
        path = os.fsencode(directory / os.fsdecode(node.shown_path()))
        if S_ISDIR(attrs.mode):
            os.mkdir(path)
        elif S_ISLNK(attrs.mode):
            assert data is not None
            os.symlink(data, path)
        elif S_ISREG(attrs.mode):
            assert data is not None
            Path(os.fsdecode(path)).write_bytes(data)
        else:
            os.mknod(path, attrs.mode, attrs.rdev)
        for name, value in xattrs.items():
            os.setxattr(path, name, value, follow_symlinks=False)
        os.chown(path, attrs.uid, attrs.gid, follow_symlinks=False)
        if not S_ISLNK(attrs.mode):
            os.chmod(path, attrs.mode & 0o7777)
        times[path] = attrs.mtime_ns
    for path, mtime in times.items():
        os.utime(path, ns=(mtime, mtime), follow_symlinks=False)


# A view for those who use views


class FakeFile:
    """An open file that does what it is told."""

    def __init__(self, data: bytes, attrs: Attrs, *, stamp: object = "state") -> None:
        self.path = b"cipher/path"
        self.stamp = stamp
        self.quiet = True
        self.size = len(data)
        self.closed = 0
        self.error: Exception | None = None
        self.waits: list[bool] = []
        self._data = data
        self._attrs = attrs

    def freeze(self, size: int) -> None:
        self.size = size

    def attrs(self) -> Attrs:
        return self._attrs

    def read(self, offset: int, size: int, *, nowait: bool) -> bytes:
        self.waits.append(nowait)
        if self.error is not None and (
            nowait or not isinstance(self.error, BlockingIOError)
        ):
            raise self.error
        return self._data[: self.size][offset : offset + size]

    def close(self) -> None:
        self.closed += 1


DEVICE = Device(1, b"")


def fake_attrs(inode: int, *, size: int = 0, mode: int = S_IFREG | 0o644) -> Attrs:
    """Return attributes that are all different from each other."""
    return Attrs(inode, mode, 3, 12, 13, 14, size, 15, 4096, 16, 17, 18)


@dataclass
class FakeView:
    """A flat directory of *files*; methods named in *errors* raise instead."""

    files: dict[bytes, FakeFile]
    errors: dict[str, Exception] = field(default_factory=dict)
    forgotten: list[Node] = field(default_factory=list)
    root: Node = field(default_factory=lambda: Node(None, b"", b"", DEVICE, 2, 2))

    def _node(self, name: bytes) -> tuple[Node, Attrs]:
        attrs = self.files[name].attrs()
        return Node(self.root, name, name, DEVICE, attrs.inode, attrs.inode), attrs

    def _may_fail(self, method: str) -> None:
        if method in self.errors:
            raise self.errors[method]

    def cipher_path(self, node: Node) -> bytes:
        return b"cipher/" + node.shown_path()

    def lookup(self, _: Node, shown_name: bytes) -> tuple[Node, Attrs]:
        self._may_fail("lookup")
        if shown_name not in self.files:
            raise FileNotFoundError(2, "no such entry")
        return self._node(shown_name)

    def entries(self, _: Node) -> list[Child]:
        self._may_fail("entries")
        return [Child(name, name) for name in self.files]

    def child(self, _: Node, child: Child) -> tuple[Node, Attrs]:
        self._may_fail("child")
        self._may_fail("child " + child.shown_name.decode())
        return self._node(child.shown_name)

    def attrs(self, node: Node) -> Attrs:
        self._may_fail("attrs")
        if node is self.root:
            return fake_attrs(2, mode=S_IFDIR | 0o755)
        if node.shown_name not in self.files:
            raise FileNotFoundError(2, "no such entry")
        return self.files[node.shown_name].attrs()

    def readlink(self, _: Node) -> bytes:
        self._may_fail("readlink")
        return b"target"

    def open(self, node: Node) -> FakeFile:
        self._may_fail("open")
        return self.files[node.shown_name]

    def list_xattrs(self, _: Node) -> list[bytes]:
        self._may_fail("list_xattrs")
        return [b"user.a"]

    def get_xattr(self, _: Node, name: bytes) -> bytes:
        self._may_fail("get_xattr")
        return b"value of " + name

    def statvfs(self) -> os.statvfs_result:
        self._may_fail("statvfs")
        return os.statvfs("/")

    def forget(self, node: Node) -> None:
        self._may_fail("forget")
        self.forgotten.append(node)
