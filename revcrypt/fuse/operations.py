"""One read-only `Operations` for both views: translate, await, reply.

What the filesystem looks like is decided in the view; here are only inode numbers,
handles and errnos. Everything but a read that may have to wait for a disk runs in the one
task that got the request: a trip through a thread costs more than the work itself.
"""

import gc
import logging
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from errno import EAGAIN, EROFS
from functools import partial
from itertools import count
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
from revcrypt.fuse.ahead import Ahead
from revcrypt.fuse.apart import tell_apart
from revcrypt.fuse.disks import Disks
from revcrypt.fuse.entries import TIMEOUT
from revcrypt.fuse.listing import OpenDirectories
from revcrypt.fuse.live import RELIED_ON, LiveFiles, Reader
from revcrypt.fuse.mistakes import Mistakes
from revcrypt.fuse.replies import replies
from revcrypt.fuse.tally import Tally
from revcrypt.fuse.threads import Threads
from revcrypt.fuse.walks import Walks
from revcrypt.view.nodes import ROOT_INODE, Node, NodeTable, OpenFile, View
from revcrypt.view.source import NotRegularError

THREADS = 64
"""Reads that may be waiting for a disk at the same time: many, as some may hang."""
LEASE_SECONDS = 60.0
"""More than `/proc/sys/fs/lease-break-time`."""
LEASE_POLL = 0.05
FEW = 10_000
"""Nodes among which garbage is found in no time."""
STORED_SIZE = 1 << 16
"""Files up to this size are handed to the kernel when they are opened."""

log = logging.getLogger(__name__)


class Operations(pyfuse3.Operations):
    """Answers the kernel's requests from *view*.

    *waiting* is entered while a request waits, so that others can be answered, and
    *are_others* tells whether there are any. *access* says who is answered at all,
    *disks* which disks have to be waited for.
    """

    supports_dot_lookup = False

    def __init__(
        self,
        view: View,
        *,
        waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
        are_others: Callable[[], bool] = lambda: False,
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
        self._threads = Threads(THREADS, waiting, are_others)
        self._nodes = NodeTable(view.root, self._let_go)
        self._live = LiveFiles()
        self.ahead = Ahead(view, self._nodes, self._live, self.mistakes)
        self._forgotten = trio.Event()
        self._handles = count(1)
        self._readers: dict[int, Reader] = {}
        self._directories = OpenDirectories(
            view,
            self._nodes,
            self._live,
            self._walks,
            self.ahead,
            handles=self._handles,
            reach=self.reach,
            timeout=self._timeout,
        )

    def init(self) -> None:
        """Note that the kernel has accepted the mount."""
        self.initialized.set()

    async def reach(self, mountpoint: bytes) -> None:
        """Wait for a distant disk; raises `TimeoutError`."""
        assert self._disks is not None
        await self._disks.reach(mountpoint)

    def _timeout(self, directory: Node | None) -> float:
        """Return how long the kernel may answer for us what it knows of entries.

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
        return self._view.cipher_path(self._directories.node(handle)) or b"/"

    # Names and attributes

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
        self._nodes.remember(node)
        entry = self._live.entry(attrs, ctx.pid)
        entry.entry_timeout = self._timeout(node.parent)
        return entry

    async def forget(self, inode_list: Sequence[tuple[InodeT, int]]) -> None:
        """Drop what the kernel has forgotten."""
        with self.mistakes.survived("forget"):
            for inode, lookups in inode_list:
                self._nodes.forget(inode, lookups)
            self._live.forget_old()
            if self._nodes.shrink():
                self._forgotten.set()

    def _let_go(self, node: Node) -> None:
        self.ahead.forget(node)
        self._view.forget(node)

    async def give_back(self) -> Never:
        """Give memory back a while after the kernel has forgotten many objects.

        An object here and there, or a list of free ones that the interpreter keeps, is
        enough to keep megabytes.
        """
        while True:
            await self._forgotten.wait()
            self._forgotten = trio.Event()
            await trio.sleep(RELIED_ON)
            with self.mistakes.survived("giving memory back"):
                self._live.forget_old()
                if len(self._nodes) < FEW:
                    gc.collect()

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
        entry = self._live.entry(attrs, ctx.pid)
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
        return self._directories.open(self._nodes[inode], ctx.pid)

    @replies(_directory_path)
    async def readdir(self, fh: FileHandleT, start_id: int, token: ReaddirToken) -> None:
        """Report entries from number *start_id* on."""
        await self._directories.report(fh, start_id, token)

    async def releasedir(self, fh: FileHandleT) -> None:
        """Drop the snapshot."""
        self._directories.close(fh)

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
            content = await self._threads.run(partial(read, nowait=False))
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
