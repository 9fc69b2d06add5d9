"""Restoring a backup, or some of it, into a directory.

The parent walks and makes directories, and workers decrypt files. What depends on these
comes last: further names of files, then symlinks, so that none is there to be followed,
then the attributes of directories. Whatever is wrong is a finding, and the rest goes on;
only a destination that takes nothing more ends it.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from stat import S_ISDIR, S_ISLNK, S_ISREG

from revcrypt.errors import DataError, UnwritableError
from revcrypt.rescue.objects import Objects
from revcrypt.rescue.target import Target, Xattrs
from revcrypt.rescue.walk import (
    Batch,
    Choice,
    Directory,
    Found,
    Nodes,
    Walk,
    reason,
    steps_finding,
)
from revcrypt.rescue.workers import Count, OnTick, Workers
from revcrypt.view.findings import Finding, Kind, Report, printable
from revcrypt.view.forward import ForwardView
from revcrypt.view.nodes import Attrs, Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to restore.

    *in_place* takes only what belongs to its path. *salvage* takes what authenticates of
    a damaged file, with zeros for the rest, and what was moved. *workers* is a number of
    processes.
    """

    in_place: bool
    salvage: bool = False
    workers: int = 1


@dataclass(frozen=True, slots=True)
class Zeroed:
    """*size* bytes from *offset* of the plaintext of a file are zeros: they are lost."""

    path: bytes
    offset: int
    size: int


