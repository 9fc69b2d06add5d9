"""The same source is the same view: in any order, from any mount, for any reader."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from random import Random
from stat import S_ISLNK, S_ISREG

import pytest

from tests.support import Mounts, forget_names, walk

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop what is cached"),
]

READERS = 64
REMOUNTS = 3
ORDERS = ("sorted", "shuffled")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree with hard links, long names, attributes and symlinks."""
    directory = tmp_path_factory.mktemp("same")
    path = directory / "source"
    path.mkdir()
    with closing(Mounts(directory)) as mounts:
        mounts.init(path)
    for number in range(8):
        inner = path / f"{number}" / ("d" * 200 if number % 2 else "inner")
        inner.mkdir(parents=True)
        for size in (0, 1, 5000, 70_000):
            (inner / f"{size}").write_bytes(b"%d" % number * size)
        os.setxattr(inner / "1", "user.name", b"%d" % number)
        (inner / "symlink").symlink_to(f"target {number}")
        (inner / ("n" * 250)).write_bytes(b"a long name")
        # Of one file, and of one symlink, in all directories.
        for name in ("5000", "symlink", "n" * 250):
            os.link(
                path / "0" / "inner" / name,
                inner.parent / f"{name[:200]} linked",
                follow_symlinks=False,
            )
    return path


def digest(path: bytes) -> tuple[object, ...]:
    """Return everything about an object that a backup program could see."""
    status = os.lstat(path)
    content = b""
    if S_ISREG(status.st_mode):
        with open(path, "rb") as file:
            content = file.read()
    elif S_ISLNK(status.st_mode):
        content = os.readlink(path)
    names = sorted(os.listxattr(path, follow_symlinks=False))
    xattrs = [(name, os.getxattr(path, name, follow_symlinks=False)) for name in names]
    times = (status.st_mtime_ns, status.st_ctime_ns)
    owner = (status.st_mode, status.st_uid, status.st_gid, status.st_nlink)
    size = (status.st_ino, status.st_size, status.st_blocks, status.st_rdev)
    return (*owner, *size, *times, sha256(content).digest(), xattrs)


def tree_hash(view: Path, order: str) -> tuple[str, int]:
    """Hash a view, looked at by many at once; return how much there is, too."""
    forget_names(view)
    paths = [os.fsencode(view) + b"/" + path for path in sorted(walk(view))]
    asked = list(paths)
    if order == "shuffled":
        forget_names(view)
        Random(1).shuffle(asked)
    with ThreadPoolExecutor(READERS) as pool:
        found = dict(zip(asked, pool.map(digest, asked)))
    inside = len(os.fsencode(view))
    whole = [(path[inside:], found[path]) for path in paths]
    return sha256(repr(whole).encode()).hexdigest(), len(whole)


def test_hash_of_the_tree(mounts: Mounts, source: Path) -> None:
    """Two orders, three mounts, 64 readers: one hash, with hard links and all."""
    hashes = set()
    for number in range(REMOUNTS):
        view = mounts.reverse(source, f"view {number}")
        hashes |= {tree_hash(view, order) for order in ORDERS}
        mounts.unmount(view)
    [(_, entries)] = hashes
    assert entries > 100
