"""One read-only `Operations` for both views: translate, await, reply.

What the filesystem looks like is decided in the view; here are only inode numbers,
handles and errnos. Everything but a read that has to wait for a disk runs in the one
task that got the request: a trip through a thread costs more than the work itself.
"""

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from errno import EAGAIN, EROFS
from functools import partial
from itertools import count
from stat import S_IFDIR, S_ISDIR, S_ISREG
from typing import Any, Never

import pyfuse3
import trio
from pyfuse3 import (
    EntryAttributes,
    FileHandleT,
    FileInfo,
    FileNameT,
    FlagT,
    FUSEError,
    InodeT,
    ReaddirToken,
    RequestContext,
    StatvfsData,
    XAttrNameT,
)

from revcrypt.errors import DataError, StaleNodeError
from revcrypt.format.content import Bytes
from revcrypt.fuse import status
from revcrypt.fuse.access import EVERYBODY, Access
from revcrypt.fuse.ahead import DOTS, Ahead, OpenDirectory
from revcrypt.fuse.apart import tell_apart
from revcrypt.fuse.disks import Disks
from revcrypt.fuse.entries import TIMEOUT, entry_of
from revcrypt.fuse.live import LiveFiles, Reader
from revcrypt.fuse.mistakes import Mistakes
from revcrypt.fuse.replies import replies
from revcrypt.fuse.tally import Tally
from revcrypt.fuse.walks import Walks
from revcrypt.view.distant import NotReachedError
from revcrypt.view.nodes import (
    ROOT_INODE,
    Attrs,
    Child,
    Node,
    NodeTable,
    OpenFile,
    View,
    join,
    virtual_inode_number,
)
from revcrypt.view.source import NotRegularError

THREADS = 64
"""Reads that may be waiting for a disk at the same time."""
LEASE_SECONDS = 60.0
"""More than `/proc/sys/fs/lease-break-time`."""
LEASE_POLL = 0.05
STORED_SIZE = 1 << 16
"""Files up to this size are handed to the kernel when they are opened."""

log = logging.getLogger(__name__)


