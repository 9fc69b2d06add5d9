"""A mounted tree, what the kernel knows of it, and what of that still holds."""

import fcntl
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from stat import S_IFDIR, S_IFMT, S_IFREG
from tempfile import TemporaryDirectory

import pytest
from pyfuse3 import EntryAttributes

from revcrypt.format.names import DIR_IV_NAME, NAME_FILE_SUFFIX
from revcrypt.format.volume import Volume
from revcrypt.fuse import ahead, live
from revcrypt.fuse.operations import Operations
from revcrypt.view import files
from revcrypt.view.nodes import join
from revcrypt.view.reverse import ReverseView
from revcrypt.view.source import Source
from tests.fuzz.kernel import ROOT, Handle, Kernel, Listing
from tests.fuzz.plain_tree import PlainTree, Thing
from tests.support import KEY
from tests.view.trees import ALL_FEATURES, cipher_size, derive

NAMES = [b"a", b"b", b"\xff\n", b"long" * 50]
DEPTH = 3


@dataclass
class Known:
    """What the kernel knows of an inode: where it was last, and what it was.

    *thing* is None for what is only in the view, or was gone when it was seen.
    *parents* are the directories that it was found in.
    """

    path: bytes = b""
    thing: Thing | None = None
    chain: tuple[int, ...] | None = None
    parents: set[int] = field(default_factory=set)


