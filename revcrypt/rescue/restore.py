"""Restoring a backup, or some of it, into a directory.

The parent walks and makes directories, and workers decrypt files. What depends on these
comes last: further names of files, then symlinks, so that none is there to be followed,
then the attributes of directories. Whatever is wrong is a finding, and the rest goes on;
only a destination that takes nothing more ends it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from stat import S_ISDIR, S_ISLNK, S_ISREG

from revcrypt.errors import DataError, UnwritableError
from revcrypt.rescue.objects import Objects
from revcrypt.rescue.restore_files import (
    FileRestorer,
    Options,
    Tally,
    Zeroed,
    harmless,
)
from revcrypt.rescue.target import Target
from revcrypt.rescue.walk import (
    Batch,
    Choice,
    Directory,
    Found,
    Walk,
    reason,
)
from revcrypt.rescue.workers import OnTick, Workers
from revcrypt.view.findings import Finding, Kind, Report, printable
from revcrypt.view.forward import ForwardView
from revcrypt.view.nodes import Attrs, Node


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
        self._zeroed: dict[bytes, list[Zeroed]] = {}
        """What is lost of files, by their paths."""

    def run(self, on_tick: OnTick) -> Tally:
        """Do it; *on_tick* hears of bytes of plaintext.

        Raises `DestinationError` if the destination takes nothing more.
        """
        workers = Workers[Batch, Tally](
            partial(FileRestorer, self._view, self._target, self._options),
            count=self._options.workers,
            on_tick=on_tick,
        )
        for tally in workers.run(self._batches()):
            for finding in tally.findings:
                self._report(finding)
            self._tally.add(tally)
        failed = set(self._tally.failed)
        for zero in self._tally.zeroed:
            self._zeroed.setdefault(zero.path, []).append(zero)
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
        missing = [(node, attrs)]
        above = node.parent
        while above is not None and above not in self._made:
            try:
                missing.append((above, self._view.attrs(above)))
            except (OSError, DataError) as error:
                self._objects.tell(above, Kind.UNREADABLE, reason(error))
                return False
            above = above.parent
        for directory, its_attrs in reversed(missing):
            try:
                self._target.make_directory(directory.shown_path())
            except UnwritableError as error:
                self._objects.tell(directory, Kind.DESTINATION, str(error))
                return False
            self._made[directory] = its_attrs, in_place
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
        zeroed = self._zeroed.get(path, [])
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
                replace(zero, path=found.node.shown_path()) for zero in zeroed
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
            xattrs = self._objects.xattrs(node, in_place=in_place, others=others)
            xattrs = harmless(self._target, self._objects, found, xattrs)
            for problem in self._target.make_node(path, attrs, xattrs):
                self._objects.tell(node, Kind.DESTINATION, problem)
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
        path = found.node.shown_path()
        self._target.make_link(path, target, found.attrs)
        self._tally.others += 1
        self._tally.escaping += _leads_out(path, target)
        return True

    def _finish_directories(self) -> None:
        for node, (attrs, in_place) in reversed(self._made.items()):
            if node is self._view.root and not self._choice.is_all:
                continue
            try:
                xattrs = self._objects.xattrs(node, in_place=in_place)
                found = Found(node, attrs)
                xattrs = harmless(self._target, self._objects, found, xattrs)
                path = node.shown_path()
                for problem in self._target.finish_directory(path, attrs, xattrs):
                    self._objects.tell(node, Kind.DESTINATION, problem)
            except UnwritableError as error:
                self._objects.tell(node, Kind.DESTINATION, str(error))
            except (OSError, DataError) as error:
                self._objects.tell(node, Kind.UNREADABLE, reason(error))
            self._tally.others += 1


def _leads_out(path: bytes, target: bytes) -> bool:
    """Tell whether the link at *path* leads out of the tree, by its text alone."""
    if target.startswith(b"/"):
        return True
    depth = path.count(b"/")
    for name in target.split(b"/"):
        depth += -1 if name == b".." else name not in (b"", b".")
        if depth < 0:
            return True
    return False
