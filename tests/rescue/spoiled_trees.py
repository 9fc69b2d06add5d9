"""A small backup that is kept in memory, to be written out a thousand times."""

import os
import shutil
from pathlib import Path
from random import Random
from stat import S_ISDIR, S_ISLNK, S_ISREG
from typing import NamedTuple

from revcrypt.format.volume import Volume
from revcrypt.view.nodes import VirtualNode
from tests.support import KEY
from tests.view.trees import ENCRYPTED, reverse_view, walk, write_out

LONG = "long" * 50
OUTWARD = "../../outside"

FILES = {
    "big": 20_000,
    "exact": 8192,
    "small": 10,
    "nothing": 0,
    "linked": 9000,
    LONG: 5000,
    "dir/big": 16_384,
    f"dir/{LONG}": 4097,
    "dir/deep/er/file": 300,
    "dir/deep/one block": 4096,
    "other/few": 100,
    "other/more": 6000,
    f"{LONG} dir/inner": 4200,
}


def build_source(root: Path) -> None:
    """Fill a directory with files, links and attributes that can be mistaken."""
    random = Random(4)
    for name in ("dir/deep/er", "other", "empty dir", f"{LONG} dir"):
        (root / name).mkdir(parents=True)
    for name, size in FILES.items():
        (root / name).write_bytes(random.randbytes(size))
    (root / "zeros").write_bytes(bytes(12_288))
    os.link(root / "linked", root / "other" / "second name")
    (root / "link").symlink_to("small")
    (root / "other" / "outward").symlink_to(OUTWARD)
    (root / "twin").symlink_to("a target")
    os.link(root / "twin", root / "dir" / "other twin", follow_symlinks=False)
    os.mkfifo(root / "fifo")
    for name in ("big", "dir", "linked", "other/few"):
        os.setxattr(root / name, "user.comment", name.encode())
        os.setxattr(root / name, "user.other", b"the other one of " + name.encode())


class Object(NamedTuple):
    """Something in a tree; *first* is another name of it that comes earlier."""

    mode: int
    data: bytes
    xattrs: dict[str, bytes]
    first: bytes | None


Tree = dict[bytes, Object]


def read_tree(root: Path) -> Tree:
    """Return everything below a directory, parents first."""
    tree: Tree = {}
    firsts: dict[int, bytes] = {}
    base = os.fsencode(root)
    pending = [b""]
    while pending:
        directory = pending.pop()
        for name in sorted(os.listdir(os.path.join(base, directory))):
            path = os.path.join(directory, name)
            full = os.path.join(base, path)
            status = os.lstat(full)
            data, first = b"", None
            if S_ISREG(status.st_mode):
                with open(full, "rb") as file:
                    data = file.read()
            elif S_ISLNK(status.st_mode):
                data = os.readlink(full)
            elif S_ISDIR(status.st_mode):
                pending.append(path)
            if status.st_nlink > 1 and not S_ISDIR(status.st_mode):
                first = firsts.setdefault(status.st_ino, path)
            names = os.listxattr(full, follow_symlinks=False)
            tree[path] = Object(
                status.st_mode,
                data,
                {name: os.getxattr(full, name, follow_symlinks=False) for name in names},
                None if first == path else first,
            )
    return tree


def write_tree(tree: Tree, root: Path) -> None:
    """Write what `read_tree` has read into a new directory."""
    root.mkdir()
    base = os.fsencode(root)
    for path, found in tree.items():
        full = os.path.join(base, path)
        if found.first is not None:
            os.link(os.path.join(base, found.first), full, follow_symlinks=False)
            continue
        if S_ISDIR(found.mode):
            os.mkdir(full)
        elif S_ISLNK(found.mode):
            os.symlink(found.data, full)
        elif S_ISREG(found.mode):
            with open(full, "wb") as file:
                file.write(found.data)
        else:
            os.mknod(full, found.mode)
        for name, value in found.xattrs.items():
            os.setxattr(full, name, value, follow_symlinks=False)


class Backup(NamedTuple):
    """A source, a copy of its view, and what is called how in the copy."""

    source: Tree
    copy: Tree
    cipher_paths: dict[bytes, bytes]
    xattr_names: dict[str, str]


def make_backup(directory: Path, config: Path) -> Backup:
    """Make a backup; what has several names in the source has them in the copy."""
    plain, copy = directory / "plain", directory / "copy"
    plain.mkdir()
    copy.mkdir()
    build_source(plain)
    source = read_tree(plain)
    shutil.copy(config, plain / ".gocryptfs.reverse.conf")
    with reverse_view(plain) as view:
        write_out(view, copy)
        cipher_paths = {
            node.backing_path(): node.shown_path()
            for node, _ in walk(view)
            if not isinstance(node, VirtualNode)
        }
    assert cipher_paths.keys() == source.keys()
    written = read_tree(copy)
    for path, found in source.items():
        if found.first is not None:
            cipher_path, first = cipher_paths[path], cipher_paths[found.first]
            assert written[cipher_path] == written[first]
            written[cipher_path] = written[cipher_path]._replace(first=first)
    # Links need what they are links to.
    written = dict(sorted(written.items(), key=_has_first))
    return Backup(source, written, cipher_paths, _xattr_names(source))


def _xattr_names(source: Tree) -> dict[str, str]:
    cipher = Volume.open(KEY, ENCRYPTED).names
    names = {name for found in source.values() for name in found.xattrs}
    return {n: os.fsdecode(cipher.encrypt_xattr(os.fsencode(n))) for n in names}


def _has_first(item: tuple[bytes, Object]) -> bool:
    return item[1].first is not None
