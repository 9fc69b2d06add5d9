"""Verifying a backup by itself: everything is read, and every problem is told.

What the bytes allow to find is found: what does not authenticate, and, in a copy of a
reverse view, what is not where it belongs. What they do not allow to find, something that
is missing as a whole or is an older version of itself, only the source can tell
(`revcrypt.rescue.against`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from stat import S_ISDIR, S_ISLNK, S_ISREG

from revcrypt.errors import DataError
from revcrypt.format import derive
from revcrypt.rescue.objects import Objects
from revcrypt.rescue.walk import Batch, Choice, Found, Nodes, Walk, reason, steps_finding
from revcrypt.rescue.workers import Count, OnTick, Workers
from revcrypt.view.findings import Finding, Kind, Report, printable
from revcrypt.view.forward import ForwardView
from revcrypt.view.nodes import Node


@dataclass(slots=True)
class Tally:
    """What has been read; *size* is in bytes of plaintext."""

    objects: int = 0
    size: int = 0
    placed: int = 0
    """Objects that have proved to be in their place."""
    findings: list[Finding] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Add what another one counts, but not its findings."""
        self.objects += other.objects
        self.size += other.size
        self.placed += other.placed


class _Checker:
    """Reads batches of objects: what a worker does."""

    def __init__(self, view: ForwardView, in_place: bool, count: Count) -> None:
        self._view = view
        self._count = count
        self._tally = Tally()
        self._nodes = Nodes(view)
        self._objects = Objects(view, self._report, in_place=in_place)

    def _report(self, finding: Finding) -> None:
        self._tally.findings.append(finding)

    def __call__(self, batch: Batch) -> Tally:
        """Read everything in a batch."""
        tally = self._tally = Tally()
        before = self._objects.placed
        for child in batch.entries:
            try:
                found = self._nodes.find(batch.directory, child)
            except (OSError, DataError) as error:
                self._report(steps_finding((*batch.directory, child), error))
                continue
            self._check(found, batch)
            self._count(0, 1)
            tally.objects += 1
        tally.placed = self._objects.placed - before
        return tally

    def _check(self, found: Found, batch: Batch) -> None:
        """Read one object."""
        node, attrs = found
        objects = self._objects
        try:
            if S_ISREG(attrs.mode):
                with objects.content(
                    node, in_place=batch.in_place, others=batch.others
                ) as reader:
                    for piece in reader.pieces():
                        self._count(piece.size)
                        self._tally.size += piece.size
            elif S_ISLNK(attrs.mode):
                objects.target(node, in_place=batch.in_place, others=batch.others)
            objects.xattrs(node, in_place=batch.in_place, others=batch.others)
        except (OSError, DataError) as error:
            text = f"cannot be read: {reason(error)}"
            objects.tell(node, Kind.UNREADABLE, text)


class Verify:
    """Reads everything in *view*, with *workers* processes.

    *in_place* holds it to be a whole copy of a reverse view.
    """

    def __init__(
        self, view: ForwardView, report: Report, *, in_place: bool, workers: int
    ) -> None:
        self._view = view
        self._tell = report
        self._in_place = in_place
        self._workers = workers
        self._misplaced: list[Finding] = []
        self._objects = Objects(view, self._report, in_place=in_place)
        self._tally = Tally()

    def _report(self, finding: Finding) -> None:
        if finding.kind is Kind.MISPLACED:
            # Whether it is the one that is wrong, or everything, only the end can tell.
            self._misplaced.append(finding)
        else:
            self._tell(finding)

    def run(self, on_tick: OnTick) -> Tally:
        """Do it; *on_tick* hears of bytes of plaintext."""
        workers = Workers[Batch, Tally](
            partial(_Checker, self._view, self._in_place),
            count=self._workers,
            on_tick=on_tick,
        )
        for tally in workers.run(self._batches()):
            for finding in tally.findings:
                self._report(finding)
            self._tally.add(tally)
        self._tally.placed += self._objects.placed
        self._tell_misplaced()
        return self._tally

    def _batches(self) -> Iterator[Batch]:
        groups: dict[int, list[tuple[Found, bool]]] = {}
        walk = Walk(self._view, self._objects, self._report, Choice())
        for directory in walk.directories():
            self._tally.objects += 1
            self._check_directory(directory.node, in_place=directory.in_place)
            single = []
            for found in directory.entries:
                if S_ISDIR(found.attrs.mode):
                    continue
                if found.attrs.nlink > 1:
                    name = found, directory.in_place
                    groups.setdefault(found.attrs.inode, []).append(name)
                else:
                    single.append(found)
            yield from directory.batches(single)
        for (first, in_place), *others in groups.values():
            # However many names it has, it is read once.
            self._tally.objects += len(others)
            paths = [self._view.cipher_path(found.node) for found, _ in others]
            yield Batch.of_one(first.node, in_place, paths)

    def _check_directory(self, node: Node, *, in_place: bool) -> None:
        try:
            self._objects.xattrs(node, in_place=in_place)
        except (OSError, DataError) as error:
            text = f"its attributes cannot be read: {reason(error)}"
            self._objects.tell(node, Kind.UNREADABLE, text)

    def _tell_misplaced(self) -> None:
        if not self._misplaced:
            return
        if not self._tally.placed:
            self._tell(
                Finding(
                    kind=Kind.MISPLACED,
                    cipher_path=b"",
                    plain_path=b"",
                    text=f"nothing is in its place, {len(self._misplaced)} objects are "
                    "in others: no whole copy of a reverse view (see --lenient)",
                )
            )
            return
        homes = Homes(self._view, [f.iv for f in self._misplaced if f.iv is not None])
        for finding in self._misplaced:
            home = None if finding.iv is None else homes.of(finding.iv)
            if home is not None:
                text = f"{finding.text}, {printable(home)}"
                finding = replace(finding, text=text)
            self._tell(finding)


class Homes:
    """Where misplaced things belong: the paths of a tree by the IVs that belong to them.

    IVs cannot be turned back into paths, so all paths are tried.
    """

    def __init__(self, view: ForwardView, ivs: Iterable[bytes]) -> None:
        wanted = set(ivs)
        self._paths: dict[bytes, bytes] = {}
        # What is wrong with names has been told.
        silent = view.with_report(lambda _: None)
        objects = Objects(silent, lambda _: None, in_place=False)
        for directory in Walk(silent, objects, lambda _: None, Choice()).directories():
            for node, attrs in directory.entries:
                iv = _iv_of(silent.cipher_path(node), attrs.mode)
                if iv in wanted:
                    self._paths[iv] = node.shown_path()

    def of(self, iv: bytes) -> bytes | None:
        """Return the plain path to which something with *iv* belongs, if it exists."""
        return self._paths.get(iv)


def _iv_of(cipher_path: bytes, mode: int) -> bytes:
    if S_ISDIR(mode):
        return derive.dir_iv(cipher_path)
    if S_ISLNK(mode):
        return derive.symlink_nonce(cipher_path)
    return derive.file_ids(cipher_path).file_id