@dataclass(slots=True)
class Tally:
    """What has been restored; *size* is in bytes of plaintext."""

    files: int = 0
    size: int = 0
    unchanged: int = 0
    others: int = 0
    """Directories, links and special files."""
    failed: list[bytes] = field(default_factory=list)
    """Plain paths of files that are not there."""
    zeroed: list[Zeroed] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Add what another one counts, but not its findings."""
        self.files += other.files
        self.size += other.size
        self.unchanged += other.unchanged
        self.others += other.others
        self.failed += other.failed
        self.zeroed += other.zeroed


class _FileRestorer:
    """Restores batches of regular files: what a worker does."""

    def __init__(
        self, view: ForwardView, target: Target, options: Options, count: Count
    ) -> None:
        self._view = view
        self._target = target
        self._options = options
        self._count = count
        self._tally = Tally()
        self._nodes = Nodes(view)
        self._objects = Objects(
            view,
            self._report,
            in_place=options.in_place,
            keeps_misplaced=options.salvage,
        )

    def _report(self, finding: Finding) -> None:
        self._tally.findings.append(finding)

    def __call__(self, batch: Batch) -> Tally:
        """Restore a batch."""
        tally = self._tally = Tally()
        for child in batch.entries:
            try:
                found = self._nodes.find(batch.directory, child)
            except (OSError, DataError) as error:
                lost = steps_finding((*batch.directory, child), error)
                self._report(lost)
                tally.failed.append(lost.plain_path or b"")
                continue
            is_there = self._restore(found, batch)
            self._count(0, 1)
            if not is_there:
                tally.failed.append(found.node.shown_path())
        return tally

    def _restore(self, found: Found, batch: Batch) -> bool:
        node, attrs = found
        try:
            if self._target.is_there(node.shown_path(), attrs):
                self._tally.unchanged += 1
                self._count(attrs.size)
                return True
            return self._write(found, batch)
        except UnwritableError as error:
            self._objects.tell(node, Kind.DESTINATION, str(error))
        except (OSError, DataError) as error:
            text = f"cannot be read: {reason(error)}"
            self._objects.tell(node, Kind.UNREADABLE, text)
        return False

    def _write(self, found: Found, batch: Batch) -> bool:
        node, attrs = found
        path = node.shown_path()
        tally, objects = self._tally, self._objects
        before = len(tally.findings)
        zeroed: list[Zeroed] = []
        size = 0
        with (
            objects.content(node, in_place=batch.in_place, others=batch.others) as reader,
            self._target.new_file(path) as file,
        ):
            for piece in reader.pieces():
                self._count(piece.size)
                if piece.data:
                    file.write(piece.data)
                else:
                    file.skip(piece.size)
                if piece.data is None:
                    zeroed.append(Zeroed(path, size, piece.size))
                size += piece.size
            is_whole = all(finding.is_healed for finding in tally.findings[before:])
            if not is_whole:
                if not self._options.salvage:
                    return False
                # A later restore from a better copy must not take it for done.
                attrs = attrs._replace(mtime_ns=time.time_ns())
            xattrs = objects.xattrs(node, in_place=batch.in_place, others=batch.others)
            xattrs = _harmless(self._target, objects, found, xattrs)
            for problem in self._target.finish_file(file, attrs, xattrs):
                objects.tell(node, Kind.DESTINATION, problem)
        tally.files += 1
        tally.size += size
        tally.zeroed += zeroed
        return True


def _harmless(target: Target, objects: Objects, found: Found, xattrs: Xattrs) -> Xattrs:
    """Return *xattrs* without those that could do harm, and report what is withheld."""
    node, attrs = found
    if target.allowed_mode(attrs.mode) != attrs.mode:
        text = "restored without its setuid and setgid bits (see --privileged)"
        objects.tell(node, Kind.WITHHELD, text)
    withheld = target.withheld_xattrs(xattrs)
    for name in withheld:
        text = f"restored without its attribute {printable(name)} (see --privileged)"
        objects.tell(node, Kind.WITHHELD, text)
    return {name: value for name, value in xattrs.items() if name not in withheld}


class Restore:
    """Restores what *choice* takes of *view* into *target*."""

    def __init__(
        self,
        view: ForwardView,
        target: Target,
        choice: Choice,
        options: Options,
        report: Report,
    ) -> None:
        self._view = view
        self._target = target
        self._choice = choice
        self._options = options
        self._report = report
        self._objects = Objects(
            view, report, in_place=options.in_place, keeps_misplaced=options.salvage
        )
        self._walk = Walk(view, self._objects, report, choice)
        self._tally = Tally()
        self._made: dict[Node, tuple[Attrs, bool]] = {}
        """Directories that are there, and whether each is in its place."""
        self._groups: dict[int, list[tuple[Found, bool]]] = {}
        """Names of objects with several, by inode number."""
        self._links: list[tuple[Found, bool]] = []

    def run(self, on_tick: OnTick) -> Tally:
        """Do it; *on_tick* hears of bytes of plaintext.

        Raises `DestinationError` if the destination takes nothing more.
        """
        workers = Workers[Batch, Tally](
            partial(_FileRestorer, self._view, self._target, self._options),
            count=self._options.workers,
            on_tick=on_tick,
        )
        for tally in workers.run(self._batches()):
            for finding in tally.findings:
                self._report(finding)
            self._tally.add(tally)
        failed = set(self._tally.failed)
        for group in self._groups.values():
            self._restore_other_names(group, failed)
        for found, in_place in self._links:
            self._restore_special(found, in_place=in_place)
        self._finish_directories()
        return self._tally

    # What the parent does while the workers work

    def _batches(self) -> Iterator[Batch]:
        for directory in self._walk.directories():
            if not self._enter(directory):
                self._walk.skip(directory)
                continue
            files = []
            for found in directory.entries:
                mode = found.attrs.mode
                if S_ISDIR(mode):
                    continue
                if found.attrs.nlink > 1:
                    name = found, directory.in_place
                    self._groups.setdefault(found.attrs.inode, []).append(name)
                elif S_ISREG(mode):
                    files.append(found)
                else:
                    self._links.append((found, directory.in_place))
            yield from directory.batches(files)
        yield from self._batches_of_groups()

    def _enter(self, directory: Directory) -> bool:
        """Make a directory, if something is to be in it; tell whether to go on there."""
        if (
            not directory.in_place
            and self._options.in_place
            and not self._options.salvage
        ):
            return False
        if directory.is_whole or any(
            not S_ISDIR(found.attrs.mode) for found in directory.entries
        ):
            return self._make(directory.node, directory.attrs, directory.in_place)
        return True

    def _make(self, node: Node, attrs: Attrs, in_place: bool) -> bool:
        if node in self._made:
            return True
        parent = node.parent
        if parent is not None and parent not in self._made:
            try:
                above = self._view.attrs(parent)
            except (OSError, DataError) as error:
                self._objects.tell(parent, Kind.UNREADABLE, reason(error))
                return False
            if not self._make(parent, above, in_place):
                return False
        try:
            self._target.make_directory(node.shown_path())
        except UnwritableError as error:
            self._objects.tell(node, Kind.DESTINATION, str(error))
            return False
        self._made[node] = attrs, in_place
        return True

    def _batches_of_groups(self) -> Iterator[Batch]:
        """Yield files with several names under the first name of each."""
        for group in self._groups.values():
            (first, in_place), *_ = group
            if S_ISREG(first.attrs.mode):
                others = [self._view.cipher_path(found.node) for found, _ in group[1:]]
                yield Batch.of_one(first.node, in_place, others)

    # What comes after them

    def _restore_other_names(
        self, group: list[tuple[Found, bool]], failed: set[bytes]
    ) -> None:
        (first, in_place), *others = group
        path = first.node.shown_path()
        if S_ISREG(first.attrs.mode):
            is_there = path not in failed
        else:
            paths = [self._view.cipher_path(found.node) for found, _ in others]
            is_there = self._restore_special(first, in_place=in_place, others=paths)
        for found, _ in others:
            if not is_there:
                text = f"not restored, as {printable(path)}, another name of it, is not"
                self._objects.tell(found.node, Kind.CONTENT, text)
                continue
            try:
                self._target.make_hard_link(found.node.shown_path(), path)
            except UnwritableError as error:
                self._objects.tell(found.node, Kind.DESTINATION, str(error))
                continue
            self._tally.others += 1
            # Whoever looks for what is lost of a file may look for any of its names.
            self._tally.zeroed += [
                replace(zero, path=found.node.shown_path())
                for zero in self._tally.zeroed
                if zero.path == path
            ]

    def _restore_special(
        self, found: Found, *, in_place: bool, others: Sequence[bytes] = ()
    ) -> bool:
        """Restore a symlink, FIFO, socket or device; tell whether it is there.

        *others* are cipher paths that are names of it, too.
        """
        node, attrs = found
        path = node.shown_path()
        try:
            if S_ISLNK(attrs.mode):
                return self._restore_link(found, in_place, others)
            if not self._target.allows_node(attrs.mode):
                text = "a device, which was not restored (see --privileged)"
                self._objects.tell(node, Kind.WITHHELD, text)
                return False
            self._target.make_node(path, attrs)
        except UnwritableError as error:
            self._objects.tell(node, Kind.DESTINATION, str(error))
            return False
        except (OSError, DataError) as error:
            self._objects.tell(node, Kind.UNREADABLE, reason(error))
            return False
        self._tally.others += 1
        return True

    def _restore_link(
        self, found: Found, in_place: bool, others: Sequence[bytes]
    ) -> bool:
        findings: list[Finding] = []
        objects = Objects(self._view, findings.append, in_place=self._options.in_place)
        target = objects.target(found.node, in_place=in_place, others=others)
        for finding in findings:
            self._report(finding)
        if target is None or (findings and not self._options.salvage):
            return False
        self._target.make_link(found.node.shown_path(), target, found.attrs)
        self._tally.others += 1
        return True

    def _finish_directories(self) -> None:
        for node, (attrs, in_place) in reversed(self._made.items()):
            if node is self._view.root and not self._choice.is_all:
                continue
            try:
                xattrs = self._objects.xattrs(node, in_place=in_place)
                found = Found(node, attrs)
                xattrs = _harmless(self._target, self._objects, found, xattrs)
                path = node.shown_path()
                for problem in self._target.finish_directory(path, attrs, xattrs):
                    self._objects.tell(node, Kind.DESTINATION, problem)
            except UnwritableError as error:
                self._objects.tell(node, Kind.DESTINATION, str(error))
            except (OSError, DataError) as error:
                self._objects.tell(node, Kind.UNREADABLE, reason(error))
            self._tally.others += 1
