"""A filesystem of user space that shows a directory, and fails where it is told to.

It is a process of its own, run by `disk.Disk`, and knows nothing of the tests. It takes
commands on stdin, one in a line, and answers each with “done”:

    fail OPERATION NAME ERRNO   from now on, OPERATION on entries of this name fails
    hang OPERATION NAME         from now on, it is not answered; “hanging OPERATION NAME”
                                tells that somebody waits
    cut OPERATION NAME          from now on, a read gives half of what is there
    heal                        all is well again, and who has waited gets his answer

The kernel keeps nothing of what it is told, so that every use asks anew.
"""

import os
import sys
from collections.abc import Sequence

import pyfuse3
import trio
from pyfuse3 import EntryAttributes, FileInfo, FUSEError

HANG, CUT = -1, -2


def say(text: str) -> None:
    """Tell the tests."""
    print(text, flush=True)


class Operations(pyfuse3.Operations):
    """The directory *root*, whose inode numbers are passed through."""

    def __init__(self, root: str) -> None:
        super().__init__()
        self._paths = {pyfuse3.ROOT_INODE: os.fsencode(root)}
        self._names: dict[int, list[bytes]] = {}
        self._files: dict[int, bytes] = {}
        self._faults: dict[tuple[str, str], int] = {}
        self._healed = trio.Event()

    async def obey(self) -> None:
        """Take commands until there are no more."""
        async with trio.lowlevel.FdStream(os.dup(0)) as stdin:
            buffered = b""
            async for chunk in stdin:
                *lines, buffered = (buffered + chunk).split(b"\n")
                for line in lines:
                    self._do(*line.decode().split("\t"))
                    say("done")

    def _do(self, command: str, operation: str = "", name: str = "", number: str = "0"):
        if command == "heal":
            self._faults.clear()
            self._healed.set()
            self._healed = trio.Event()
        else:
            kind = {"fail": int(number), "hang": HANG, "cut": CUT}[command]
            self._faults[operation, name] = kind

    async def _meet(self, operation: str, path: bytes) -> int:
        """Fail or wait, if that is what *operation* shall do."""
        name = os.fsdecode(os.path.basename(path))
        fault = self._faults.get((operation, name), 0)
        if fault == HANG:
            healed = self._healed
            say(f"hanging\t{operation}\t{name}")
            await healed.wait()
        elif fault > 0:
            raise FUSEError(fault)
        return fault

    def _attributes(self, path: bytes) -> EntryAttributes:
        try:
            status = os.lstat(path)
        except OSError as error:
            raise FUSEError(error.errno or 0) from None
        entry = EntryAttributes()
        for name in (
            *("st_mode", "st_nlink", "st_uid", "st_gid", "st_rdev", "st_size"),
            *("st_blksize", "st_blocks", "st_atime_ns", "st_mtime_ns", "st_ctime_ns"),
            "st_ino",
        ):
            setattr(entry, name, getattr(status, name))
        entry.entry_timeout = entry.attr_timeout = 0
        return entry

    async def lookup(self, parent_inode, name, _):
        path = os.path.join(self._paths[parent_inode], name)
        await self._meet("lookup", path)
        entry = self._attributes(path)
        self._paths[entry.st_ino] = path
        return entry

    async def getattr(self, inode, _):
        await self._meet("getattr", self._paths[inode])
        return self._attributes(self._paths[inode])

    async def readlink(self, inode, _):
        await self._meet("readlink", self._paths[inode])
        return os.readlink(self._paths[inode])

    async def listxattr(self, inode, _) -> Sequence[bytes]:
        await self._meet("listxattr", self._paths[inode])
        names = os.listxattr(self._paths[inode], follow_symlinks=False)
        return [os.fsencode(name) for name in names]

    async def getxattr(self, inode, name, _):
        await self._meet("getxattr", self._paths[inode])
        try:
            return os.getxattr(self._paths[inode], name, follow_symlinks=False)
        except OSError as error:
            raise FUSEError(error.errno or 0) from None

    async def statfs(self, _):
        await self._meet("statfs", self._paths[pyfuse3.ROOT_INODE])
        status, data = os.statvfs(self._paths[pyfuse3.ROOT_INODE]), pyfuse3.StatvfsData()
        for name in (
            *("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail"),
            *("f_files", "f_ffree", "f_favail", "f_namemax"),
        ):
            setattr(data, name, getattr(status, name))
        return data

    async def opendir(self, inode, _):
        await self._meet("opendir", self._paths[inode])
        self._names[inode] = sorted(os.listdir(self._paths[inode]))
        return inode

    async def readdir(self, fh, start_id, token):
        path = self._paths[fh]
        await self._meet("readdir", path)
        if start_id:
            await self._meet("readdir on", path)
        for number in range(start_id, len(self._names[fh])):
            # Two thirds come with the first answer, so that there is a second one.
            if number >= start_id + 2 * len(self._names[fh]) / 3:
                return
            name = self._names[fh][number]
            entry = self._attributes(os.path.join(path, name))
            if not pyfuse3.readdir_reply(token, name, entry, number + 1):
                return
            self._paths[entry.st_ino] = os.path.join(path, name)

    async def open(self, inode, *_):
        await self._meet("open", self._paths[inode])
        fd = os.open(self._paths[inode], os.O_RDONLY | os.O_NOFOLLOW)
        self._files[fd] = self._paths[inode]
        return FileInfo(fh=fd, keep_cache=False)

    async def read(self, fh, off, size):
        fault = await self._meet("read", self._files[fh])
        if off:
            fault = await self._meet("read on", self._files[fh]) or fault
        content = os.pread(fh, size, off)
        return content[: len(content) // 2] if fault == CUT else content

    async def release(self, fh):
        del self._files[fh]
        os.close(fh)


async def _main(operations: Operations) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(operations.obey)
        await pyfuse3.main(min_tasks=100, max_tasks=100)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    faulty = Operations(sys.argv[1])
    pyfuse3.init(faulty, sys.argv[2], {"fsname=faulty", "subtype=faulty"})
    try:
        trio.run(_main, faulty)
    finally:
        pyfuse3.close(unmount=False)
