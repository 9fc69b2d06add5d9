"""Walking a forward view: directory after directory, and what is chosen of it."""

import difflib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from stat import S_ISDIR, S_ISREG
from typing import NamedTuple

from revcrypt.errors import DataError, FilterError, UsageError
from revcrypt.format.names import EntryKind, entry_kind
from revcrypt.rescue.objects import Objects
from revcrypt.view.detect import walk_raw
from revcrypt.view.findings import Finding, Kind, Report, printable
from revcrypt.view.forward import ForwardView
from revcrypt.view.gitignore import GitIgnore, Line
from revcrypt.view.nodes import Attrs, Child, Node, View, join

_COMPARED = 5000
"""Names to look for a similar one among; it takes a while."""
BATCH = 64
"""Entries that a worker gets at once."""


class Found(NamedTuple):
    """An object of the tree."""

    node: Node
    attrs: Attrs


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory and what is in it.

    It *is_whole* if everything in it was chosen, and *in_place* unless it or one above it
    has been moved.
    """

    node: Node
    attrs: Attrs
    entries: list[Found]
    is_whole: bool
    in_place: bool

    def batches(self, entries: Sequence[Found]) -> "Iterator[Batch]":
        """Yield *entries* of this directory as workers get them."""
        steps = chain(self.node)
        for start in range(0, len(entries), BATCH):
            children = (
                Child(node.shown_name, node.backing_name)
                for node, _ in entries[start : start + BATCH]
            )
            yield Batch(steps, tuple(children), self.in_place)


class Batch(NamedTuple):
    """Some entries of one directory, as they travel to a worker.

    *directory* is the chain from the root down, without the root. *others* are cipher
    paths of the other names of an entry that has several.
    """

    directory: tuple[Child, ...]
    entries: tuple[Child, ...]
    in_place: bool
    others: tuple[bytes, ...] = ()

    @classmethod
    def of_one(cls, node: Node, in_place: bool, others: Iterable[bytes]) -> "Batch":
        """Return a batch of one entry that has other names."""
        *directory, child = chain(node)
        return cls(tuple(directory), (child,), in_place, tuple(others))


def chain(node: Node) -> tuple[Child, ...]:
    """Return what leads from the root to *node*."""
    steps: list[Child] = []
    while node.parent is not None:
        steps.append(Child(node.shown_name, node.backing_name))
        node = node.parent
    return tuple(reversed(steps))


class Nodes:
    """Finds the nodes of batches in a worker's own view, and remembers directories."""

    _KEPT = 4096

    def __init__(self, view: View) -> None:
        self._view = view
        self._known: dict[tuple[Child, ...], Node] = {(): view.root}

    def find(self, steps: tuple[Child, ...], child: Child) -> Found:
        """Return an entry of a directory; raises `OSError` or `DataError`."""
        return Found(*self._view.child(self._directory(steps), child))

    def _directory(self, steps: tuple[Child, ...]) -> Node:
        known = len(steps)
        while steps[:known] not in self._known:
            known -= 1
        node = self._known[steps[:known]]
        for length in range(known + 1, len(steps) + 1):
            if len(self._known) > self._KEPT:
                self._known = {(): self._view.root}
            node, _ = self._view.child(node, steps[length - 1])
            self._known[steps[:length]] = node
        return node


class Choice:
    """Which paths of the plaintext are wanted: all, or those that *patterns* name.

    A pattern is a path from the root, with the wildcards of git in it (`**` for any
    number of directories). What is below a directory that is named is wanted, too.
    """

    def __init__(self, patterns: Iterable[bytes] = ()) -> None:
        """Raise `UsageError` for a path that leads out of the root."""
        self.patterns = [clean_path(pattern) for pattern in patterns]
        self.unused = set(self.patterns)
        """Patterns that nothing has been found for."""
        self._globs = dict(_globs(self.patterns))

    @property
    def is_all(self) -> bool:
        """Whether nothing was chosen, which means everything."""
        return not self.patterns

    def is_glob(self, pattern: bytes) -> bool:
        """Tell whether a pattern has wildcards."""
        return pattern in self._globs

    def takes(self, path: bytes) -> bool:
        """Tell whether *path* itself is named."""
        named = {pattern for pattern in self.patterns if pattern in (path, b"")}
        named |= {
            pattern
            for pattern, steps in self._globs.items()
            if steps[-1].decide(path, is_dir=True)
        }
        self.unused -= named
        return bool(named)

    def leads_to(self, path: bytes) -> bool:
        """Tell whether something below the directory *path* may be named."""
        below = path + b"/"
        depth = below.count(b"/")
        return any(
            pattern.startswith(below)
            or _may_lead(pattern, self._globs.get(pattern, []), path, depth)
            for pattern in self.patterns
        )


def _globs(patterns: Iterable[bytes]) -> Iterator[tuple[bytes, list[GitIgnore]]]:
    """Yield patterns with wildcards, and what matches each of their beginnings."""
    for pattern in patterns:
        if not any(char in pattern for char in b"*?["):
            continue
        names = pattern.split(b"/")
        beginnings = (b"/".join(names[: i + 1]) for i in range(len(names)))
        # What is no pattern may still be the name of a file.
        with suppress(FilterError):
            yield pattern, [make_glob(b"/" + beginning) for beginning in beginnings]


def _may_lead(pattern: bytes, steps: list[GitIgnore], path: bytes, depth: int) -> bool:
    """Tell whether *path*, a directory *depth* names deep, fits the pattern so far.

    *steps* match the beginnings of the pattern; there are none if it has no wildcards.
    """
    names = pattern.split(b"/") if steps else []
    for number, name in enumerate(names[:depth]):
        if name == b"**":
            # Whatever follows may be at any depth.
            return not number or bool(
                steps[number - 1].decide(_head(path, number), is_dir=True)
            )
    return depth < len(names) and bool(steps[depth - 1].decide(path, is_dir=True))


