"""Verifying a backup against its source: what the view would show, byte for byte.

The view of the source is computed anew and compared with the copy, entry by entry, so
that whatever is missing, added, cut, rolled back or put in the place of something else is
found. Bytes that differ may still be the same content: the ids of a file depend on
whether it had several names when it was pulled.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from stat import S_IFMT, S_IMODE, S_ISDIR, S_ISLNK, S_ISREG

from revcrypt.errors import DataError
from revcrypt.format.names import EntryKind, entry_kind
from revcrypt.rescue.objects import Objects
from revcrypt.rescue.verify import Tally
from revcrypt.rescue.walk import BATCH, Batch, Nodes, chain, reason, steps_finding
from revcrypt.rescue.workers import Count, OnTick, Workers
from revcrypt.view.findings import Finding, Kind, Report, printable
from revcrypt.view.forward import ForwardView
from revcrypt.view.nodes import Attrs, Child, Node, OpenFile, VirtualNode, join
from revcrypt.view.reverse import ReverseView
from revcrypt.view.source import open_regular
from revcrypt.view.tree import ACL_NAMES

_PIECE = 1 << 20

_TYPES = {
    0o140000: "a socket",
    0o120000: "a symlink",
    0o100000: "a file",
    0o060000: "a block device",
    0o040000: "a directory",
    0o020000: "a character device",
    0o010000: "a FIFO",
}


@dataclass(frozen=True, slots=True)
class Pair:
    """A source and its copy. *metadata* compares modes, owners, times and attributes."""

    source: ReverseView
    copy: ForwardView
    metadata: bool


class Against:
    """Compares a whole copy with its source, with *workers* processes."""

    def __init__(self, pair: Pair, report: Report, *, workers: int) -> None:
        self._pair = pair
        self._source, self._copy = pair.source, pair.copy
        self._report = report
        self._workers = workers
        self._tally = Tally()

    def run(self, on_tick: OnTick) -> Tally:
        """Do it; *on_tick* hears of bytes of ciphertext."""
        workers = Workers[Batch, Tally](
            partial(_Comparer, self._pair), count=self._workers, on_tick=on_tick
        )
        if self._pair.metadata:
            for finding in _Comparer(self._pair, lambda *_: None).compare_roots():
                self._report(finding)
        for tally in workers.run(self._batches()):
            for finding in tally.findings:
                self._report(finding)
            self._tally.add(tally)
        return self._tally

    def _batches(self) -> Iterator[Batch]:
        """Yield what is on both sides, with cipher names as the shown ones."""
        pending = [(self._source.root, self._copy.root)]
        while pending:
            source, copy = pending.pop()
            self._tally.objects += 1
            present = self._names(source, copy)
            expected = list(self._expected(source))
            entries = []
            for child, node, attrs in expected:
                if child.shown_name not in present:
                    self._tell(node, Kind.MISSING, f"{_type(attrs.mode)} is missing")
                    continue
                present.remove(child.shown_name)
                try:
                    found, found_attrs = self._copy.child(copy, *_swap([child]))
                except (OSError, DataError) as error:
                    text = f"cannot be looked at: {reason(error)}"
                    self._tell(node, Kind.UNREADABLE, text)
                    continue
                if S_IFMT(found_attrs.mode) != S_IFMT(attrs.mode):
                    is_, should = _type(found_attrs.mode), _type(attrs.mode)
                    self._tell(node, Kind.TYPE, f"{is_}, where {should} should be")
                elif S_ISDIR(attrs.mode):
                    pending.append((node, found))
                    entries.append(child)
                else:
                    entries.append(child)
            for name in sorted(present):
                self._tell_extra(copy, name)
            steps = chain(source)
            for start in range(0, len(entries), BATCH):
                yield Batch(steps, tuple(entries[start : start + BATCH]), in_place=True)

    def _names(self, source: Node, copy: Node) -> set[bytes]:
        try:
            return set(self._copy.source.names(copy))
        except (OSError, DataError) as error:
            self._tell(source, Kind.UNREADABLE, f"cannot be listed: {reason(error)}")
            return set()

    def _expected(self, directory: Node) -> Iterator[tuple[Child, Node, Attrs]]:
        try:
            children = self._source.entries(directory)
        except (OSError, DataError) as error:
            text = f"the source cannot be listed: {reason(error)}"
            self._tell(directory, Kind.UNREADABLE, text)
            return
        for child in children:
            try:
                node, attrs = self._source.child(directory, child)
            except FileNotFoundError:
                continue  # It is left out.
            except (OSError, DataError) as error:
                path = join(self._source.cipher_path(directory), child.shown_name)
                text = f"the source cannot be read: {reason(error)}"
                plain = join(directory.backing_path(), child.backing_name)
                self._report(
                    Finding(
                        kind=Kind.UNREADABLE,
                        cipher_path=path,
                        plain_path=plain,
                        text=text,
                    )
                )
                continue
            yield child, node, attrs

    def _tell(self, node: Node, kind: Kind, text: str) -> None:
        """Report about an object of the source."""
        self._report(
            Finding(
                kind=kind,
                cipher_path=self._source.cipher_path(node),
                plain_path=node.backing_path(),
                text=text,
            )
        )

    def _tell_extra(self, directory: Node, name: bytes) -> None:
        names = self._copy.names
        plain_path: bytes | None = None
        if names is None:
            plain_path = join(directory.shown_path(), name)
        elif entry_kind(name) is EntryKind.SHORT:
            with suppress(DataError):
                [plain] = self._copy.volume.names.decrypt([name], names.iv(directory))
                plain_path = plain and join(directory.shown_path(), plain)
        self._report(
            Finding(
                kind=Kind.EXTRA,
                cipher_path=join(self._copy.cipher_path(directory), name),
                plain_path=plain_path,
                text="the source has nothing there",
            )
        )


def _type(mode: int) -> str:
    return _TYPES[S_IFMT(mode)]


class _Comparer:
    """Compares batches of objects: what a worker does."""

    def __init__(self, pair: Pair, count: Count) -> None:
        self._pair = pair
        self._count = count
        self._tally = Tally()
        self._sources = Nodes(pair.source)
        self._copies = Nodes(pair.copy)
        self._objects = Objects(pair.copy, self._report, in_place=True)

    def _report(self, finding: Finding) -> None:
        self._tally.findings.append(finding)

    def __call__(self, batch: Batch) -> Tally:
        """Compare everything in a batch."""
        tally = self._tally = Tally()
        for child in batch.entries:
            try:
                source = self._sources.find(batch.directory, child)
            except (OSError, DataError):
                continue  # Nobody can say what it was when it was pulled.
            swapped = _swap([*batch.directory, child])
            try:
                copy = self._copies.find(swapped[:-1], swapped[-1])
            except (OSError, DataError) as error:
                self._report(steps_finding(swapped, error))
                continue
            self._count(0, 1)
            tally.objects += not S_ISDIR(source.attrs.mode)
            try:
                self._compare(source.node, copy.node, source.attrs.mode)
                if self._pair.metadata and child.content is None:
                    self._compare_metadata(source.node, copy.node)
            except (OSError, DataError) as error:
                text = f"cannot be compared: {reason(error)}"
                self._objects.tell(copy.node, Kind.UNREADABLE, text)
        return tally

    def compare_roots(self) -> list[Finding]:
        """Compare the metadata of the roots, which are entries of no directory."""
        tally = self._tally = Tally()
        source, copy = self._pair.source.root, self._pair.copy.root
        try:
            self._compare_metadata(source, copy)
        except (OSError, DataError) as error:
            text = f"cannot be compared: {reason(error)}"
            self._objects.tell(copy, Kind.UNREADABLE, text)
        return tally.findings

    def _compare(self, source: Node, copy: Node, mode: int) -> None:
        if S_ISREG(mode):
            file = self._pair.source.open(source)
            try:
                self._compare_files(file, source, copy)
            finally:
                file.close()
        elif S_ISLNK(mode):
            wanted = self._pair.source.source.readlink(source)
            if self._pair.copy.source.readlink(copy) == self._pair.source.readlink(
                source
            ):
                return
            before = len(self._tally.findings)
            target = self._objects.target(copy, in_place=False)
            if len(self._tally.findings) == before and target != wanted:
                text = f"the link leads to {printable(target or b'')} instead"
                self._tell_difference(source, copy, text)
        elif self._pair.source.attrs(source).rdev != self._pair.copy.attrs(copy).rdev:
            self._tell_difference(source, copy, "it is another device")

    def _compare_files(self, file: OpenFile, source: Node, copy: Node) -> None:
        assert copy.parent is not None
        dir_fd = self._pair.copy.source.dir_fd(copy.parent)
        fd, status = open_regular(dir_fd, copy.backing_name)
        try:
            difference = self._first_difference(file, fd, status.st_size)
        finally:
            os.close(fd)
        if difference is None:
            return
        if isinstance(source, VirtualNode):
            self._tell_difference(source, copy, "it is not what the view shows")
            return
        before = len(self._tally.findings)
        is_same = self._has_same_plaintext(source, copy)
        if len(self._tally.findings) == before and not is_same:
            text = f"differs from byte {difference} of the ciphertext on"
            if status.st_size != file.size:
                text = f"has {status.st_size} bytes instead of {file.size}"
            self._tell_difference(source, copy, text)

    def _first_difference(self, file: OpenFile, fd: int, size: int) -> int | None:
        """Return the first byte in which the copy is not what the view shows."""
        for offset in range(0, max(file.size, size), _PIECE):
            wanted = file.read(offset, _PIECE, nowait=False)
            found = os.pread(fd, _PIECE, offset)
            self._count(len(found))
            self._tally.size += len(found)
            if wanted != found:
                pairs = enumerate(zip(wanted, found))
                shorter = min(len(wanted), len(found))
                return offset + next((i for i, (a, b) in pairs if a != b), shorter)
        return None

    def _has_same_plaintext(self, source: Node, copy: Node) -> bool:
        fd, _ = self._pair.source.source.open_file(source)
        is_same = True
        offset = 0
        try:
            with self._objects.content(copy, in_place=False) as reader:
                for size, data in reader.pieces():
                    is_same = (
                        is_same
                        and data is not None
                        and len(data) == size
                        and data == os.pread(fd, size, offset)
                    )
                    offset += size
            return is_same and offset == os.fstat(fd).st_size
        finally:
            os.close(fd)

    def _tell_difference(self, source: Node, copy: Node, text: str) -> None:
        kind = Kind.DIFFERENT
        theirs = self._pair.copy.source.stat(copy).st_mtime_ns
        ours = self._pair.source.attrs(source).mtime_ns
        if theirs != ours:
            kind = Kind.OUTDATED
            when = "an older" if theirs < ours else "another"
            text += f"; by its time it is {when} version"
        self._report(
            Finding(
                kind=kind,
                cipher_path=self._pair.copy.cipher_path(copy),
                plain_path=source.backing_path(),
                text=text,
            )
        )

    def _compare_metadata(self, source: Node, copy: Node) -> None:
        ours, theirs = self._pair.source.attrs(source), self._pair.copy.attrs(copy)
        pairs = [
            ("mode", oct(S_IMODE(ours.mode)), oct(S_IMODE(theirs.mode))),
            ("owner", ours.uid, theirs.uid),
            ("group", ours.gid, theirs.gid),
            ("modification time", ours.mtime_ns, theirs.mtime_ns),
        ]
        for what, wanted, found in pairs:
            if wanted != found:
                text = f"its {what} is {found}, not {wanted}"
                self._objects.tell(copy, Kind.METADATA, text)
        wanted_xattrs = {}
        for name in self._pair.source.list_xattrs(source):
            plain = name
            if name not in ACL_NAMES:
                plain = self._pair.copy.volume.names.decrypt_xattr(name)
            wanted_xattrs[plain] = self._pair.source.source.get_xattr(source, plain)
        if wanted_xattrs != self._objects.xattrs(copy, in_place=False):
            text = "its extended attributes are not the source's"
            self._objects.tell(copy, Kind.METADATA, text)


def _swap(steps: Iterable[Child]) -> tuple[Child, ...]:
    """Return what leads through the copy where *steps* lead through the source."""
    return tuple(Child(step.backing_name, step.shown_name) for step in steps)
