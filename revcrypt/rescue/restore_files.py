"""Restoring the files of a backup, a batch at a time: what a worker does."""

import time
from dataclasses import dataclass, field

from revcrypt.errors import DataError, UnwritableError
from revcrypt.rescue.objects import Objects
from revcrypt.rescue.target import Target
from revcrypt.rescue.walk import Batch, Found, Nodes, reason, steps_finding
from revcrypt.rescue.workers import Count
from revcrypt.rescue.writing import Xattrs
from revcrypt.view.findings import Finding, Kind, printable
from revcrypt.view.forward import ForwardView


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
    replaced: int = 0
    """Those of *files* in whose place there was something else of that name."""
    unchanged: int = 0
    others: int = 0
    """Directories, links and special files."""
    escaping: int = 0
    """Symlinks among them that lead out of what was restored."""
    failed: list[bytes] = field(default_factory=list)
    """Plain paths of files that are not there."""
    zeroed: list[Zeroed] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Add what another one counts, but not its findings."""
        self.files += other.files
        self.size += other.size
        self.replaced += other.replaced
        self.unchanged += other.unchanged
        self.others += other.others
        self.escaping += other.escaping
        self.failed += other.failed
        self.zeroed += other.zeroed


class FileRestorer:
    """Restores batches of regular files into *target*."""

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
            if self._target.is_there(node.shown_path(), attrs) and self._is_complete(
                found, batch
            ):
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

    def _is_complete(self, found: Found, batch: Batch) -> bool:
        """Tell whether what is there has its attributes, and repeat what it lacks."""
        node = found.node
        before = len(self._tally.findings)
        xattrs = self._objects.xattrs(node, in_place=batch.in_place, others=batch.others)
        xattrs = harmless(self._target, self._objects, found, xattrs)
        if self._target.has_xattrs(node.shown_path(), xattrs):
            return True
        del self._tally.findings[before:]  # Writing it tells the same.
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
            xattrs = harmless(self._target, objects, found, xattrs)
            for problem in self._target.finish_file(file, attrs, xattrs):
                objects.tell(node, Kind.DESTINATION, problem)
        tally.files += 1
        tally.replaced += file.has_replaced
        tally.size += size
        tally.zeroed += zeroed
        return True


def harmless(target: Target, objects: Objects, found: Found, xattrs: Xattrs) -> Xattrs:
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
