"""The restore drill: whether what a view shows now can be opened and is what it was.

A random sample of a source is written as ciphertext, as a backup host would pull it, and
then opened as a backup. Plaintext is compared in memory and written nowhere.
"""

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from errno import E2BIG, EDQUOT, ENOSPC, ENOTSUP, EROFS
from random import Random
from stat import S_ISDIR, S_ISLNK, S_ISREG

from revcrypt.errors import DataError, StaleNodeError
from revcrypt.format.names import (
    DIR_IV_NAME,
    NAME_FILE_SUFFIX,
    EntryKind,
    entry_kind,
)
from revcrypt.format.volume import Volume
from revcrypt.rescue.objects import Objects
from revcrypt.rescue.walk import reason
from revcrypt.view.findings import Finding, printable
from revcrypt.view.forward import ForwardView
from revcrypt.view.nodes import Node, VirtualNode, join
from revcrypt.view.reverse import ReverseView
from revcrypt.view.source import Source

_PIECE = 1 << 20
_USER = b"user."
_NO_ROOM = (ENOSPC, EDQUOT, EROFS)


@dataclass(slots=True)
class Tree:
    """What a source holds, as far as it can be read; *size* is in bytes of plaintext."""

    files: int = 0
    directories: int = 0
    links: int = 0
    size: int = 0
    sample: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Result:
    """What one key has opened; *size* is in bytes of plaintext."""

    files: int = 0
    others: int = 0
    xattrs: int = 0
    size: int = 0
    changed: int = 0
    """Objects that somebody has changed meanwhile, and that prove nothing."""
    differences: list[str] = field(default_factory=list)


def take_sample(view: ReverseView, count: int, seed: int) -> Tree:
    """Walk all of *view*, and choose *count* files, directories and links by *seed*."""
    random = Random(seed)  # noqa: S311 (it has to be repeatable, not unforeseeable)
    tree = Tree()
    for seen, (node, mode, size) in enumerate(_walk(view), 1):
        tree.files += S_ISREG(mode)
        tree.directories += S_ISDIR(mode)
        tree.links += S_ISLNK(mode)
        tree.size += size
        # Algorithm R of J. Vitter: each has the same chance, however many there are.
        if len(tree.sample) < count:
            tree.sample.append(node)
        elif (at := random.randrange(seen)) < count:
            tree.sample[at] = node
    return tree


def _walk(view: ReverseView) -> Iterator[tuple[Node, int, int]]:
    """Yield what can be restored by anybody: node, mode and size in plaintext."""
    pending = [view.root]
    while pending:
        directory = pending.pop()
        try:
            children = view.entries(directory)
        except (OSError, DataError):
            continue
        for child in children:
            if child.content is not None:
                continue
            try:
                node, attrs = view.child(directory, child)
                if isinstance(node, VirtualNode):
                    continue
                status = view.source.stat(node)
            except (OSError, DataError):
                continue
            if S_ISDIR(attrs.mode):
                pending.append(node)
                yield node, attrs.mode, 0
            elif S_ISREG(attrs.mode):
                yield node, attrs.mode, status.st_size
            elif S_ISLNK(attrs.mode):
                yield node, attrs.mode, 0