class Operations(pyfuse3.Operations):
    """Answers the kernel's requests from *view*.

    *waiting* is entered while a request waits, so that others can be answered. *access*
    says who is answered at all, *disks* which disks have to be waited for.
    """

    supports_dot_lookup = False

    def __init__(
        self,
        view: View,
        *,
        waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
        access: Access = EVERYBODY,
        disks: Disks | None = None,
    ) -> None:
        super().__init__()
        self.initialized = trio.Event()
        self._view = view
        self._waiting = waiting
        self._disks = disks
        self.allowed = access
        self.tally = Tally()
        self.mistakes = Mistakes()
        self._walks = Walks(lambda: self.tally.failures)
        # Reads that hang must not use up the threads of all others too soon.
        self._limiter = trio.CapacityLimiter(THREADS)
        self._nodes = NodeTable(view.root)
        self._live = LiveFiles()
        self.ahead = Ahead(view, self._nodes, self.mistakes)
        self._handles = count(1)
        self._readers: dict[int, Reader] = {}
        self._directories: dict[int, OpenDirectory] = {}

    def init(self) -> None:
        """Note that the kernel has accepted the mount."""
        self.initialized.set()

    async def reach(self, mountpoint: bytes) -> None:
        """Wait for a distant disk; raises `TimeoutError`."""
        assert self._disks is not None
        await self._disks.reach(mountpoint)

    def _timeout(self, directory: Node | None) -> float:
        """Return how long the kernel may answer for us what it knows of an entry.

        It asks for the user in front of it only what it asks at all. Every path leads
        through the root, so there it must not know anything.
        """
        is_guarded = self.allowed.is_limited and directory in (None, self._view.root)
        return 0 if is_guarded else TIMEOUT

    def _inode_path(self, inode: int) -> bytes:
        return self._view.cipher_path(self._nodes[inode]) or b"/"

    def _reader_path(self, handle: int) -> bytes:
        return self._readers[handle].file.path

    def _directory_path(self, handle: int) -> bytes:
        return self._view.cipher_path(self._directories[handle].node) or b"/"

    # Names and attributes

    def _entry(
        self,
        attrs: Attrs,
        ctx: RequestContext | None,
        ready: EntryAttributes | None = None,
    ) -> EntryAttributes:
        """Return what to answer about an object, which may be *ready* for its *attrs*."""
        if not S_ISREG(attrs.mode):
            return ready or entry_of(attrs)
        told, timeout = self._live.tell(attrs, None if ctx is None else ctx.pid)
        entry = ready if ready is not None and told is attrs else entry_of(told)
        if timeout != TIMEOUT:
            entry.attr_timeout = timeout
        return entry

    @replies(_inode_path)
    async def lookup(
        self, parent_inode: InodeT, name: FileNameT, ctx: RequestContext
    ) -> EntryAttributes:
        """Find *name* in a directory."""
        parent = self._nodes[parent_inode]
        try:
            node, attrs = self._view.lookup(parent, name)
        except FileNotFoundError:
            self._walks.gone(parent, name, ctx.pid)
            raise
        node, attrs = tell_apart(self._view, self._nodes, node, attrs)
        self._remember(node)
        entry = self._entry(attrs, ctx)
        entry.entry_timeout = self._timeout(node.parent)
        return entry

    async def forget(self, inode_list: Sequence[tuple[InodeT, int]]) -> None:
        """Drop what the kernel has forgotten."""
        with self.mistakes.survived("forget"):
            for inode, lookups in inode_list:
                node = self._nodes.forget(inode, lookups)
                if node is not None:
                    self.ahead.forget(node)
                    self._view.forget(node)
                    self._let_go(node.parent)
            self._live.forget_old()

    def _remember(self, found: Node) -> Node:
        """Count one more reference to what was found, and return its node."""
        known = self._nodes.get(found.inode)
        left = None if known is None else known.parent
        node = self._nodes.remember(found)
        if left is not None and left is not node.parent:
            self._let_go(left)
        return node

    def _let_go(self, directory: Node | None) -> None:
        """Keep nothing for a directory, nor for those above, that the kernel forgot.

        It may forget one before the files in it, which have other names or are open; to
        look at these, the directory is opened once more.
        """
        while (
            directory is not None
            and directory.parent is not None
            and self._nodes.get(directory.inode) is not directory
        ):
            self._view.forget(directory)
            directory = directory.parent

    @replies(_inode_path)
    async def getattr(self, inode: InodeT, ctx: RequestContext) -> EntryAttributes:
        """Return the attributes of an inode."""
        try:
            attrs = self._view.attrs(self._nodes[inode])
        except (FileNotFoundError, StaleNodeError):
            # A file that is open keeps its attributes when it loses its name.
            reader = self._live.opened(inode)
            if reader is None:
                raise
            attrs = reader.file.attrs()
        entry = self._entry(attrs, ctx)
        if inode == ROOT_INODE:
            entry.attr_timeout = self._timeout(None)
        return entry

    @replies(_inode_path)
    async def readlink(self, inode: InodeT, ctx: RequestContext) -> FileNameT:
        """Return the target of a symlink."""
        return self._view.readlink(self._nodes[inode])

    @replies(_inode_path)
    async def listxattr(self, inode: InodeT, ctx: RequestContext) -> Sequence[XAttrNameT]:
        """Return the names of extended attributes."""
        return self._view.list_xattrs(self._nodes[inode])

    @replies(_inode_path)
    async def getxattr(
        self, inode: InodeT, name: XAttrNameT, ctx: RequestContext
    ) -> bytes:
        """Return the value of an extended attribute."""
        if inode == ROOT_INODE and name == status.ATTRIBUTE and status.may_ask(ctx.uid):
            return self._report()
        return self._view.get_xattr(self._nodes[inode], name)

    def _report(self) -> bytes:
        return status.report(
            self.tally,
            self.mistakes,
            self._walks,
            known_entries=len(self._nodes),
            open_files=len(self._readers),
            open_directories=len(self._directories),
        )

    async def statfs(self, ctx: RequestContext) -> StatvfsData:
        """Return size and usage of the source's filesystem."""
        return await self._statfs(ROOT_INODE, ctx)

    @replies(_inode_path)
    async def _statfs(self, _: int, ctx: RequestContext) -> StatvfsData:
        status = self._view.statvfs()
        data = StatvfsData()
        data.f_bsize = status.f_bsize
        data.f_frsize = status.f_frsize
        data.f_blocks = status.f_blocks
        data.f_bfree = status.f_bfree
        data.f_bavail = status.f_bavail
        data.f_files = status.f_files
        data.f_ffree = status.f_ffree
        data.f_favail = status.f_favail
        data.f_namemax = status.f_namemax
        return data

    # Directories

    @replies(_inode_path)
    async def opendir(self, inode: InodeT, ctx: RequestContext) -> FileHandleT:
        """Take a snapshot of a directory."""
        node = self._nodes[inode]
        try:
            ahead = self.ahead.opened(node)
            children = self._view.entries(node) if ahead is None else ahead.children
        except FileNotFoundError:
            if node.parent is not None:
                self._walks.gone(node.parent, node.shown_name, ctx.pid)
            raise
        walk = self._walks.of(node, ctx.pid)
        handle = next(self._handles)
        self._directories[handle] = OpenDirectory(node, children, ahead, walk)
        return handle

    @replies(_directory_path)
    async def readdir(self, fh: FileHandleT, start_id: int, token: ReaddirToken) -> None:
        """Report entries from number *start_id* on."""
        directory = self._directories[fh]
        node = directory.node
        if start_id == 0 and not directory.is_fresh:
            directory.children, directory.ahead = self._view.entries(node), None
            directory.restart()
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
        ahead, timeout = directory.found_ahead(), self._timeout(node)
        for index in range(max(start_id - DOTS, 0), len(directory.children)):
            child = directory.children[index]
            try:
                if index < len(ahead):
                    ready = ahead[index]
                    found = None if ready is None else self._reported(*ready)
                else:
                    found = self._child(directory, child)
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
            known = self._remember(object_)
            if S_ISDIR(entry.st_mode):
                directory.directories.append(known)
            counted = True
        directory.reported = len(directory.children) + DOTS
        if counted:
            self.ahead.listed(node, directory.directories)
        elif start_id >= DOTS and directory.walk is not None:
            # Who asks again, after the last, has taken them all.
            entries, below = len(directory.children), directory.names_below()
            self._walks.listed(directory.walk, node, entries, below)

    def _reported(
        self, found: Node, attrs: Attrs, ready: EntryAttributes | None
    ) -> tuple[Node, EntryAttributes]:
        """Return what to report of an entry, which may be *ready*."""
        found, told = tell_apart(self._view, self._nodes, found, attrs)
        return found, self._entry(told, None, ready if told is attrs else None)

    def _child(
        self, directory: OpenDirectory, child: Child
    ) -> tuple[Node, EntryAttributes] | None:
        node = directory.node
        try:
            found, attrs = self._view.child(node, child)
        except FileNotFoundError:
            return None  # It has gone since the snapshot.
        except StaleNodeError:
            raise
        except (OSError, DataError) as error:
            return self._unusable(directory, child, error)
        return self._reported(found, attrs, None)

    async def _distant_child(
        self, directory: OpenDirectory, child: Child, error: NotReachedError
    ) -> tuple[Node, EntryAttributes] | None:
        try:
            await self.reach(error.mountpoint)
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

    async def releasedir(self, fh: FileHandleT) -> None:
        """Drop the snapshot."""
        self._directories.pop(fh, None)

    # Files

    @replies(_inode_path)
    async def open(self, inode: InodeT, flags: FlagT, ctx: RequestContext) -> FileInfo:
        """Open a regular file."""
        # Whoever opens to truncate need not open to write.
        if flags & (os.O_ACCMODE | os.O_TRUNC):
            raise FUSEError(EROFS)
        node = self._nodes[inode]
        try:
            file = self._view.open(node)
        except BlockingIOError:
            file = await self._open_leased(node)
        except NotRegularError:
            # The kernel opens only what it takes for a regular file.
            raise StaleNodeError("another object has taken its place") from None
        try:
            reader = self._live.open(node, file, ctx.pid)
        except BaseException:
            file.close()
            raise
        handle = next(self._handles)
        self._readers[handle] = reader
        if reader.stale_size:
            with suppress(OSError):  # It is only advice.
                pyfuse3.invalidate_inode(inode, attr_only=True)
        keep_cache = reader.keep_cache or self._store(reader)
        return FileInfo(fh=handle, direct_io=reader.direct, keep_cache=keep_cache)

    def _store(self, reader: Reader) -> bool:
        """Put a small file in the page cache, and tell whether all of it is there.

        Its first read is then no request of its own, which would cost more than all the
        rest. Only for a file that nobody else has open: the kernel waits for a page that
        is being read, and that read may be waiting for us.
        """
        size, inode = reader.file.size, reader.node.inode
        if size > STORED_SIZE or reader.stale_size or not self._live.is_only(reader):
            return False
        try:
            content = reader.file.read(0, size, nowait=True)
            pyfuse3.notify_store(inode, 0, bytes(content))
        except (OSError, DataError):
            return False  # Who reads it gets the error, if there is one.
        self.tally.served(len(content))
        return len(content) == size

    async def _open_leased(self, node: Node) -> OpenFile:
        """Open a file that somebody holds a lease on (fcntl(2)).

        The first attempt has asked for it; the kernel takes it away after a while.
        """
        with trio.move_on_after(LEASE_SECONDS):
            while True:
                with self._waiting():
                    await trio.sleep(LEASE_POLL)
                with suppress(BlockingIOError):
                    return self._view.open(node)
        raise FUSEError(EAGAIN)

    @replies(_reader_path)
    async def read(  # type: ignore[override]
        self, fh: FileHandleT, off: int, size: int
    ) -> Bytes:
        """Return *size* bytes from *off*, fewer only at the end.

        pyfuse3 says that it wants bytes, but takes any buffer.
        """
        reader = self._readers[fh]
        self._live.check_read(reader, off, size)
        read = partial(reader.file.read, off, size)
        try:
            content = read(nowait=True)
        except BlockingIOError:
            # Waiting for a disk, maybe for ever, is no reason for others to wait.
            with self._waiting():
                content = await trio.to_thread.run_sync(
                    partial(read, nowait=False),
                    abandon_on_cancel=True,
                    limiter=self._limiter,
                )
        self.tally.served(len(content))
        return content

    async def release(self, fh: FileHandleT) -> None:
        """Close a file."""
        with self.mistakes.survived("release"):
            reader = self._readers.pop(fh, None)
            if reader is not None:
                self._live.close(reader)

    # There is no `flush`: its default, ENOSYS, makes the kernel stop asking at every
    # close of a file.

    # What changes something never gets here on a read-only mount, unless root has
    # remounted it.

    async def _refuse(self, *args: object) -> Never:
        raise FUSEError(EROFS)

    setattr: Any = _refuse
    write: Any = _refuse
    mknod: Any = _refuse
    mkdir: Any = _refuse
    unlink: Any = _refuse
    rmdir: Any = _refuse
    symlink: Any = _refuse
    rename: Any = _refuse
    link: Any = _refuse
    create: Any = _refuse
    setxattr: Any = _refuse
    removexattr: Any = _refuse
