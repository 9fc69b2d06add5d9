"""Looking ahead: what a walk will probably ask for next, while its client thinks.

A client that walks a tree looks at one directory after the other, and we wait while it
deals with each. In that time the next one is listed, a few entries at a time, between
looks for a request. Which one is next is told by the order in which the client has gone
through the directories before it: as they were listed (find, tar, cp), or sorted (rsync,
restic, borg). A client that does neither is left alone.

What was looked at ahead counts as told at that time, although it is told a moment later.
So it is used only for a directory that has not changed since, for files that nobody has
open, and if nobody was told of a changing file meanwhile, which may be one of these.
"""

import time
from array import array
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from pyfuse3 import EntryAttributes

from revcrypt.errors import RevcryptError
from revcrypt.fuse.apart import tell_apart
from revcrypt.fuse.entries import AHEAD
from revcrypt.fuse.live import LiveFiles
from revcrypt.fuse.mistakes import Mistakes
from revcrypt.view.files import is_quiet
from revcrypt.view.nodes import Attrs, Child, Node, NodeTable, View

STEP = 4
"""Entries to look at between two looks for a request."""
MAX_DIRECTORY_SIZE = 1 << 16
"""Bytes of a directory; more would take too long to list, with a client waiting."""
_MAX_PARENTS = 256
"""Directories whose subdirectories are known: as many as a tree is deep, or more."""

Found = tuple[Node, Attrs, EntryAttributes]
"""An object, its attributes, and what to tell the kernel if nobody opens it before."""


class _Walk:
    """How somebody goes through *directories*, in one of two orders.

    It keeps nothing but numbers, so that the memory of forgotten nodes can be given back.
    """

    def __init__(self, directories: Sequence[Node], *, is_sorted: bool) -> None:
        """Begin at the beginning, in the order that is more probable."""
        in_order = sorted(directories, key=attrgetter("shown_name"))
        self._orders = [(_inodes(in_order), True), (_inodes(directories), False)]
        if not is_sorted:
            self._orders.reverse()
        self._done = 0

    def opened(self, inode: int) -> None:
        """Take note that the directory *inode* was opened."""
        self._orders = [
            order
            for order in self._orders
            if self._done < len(order[0]) and order[0][self._done] == inode
        ]
        self._done += 1

    def next(self) -> int | None:
        """Return the directory that will be opened next, if that can be said."""
        if not self._orders or self._done == len(self._orders[0][0]):
            return None
        return self._orders[0][0][self._done]

    @property
    def is_sorted(self) -> bool | None:
        """Whether the client goes by names, None if that is not known."""
        return self._orders[0][1] if len(self._orders) == 1 else None


@dataclass(slots=True)
class Listing:
    """A directory's entries, and what was found behind the first of them.

    *found* has None for an entry that has to be looked at anew; *begun* is monotonic.
    """

    node: Node
    children: list[Child]
    attrs: Attrs
    begun: float
    found: list[Found | None] = field(default_factory=list)

    def is_fresh(self) -> bool:
        """Tell whether what was found is recent enough."""
        return time.monotonic() < self.begun + AHEAD


class Ahead:
    """Lists one directory of *view* before it is asked for, if it is one of *nodes*.

    *mistakes* takes note of what must not end the loop that this runs in.
    """

    def __init__(
        self, view: View, nodes: NodeTable, live: LiveFiles, mistakes: Mistakes
    ) -> None:
        self._view = view
        self._nodes = nodes
        self._live = live
        self._mistakes = mistakes
        self._walks: OrderedDict[int, _Walk] = OrderedDict()
        """By the inode of the directory above."""
        self._is_sorted = False
        self._next: Node | None = None
        """Which is to be opened next, it seems."""
        self._steps: Iterator[None] | None = None
        self._listing: Listing | None = None

    def opened(self, node: Node) -> Listing | None:
        """Take note that *node* was opened; return its listing if it is at hand."""
        walk = self._walks.get(node.parent.inode) if node.parent is not None else None
        if walk is not None:
            walk.opened(node.inode)
            if walk.is_sorted is not None:
                self._is_sorted = walk.is_sorted
        listing, self._listing, self._steps = self._listing, None, None
        if listing is None or listing.node is not node or not listing.is_fresh():
            return None
        attrs = self._view.attrs(node)
        return listing if _times(attrs) == _times(listing.attrs) else None

    def forget(self, node: Node) -> None:
        """Keep nothing for *node*, and begin nothing: nobody would end it again."""
        if node is self._next:
            self._next, self._listing, self._steps = None, None, None

    def listed(self, node: Node, directories: Sequence[Node]) -> None:
        """Take note that all of *node* was reported, with *directories* in it."""
        self._walks.pop(node.inode, None)
        if directories:
            self._walks[node.inode] = _Walk(directories, is_sorted=self._is_sorted)
            if len(self._walks) > _MAX_PARENTS:
                self._walks.popitem(last=False)
        following = self._following(node)
        self._next, self._listing = following, None
        self._steps = None if following is None else self._look_at(following)

    def _following(self, node: Node | None) -> Node | None:
        """Return what a walk that goes into depth first opens after *node*."""
        while node is not None:
            walk = self._walks.get(node.inode)
            following = None if walk is None else walk.next()
            if following is not None:
                return self._nodes.get(following)
            node = node.parent
        return None

    def step(self) -> bool:
        """Look at a few entries; return False if there is nothing to do."""
        if self._steps is None:
            return False
        try:
            next(self._steps)
        except (StopIteration, OSError, RevcryptError):
            # An error comes again when somebody asks, and is reported then.
            self._steps = None
        except Exception as error:
            self._steps = None
            self._mistakes.note("looking ahead", error)
        return True

    def _look_at(self, node: Node) -> Iterator[None]:
        attrs = self._view.attrs(node)
        if attrs.size > MAX_DIRECTORY_SIZE or not is_quiet(
            attrs.mtime_ns, attrs.ctime_ns
        ):
            return  # The times of what has just changed do not tell another change.
        begun = time.monotonic()
        children = self._view.entries(node)
        listing = self._listing = Listing(node, children, attrs, begun)
        yield
        for number, child in enumerate(children, 1):
            if self._view.may_wait(child):
                return  # A disk that hangs must not be touched before somebody asks.
            try:
                found, attrs = self._view.child(node, child)
            except FileNotFoundError:
                listing.found.append(None)
            else:
                listing.found.append(self._ready(found, attrs))
            if number % STEP == 0:
                yield

    def _ready(self, found: Node, attrs: Attrs) -> Found | None:
        found, attrs = tell_apart(self._view, self._nodes, found, attrs)
        if self._live.opened(found.inode) is not None:
            return None  # What it is told depends on its readers, at that moment.
        return found, attrs, self._live.entry(attrs, None)


def _inodes(nodes: Sequence[Node]) -> "array[int]":
    return array("Q", [node.inode for node in nodes])


def _times(attrs: Attrs) -> tuple[int, int]:
    return attrs.mtime_ns, attrs.ctime_ns