class Drill:
    """Writes a sample of *view* into the empty *directory*, and opens it again."""

    def __init__(self, view: ReverseView, directory: str) -> None:
        self._view = view
        self._base = os.fsencode(directory)
        self._written: set[bytes] = set()
        self._sealed: list[tuple[Node, os.stat_result]] = []
        self.has_xattrs = True
        """Whether *directory* holds extended attributes; else none are compared."""
        self.unreadable: list[str] = []
        """What no backup has, as it cannot be read, and why."""

    def seal(self, sample: list[Node]) -> None:
        """Write it, with what it takes to open it; raises `OSError` if that fails."""
        # The config is among them, and what else opens it.
        for child in self._view.entries(self._view.root):
            if not child.shown_name.endswith(NAME_FILE_SUFFIX):
                self._write_virtual(self._view.root, child.shown_name)
        for node in sample:
            try:
                status = self._view.source.stat(node)
                self._write(node)
            except (FileNotFoundError, StaleNodeError):
                continue  # Deleted, by now.
            except (OSError, DataError) as error:
                if isinstance(error, OSError) and error.errno in _NO_ROOM:
                    raise
                path = printable(node.backing_path())
                self.unreadable.append(f"{path}: {reason(error)}")
            else:
                self._sealed.append((node, status))

    def _write(self, node: Node) -> None:
        path = self._view.cipher_path(node)
        if node.parent is None or path in self._written:
            return
        self._write(node.parent)
        self._written.add(path)
        target = join(self._base, path)
        mode = self._view.source.stat(node).st_mode
        if entry_kind(os.path.basename(path)) is EntryKind.LONG:
            name = os.path.basename(path) + NAME_FILE_SUFFIX
            self._write_virtual(node.parent, name)
        if S_ISDIR(mode):
            os.mkdir(target, 0o700)
            self._write_virtual(node, DIR_IV_NAME)
        elif S_ISLNK(mode):
            os.symlink(self._view.readlink(node), target)
        else:
            self._copy(node, target)
        self._write_xattrs(node, target)

    def _write_virtual(self, directory: Node, name: bytes) -> None:
        """Write what exists only in the view, if it does."""
        try:
            node, _ = self._view.lookup(directory, name)
        except (FileNotFoundError, DataError):
            return
        if isinstance(node, VirtualNode):
            path = join(self._view.cipher_path(directory), name)
            if path not in self._written:
                self._written.add(path)
                self._copy(node, join(self._base, path))

    def _copy(self, node: Node, target: bytes) -> None:
        file = self._view.open(node)
        try:
            with open(target, "xb") as copy:
                copy.writelines(
                    file.read(offset, _PIECE, nowait=False)
                    for offset in range(0, file.size, _PIECE)
                )
        finally:
            file.close()

    def _write_xattrs(self, node: Node, target: bytes) -> None:
        for name in self._view.list_xattrs(node):
            # Others are not for everybody to write.
            if not name.startswith(_USER) or not self.has_xattrs:
                continue
            try:
                value = self._view.get_xattr(node, name)
                os.setxattr(target, name, value, follow_symlinks=False)
            except OSError as error:
                if error.errno not in (ENOTSUP, ENOSPC, E2BIG):
                    raise
                self.has_xattrs = False

    def open(self, volume: Volume) -> Result:
        """Open all that was written as a backup, and compare it with the source."""
        result = Result()
        view = ForwardView(Source(self._base), volume, strict=True)
        with closing(view):
            for node, status in self._sealed:
                found: list[Finding] = []
                objects = Objects(view, found.append, in_place=False)
                try:
                    problem = self._compare(node, status, view, objects, result)
                except (OSError, DataError) as error:
                    problem = reason(error)
                problem = found[0].text if found else problem
                if problem is None:
                    continue
                if self._has_changed(node, status):
                    result.changed += 1
                else:
                    path = printable(node.backing_path())
                    result.differences.append(f"{path}: {problem}")
        return result

    def _has_changed(self, node: Node, before: os.stat_result) -> bool:
        try:
            now = self._view.source.stat(node)
        except (OSError, DataError):
            return True
        return (now.st_size, now.st_mtime_ns, now.st_ctime_ns) != (
            before.st_size,
            before.st_mtime_ns,
            before.st_ctime_ns,
        )

    def _compare(
        self,
        node: Node,
        status: os.stat_result,
        view: ForwardView,
        objects: Objects,
        result: Result,
    ) -> str | None:
        """Return how what was opened differs from *node*; None if it does not."""
        opened = view.root
        for name in node.backing_path().split(b"/"):
            opened, _ = view.lookup(opened, name)
        if S_ISREG(status.st_mode):
            if not self._is_same_content(node, opened, objects, result):
                return "its content is another"
            result.files += 1
        else:
            if S_ISLNK(status.st_mode):
                target = self._view.source.readlink(node)
                if objects.target(opened, in_place=False) != target:
                    return "it leads elsewhere"
            result.others += 1
        if not self.has_xattrs:
            return None
        source = self._view.source
        wanted = {
            name: source.get_xattr(node, name)
            for name in source.list_xattrs(node)
            if name.startswith(_USER)
        }
        got = objects.xattrs(opened, in_place=False)
        if wanted != {name: got[name] for name in got if name.startswith(_USER)}:
            return "its extended attributes are others"
        result.xattrs += len(wanted)
        return None

    def _is_same_content(
        self, node: Node, opened: Node, objects: Objects, result: Result
    ) -> bool:
        fd, _ = self._view.source.open_file(node)
        try:
            offset = 0
            with objects.content(opened, in_place=False) as reader:
                for size, data in reader.pieces():
                    if data is None or data != os.pread(fd, size, offset):
                        return False
                    offset += size
            result.size += offset
            return offset == os.fstat(fd).st_size
        finally:
            os.close(fd)