def _head(path: bytes, count: int) -> bytes:
    return b"/".join(path.split(b"/")[:count])


def clean_path(path: bytes) -> bytes:
    """Return a path from the root as views have it; raises `UsageError`."""
    names = [name for name in path.split(b"/") if name not in (b"", b".")]
    if b".." in names:
        raise UsageError(
            f"{os.fsdecode(path)} leads out of the backup",
            hint="paths start at the root of what was backed up",
        )
    return b"/".join(names)


def make_glob(pattern: bytes) -> GitIgnore:
    """Return what decides whether a path matches *pattern*; raises `FilterError`."""
    if not pattern.strip(b"/"):
        raise FilterError("a pattern without any name matches nothing")
    if pattern[:1] in (b"!", b"#"):
        pattern = b"\\" + pattern
    stripped = pattern.rstrip(b" ")
    blanks = b"\\ " * (len(pattern) - len(stripped))
    return GitIgnore([Line("pattern", stripped + blanks)])


class Walk:
    """Walks what *choice* takes of a view, and says how *objects* are."""

    def __init__(
        self, view: ForwardView, objects: Objects, report: Report, choice: Choice
    ) -> None:
        self._view = view
        self._objects = objects
        self._report = report
        self._choice = choice
        self._skipped: set[Node] = set()

    def skip(self, directory: Directory) -> None:
        """Do not go into a directory that was just yielded."""
        self._skipped.add(directory.node)

    def directories(self) -> Iterator[Directory]:
        """Yield the directories that are chosen or lead to something that is.

        What cannot be listed or looked at is reported.
        """
        root = Found(self._view.root, self._view.attrs(self._view.root))
        pending = [(root, self._choice.is_all or self._choice.takes(b""), True)]
        while pending:
            (node, attrs), is_whole, in_place = pending.pop()
            if in_place:
                in_place = not self._objects.is_misplaced(node)
            looked = list(self._look(node, is_whole=is_whole))
            entries = [found for found, _ in looked]
            directory = Directory(node, attrs, entries, is_whole, in_place)
            yield directory
            if node in self._skipped:
                self._skipped.remove(node)
                continue
            pending += [
                (found, is_taken, in_place)
                for found, is_taken in reversed(looked)
                if S_ISDIR(found.attrs.mode)
            ]

    def _look(self, node: Node, *, is_whole: bool) -> Iterator[tuple[Found, bool]]:
        try:
            children = self._view.entries(node)
        except (OSError, DataError) as error:
            kind = Kind.UNREADABLE if isinstance(error, OSError) else Kind.DIR_IV
            text = f"its entries are lost: {reason(error)}"
            self._objects.tell(node, kind, text)
            return
        directory = node.shown_path()
        for child in children:
            path = join(directory, child.shown_name)
            # In that order: a path that is named inside of another one is found, too.
            is_taken = self._choice.takes(path) or is_whole
            if not is_taken and not self._choice.leads_to(path):
                continue
            try:
                found = Found(*self._view.child(node, child))
            except (OSError, DataError) as error:
                self._report(steps_finding((*chain(node), child), error))
                continue
            if is_taken or S_ISDIR(found.attrs.mode):
                yield found, is_taken


def steps_finding(steps: Sequence[Child], error: OSError | DataError) -> Finding:
    """Return a finding about what *steps* from the root lead to, which is lost."""
    return Finding(
        kind=Kind.UNREADABLE,
        cipher_path=b"/".join(step.backing_name for step in steps),
        plain_path=b"/".join(step.shown_name for step in steps),
        text=f"cannot be looked at: {reason(error)}",
    )


def reason(error: OSError | DataError) -> str:
    """Return what has gone wrong, in words."""
    text = error.args[-1] if isinstance(error, OSError) else str(error)
    return str(text)


def suggest(view: ForwardView, path: bytes) -> str | None:
    """Return a path that is there and looks like *path*, which is not, for people.

    That may also be the end of it, where somebody has begun at the server's own root.
    """
    view = view.with_report(lambda _: None)  # What is wrong with names has been told.
    names = path.split(b"/")
    for start in range(1, len(names)):
        if _is_there(view, names[start:]):
            return printable(b"/".join(names[start:]))
    node = view.root
    for depth, name in enumerate(names):
        try:
            shown = [os.fsdecode(child.shown_name) for child in view.entries(node)]
            if os.fsdecode(name) in shown:
                node, _ = view.lookup(node, name)
                continue
        except (OSError, DataError):
            return None
        if len(shown) > _COMPARED:
            return None
        close = difflib.get_close_matches(os.fsdecode(name), shown, 1)
        path = b"/".join([*names[:depth], *map(os.fsencode, close)])
        return printable(path) if close else None
    return None


def _is_there(view: ForwardView, names: Sequence[bytes]) -> bool:
    node = view.root
    try:
        for name in names:
            node, _ = view.lookup(node, name)
    except (OSError, DataError):
        return False
    return True


def measure(view: ForwardView) -> int:
    """Return the bytes of plaintext in a tree, as far as its files say.

    However many names a file has, it is read once.
    """
    sizes: dict[int, int] = {}
    total = 0
    for node, attrs in walk_raw(view.source):
        has_name = view.names is None or (
            entry_kind(node.backing_name) is not EntryKind.NAME_FILE
        )
        if not S_ISREG(attrs.mode) or not has_name:
            continue
        if attrs.nlink > 1:
            sizes[attrs.inode] = attrs.size
        else:
            total += attrs.size
    return total + sum(sizes.values())
