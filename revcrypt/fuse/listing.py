"""Open directories: a snapshot of each, and what readdir reports of it."""

import logging
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from stat import S_IFDIR, S_ISDIR

import pyfuse3
from pyfuse3 import EntryAttributes, FileHandleT, ReaddirToken

from revcrypt.errors import DataError, StaleNodeError
from revcrypt.fuse.ahead import Ahead, Found, Listing
from revcrypt.fuse.apart import tell_apart
from revcrypt.fuse.entries import TIMEOUT
from revcrypt.fuse.live import LiveFiles
from revcrypt.fuse.walks import Walk, Walks
from revcrypt.view.distant import NotReachedError
from revcrypt.view.nodes import Child, Node, NodeTable, View, join, virtual_inode_number

DOTS = 2
"""What readdir reports before the entries."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class OpenDirectory:
    """An open directory; *children* is a snapshot that readdir offsets refer to."""

    node: Node
    children: list[Child]
    ahead: Listing | None
    """What was looked at before it was opened."""
    walk: Walk | None = None
    """Which walk it was opened on."""
    directories: list[Node] = field(default_factory=list)
    """Those in it that have been reported."""
    unusable: list[bytes] = field(default_factory=list)
    """The names of those of which nothing could be found out."""
    reported: int = DOTS
    """The offset up to which all entries have been reported."""
    is_fresh: bool = True

    def restart(self, children: list[Child]) -> None:
        """Begin anew, with a new snapshot."""
        self.children, self.ahead = children, None
        self.directories.clear()
        self.unusable.clear()
        self.reported = DOTS

    def names_below(self) -> list[bytes]:
        """Return the names of those that are directories, or may be."""
        return [node.shown_name for node in self.directories] + self.unusable

    def found_ahead(self, changing_at: float) -> Sequence[Found | None]:
        """Return what is behind the first entries, as far as that is known.

        *changing_at* is when somebody was last told of a changing file, monotonic.
        """
        ahead = self.ahead
        if ahead is None or not ahead.is_fresh() or ahead.begun <= changing_at:
            return ()
        return ahead.found


class OpenDirectories:
    """Those of *view* that are open, by handle; these come from *handles*.

    *reach* waits for a distant disk and raises `TimeoutError`; *timeout* says how long
    the kernel may keep what it is told of the entries of a directory.
    """

    def __init__(
        self,
        view: View,
        nodes: NodeTable,
        live: LiveFiles,
        walks: Walks,
        ahead: Ahead,
        *,
        handles: Iterator[int],
        reach: Callable[[bytes], Awaitable[None]],
        timeout: Callable[[Node], float],
    ) -> None:
        self._view = view
        self._nodes = nodes
        self._live = live
        self._walks = walks
        self._ahead = ahead
        self._reach = reach
        self._timeout = timeout
        self._handles = handles
        self._open: dict[int, OpenDirectory] = {}

    def __len__(self) -> int:
        return len(self._open)

    def node(self, handle: int) -> Node:
        """Return which directory is open."""
        return self._open[handle].node

    def open(self, node: Node, tid: int) -> FileHandleT:
        """Take a snapshot of a directory for the thread *tid*."""
        try:
            ahead = self._ahead.opened(node)
            children = self._view.entries(node) if ahead is None else ahead.children
        except FileNotFoundError:
            if node.parent is not None:
                self._walks.gone(node.parent, node.shown_name, tid)
            raise
        walk = self._walks.of(node, tid)
        handle = FileHandleT(next(self._handles))
        self._open[handle] = OpenDirectory(node, children, ahead, walk)
        return handle

    def close(self, handle: int) -> None:
        """Drop the snapshot."""
        self._open.pop(handle, None)

    async def report(self, handle: int, start_id: int, token: ReaddirToken) -> None:
        """Report entries from number *start_id* on, as many as *token* has room for."""
        directory = self._open[handle]
        node = directory.node
        if start_id == 0 and not directory.is_fresh:
            directory.restart(self._view.entries(node))
        directory.is_fresh = False
        if start_id > directory.reported:
            directory.walk = None  # Some have been skipped.

        # The kernel takes no reference for these two.
        for number, (name, dot) in enumerate(((b".", node), (b"..", node.parent))):
            if start_id <= number:
                entry = EntryAttributes()
                entry.st_ino = (dot or node).inode
                entry.st_mode = S_IFDIR
                if not pyfuse3.readdir_reply(token, name, entry, number + 1):
                    return

        counted = False
        ahead = directory.found_ahead(self._live.changing_at)
        timeout = self._timeout(node)
        for index in range(max(start_id - DOTS, 0), len(directory.children)):
            child = directory.children[index]
            try:
                ready = ahead[index] if index < len(ahead) else None
                found = self._ready(ready) or self._child(directory, child)
            except NotReachedError as error:
                if counted:
                    return  # What was counted must not wait.
                found = await self._distant_child(directory, child, error)
            except Exception:
                if counted:
                    # What was counted must be answered; the error comes next time.
                    return
                raise
            if found is None:
                continue
            object_, entry = found
            if timeout != TIMEOUT:
                entry.entry_timeout = timeout
            if not pyfuse3.readdir_reply(token, child.shown_name, entry, index + 3):
                directory.reported = index + DOTS
                return
            known = self._nodes.remember(object_)
            if S_ISDIR(entry.st_mode):
                directory.directories.append(known)
            counted = True
        directory.reported = len(directory.children) + DOTS
        if counted:
            self._ahead.listed(node, directory.directories)
        elif start_id >= DOTS and directory.walk is not None:
            # Who asks again, after the last, has taken them all.
            entries, below = len(directory.children), directory.names_below()
            self._walks.listed(directory.walk, node, entries, below)

    def _ready(self, found: Found | None) -> tuple[Node, EntryAttributes] | None:
        """Return what to report of what was looked at ahead, if that still holds."""
        if found is None or self._live.opened(found[0].inode) is not None:
            return None
        node, attrs, entry = found
        _, told = tell_apart(self._view, self._nodes, node, attrs)
        return (node, entry) if told is attrs else None

    def _child(
        self, directory: OpenDirectory, child: Child
    ) -> tuple[Node, EntryAttributes] | None:
        try:
            found, attrs = self._view.child(directory.node, child)
        except FileNotFoundError:
            return None  # It has gone since the snapshot.
        except StaleNodeError:
            raise
        except (OSError, DataError) as error:
            return self._unusable(directory, child, error)
        found, attrs = tell_apart(self._view, self._nodes, found, attrs)
        return found, self._live.entry(attrs, None)

    async def _distant_child(
        self, directory: OpenDirectory, child: Child, error: NotReachedError
    ) -> tuple[Node, EntryAttributes] | None:
        try:
            await self._reach(error.mountpoint)
        except TimeoutError as timeout:
            return self._unusable(directory, child, timeout)
        return self._child(directory, child)

    def _unusable(
        self, directory: OpenDirectory, child: Child, error: OSError | DataError
    ) -> tuple[Node, EntryAttributes]:
        """Return what stands for an entry about which nothing can be found out.

        Left out, it would look deleted. It gets a number that leads to no object of the
        source, so whoever uses it makes the kernel look it up anew.
        """
        node = directory.node
        number = virtual_inode_number(join(node.shown_path(), child.shown_name))
        names = child.backing_name, child.shown_name
        unusable = Node(node, *names, node.device, 0, number)
        path = os.fsdecode(self._view.cipher_path(unusable))
        directory.unusable.append(child.shown_name)
        # An OSError's own text has the plain name in it.
        what = error.strerror if isinstance(error, OSError) else error
        log.warning("%s: %s", path, what)
        entry = EntryAttributes()
        # Were this remembered, the next question would be answered with a regular
        # file, and a client would delete the directory that it has a copy of.
        entry.entry_timeout = entry.attr_timeout = 0
        entry.st_ino = number
        return unusable, entry