class World:
    """A small tree, mounted with *features*, of which nothing was asked so far."""

    def __init__(self, features: str) -> None:
        self.directory = TemporaryDirectory(prefix="revcrypt-fuzz-")
        self._patch = pytest.MonkeyPatch()
        self._before = open_descriptors()
        self._later = 0.0
        self._waits: list[tuple[int, float]] = []
        """When it was by the clock of the filesystem, and how long."""
        # Time stands still, however slow this machine is, but for `wait`.
        self._patch.setattr(time, "monotonic", lambda: 1000 + self._later)
        for module in (files, live, ahead):
            self._patch.setattr(module, "is_quiet", self._is_quiet)
        self.features = ALL_FEATURES[features]
        self.volume = Volume.open(KEY, self.features)
        self.tree = PlainTree(os.path.join(os.fsencode(self.directory.name), b"plain"))
        for path in (b"a", b"a/a"):
            self.tree.make_directory(path)
        for path in (b"b", b"a/b", b"a/a/" + NAMES[-1]):
            self.tree.make_file(path, path * 600)
        self.tree.make_symlink(b"a/\xff\n", b"../b")
        self.view = ReverseView(Source(self.tree.root), self.volume, None)
        self.operations = Operations(self.view)
        self.kernel = Kernel(self.operations, self._patch)
        self._told: dict[tuple[int, int], tuple[float, int]] = {}
        self.known = {ROOT: Known(thing=self.tree.top, chain=())}
        self.handles: list[Handle] = []
        self.listings: list[Listing] = []

    def wait(self, seconds: float) -> None:
        """Let time pass; what changes from now on has other times than before."""
        probe = os.path.join(self.directory.name, "probe")
        before = touched(probe)
        while (now := touched(probe)) <= before:
            pass
        self._later += seconds
        self._waits.append((now, seconds))

    def _is_quiet(self, mtime_ns: int, ctime_ns: int) -> bool:
        """Do what the function of that name does, in our time."""
        latest = max(mtime_ns, ctime_ns)
        since = sum(seconds for when, seconds in self._waits if when > latest)
        return since > 2

    # Where things are

    def some(self, kind: int, index: int) -> bytes | None:
        """Return a path of a kind, if there is one."""
        paths = self.tree.paths(kind)
        return paths[index % len(paths)] if paths else None

    def place(self, index: int, name: bytes) -> bytes | None:
        """Return a path in some directory, if it is free."""
        path = join(self.some(S_IFDIR, index) or b"", name)
        is_free = path not in self.tree.things and path.count(b"/") < DEPTH
        return path if is_free else None

    def cipher_name(self, directory: bytes, name: bytes) -> bytes:
        """Return what an entry is called in the view."""
        if self.features.plaintext_names:
            return name
        iv = bytes(16)
        if self.features.dir_iv:
            iv = derive(self._cipher_path(directory), b"DIRIV")
        [full] = self.volume.names.encrypt([name], iv)
        return self.volume.names.shown(full)

    def _cipher_path(self, path: bytes) -> bytes:
        directory, _, name = path.rpartition(b"/")
        if not path:
            return b""
        return join(self._cipher_path(directory), self.cipher_name(directory, name))

    def listed(self, inode: int) -> dict[bytes, bytes]:
        """Return what a directory shows: cipher names, each with its plain name.

        That is empty for what is only in the view. Nothing is shown of a directory that
        is not where the kernel takes it to be.
        """
        directory = self.known[inode].path
        shown: dict[bytes, bytes] = {}
        if not self.is_there(inode):
            return shown
        for name in self.tree.names(directory):
            entry = self.cipher_name(directory, name)
            shown[entry] = name
            if entry.startswith(b"gocryptfs.longname."):
                shown[entry + NAME_FILE_SUFFIX] = b""
        if self.features.dir_iv and not self.features.plaintext_names:
            shown[DIR_IV_NAME] = b""
        return shown

    # What the kernel knows

    def inode(self, index: int, kind: int | None = None) -> int | None:
        """Return an inode that the kernel knows, if there is one of that kind."""
        inodes = [
            inode
            for inode, known in self.known.items()
            if kind is None or (known.thing is not None and known.thing.kind == kind)
        ]
        return inodes[index % len(inodes)] if inodes else None

    def is_there(self, inode: int) -> bool:
        """Tell whether something of the source is still where the kernel saw it last."""
        known = self.known[inode]
        return known.thing is not None and self.tree.chain(known.path) == known.chain

    def learn(self, entry: EntryAttributes, parent: int, name: bytes | None) -> None:
        """Take note of what the kernel was told of an entry, and check it.

        *name* is its plain one, empty for what is only in the view, None if it is gone.
        """
        known = self.known.setdefault(entry.st_ino, Known())
        known.parents.add(parent)
        if not name:
            assert name is None or entry.st_mode == S_IFREG | 0o444
            return
        known.path = join(self.known[parent].path, name)
        known.thing, known.chain = (
            self.tree.things[known.path],
            self.tree.chain(known.path),
        )
        self.check(entry)

    def check(self, entry: EntryAttributes) -> None:
        """Check attributes of something that the kernel knows."""
        inode, thing = entry.st_ino, self.known[entry.st_ino].thing
        if thing is None:
            return
        assert S_IFMT(entry.st_mode) == thing.kind
        if thing.kind == S_IFREG:
            assert entry.st_size in thing.sizes
            # Who has it open is told the size that it had then, and so may others be.
            if self.is_there(inode) and not self.is_open(inode):
                assert entry.st_size == cipher_size(len(thing.content))

    def tell(self, entry: EntryAttributes, process: int) -> None:
        """Take note of the size that a process was told just now."""
        self._told[entry.st_ino, process] = self._later, entry.st_size

    def promised(self, inode: int, process: int) -> int | None:
        """Return the size that a process relies on, if it was told a moment ago."""
        later, size = self._told.get((inode, process), (-1.0, 0))
        return size if later == self._later else None

    def is_open(self, inode: int) -> bool:
        """Tell whether a file or directory is open."""
        return any(one.inode == inode for one in (*self.handles, *self.listings))

    def may_forget(self, inode: int) -> bool:
        """Tell whether an inode is not open, and nothing in it is known."""
        is_above = any(inode in known.parents for known in self.known.values())
        return inode != ROOT and not is_above and not self.is_open(inode)

    def forget(self, inode: int, count: int) -> None:
        """Forget so many of the times that an inode was told of."""
        self.kernel.forget(inode, count)
        if inode not in self.kernel.lookups:
            del self.known[inode]

    # The end

    def leave(self) -> None:
        """Forget everything, after all files were closed; nothing is left then."""
        while len(self.known) > 1:
            for inode in list(filter(self.may_forget, self.known)):
                self.forget(inode, self.kernel.lookups[inode])
        operations = self.operations
        assert len(operations._nodes) == 1
        assert not operations._readers
        assert not operations._directories
        assert not operations._live._open
        assert not operations._live._cached
        assert self.view._names._directories.keys() <= {self.view.root}
        assert open_descriptors() == self._before

    def close(self) -> None:
        """Unmount, and remove everything."""
        self.view.close()
        self.tree.close()
        self._patch.undo()
        self.directory.cleanup()


def touched(path: str) -> int:
    """Write to a file, and return when that was."""
    with open(path, "w") as file:
        file.write("x")
    return os.stat(path).st_mtime_ns


def open_descriptors() -> list[str]:
    """Return what is open, but for the few directories that a view may keep."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # That of the listing is closed by now.
            if not fcntl.fcntl(int(name), fcntl.F_GETFL) & os.O_PATH:
                found.append(os.readlink(f"/proc/self/fd/{name}"))
    return sorted(found)
