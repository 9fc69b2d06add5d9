"""A random kernel at the adapter, above a plain tree that changes at random.

What it is held against is a model of the tree: what exists, what was in it at any time,
and what the kernel was told.
"""

import itertools
from errno import EIO, ENOENT, ENOTDIR, ESTALE
from stat import S_IFDIR, S_IFLNK, S_IFREG, S_ISDIR

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule
from pyfuse3 import FUSEError

from revcrypt.view.nodes import join
from tests.fuzz.kernel import PROCESSES, ROOT
from tests.fuzz.plain_tree import Thing
from tests.fuzz.source_machine import SourceMachine, indexes, letters, names
from tests.fuzz.world import NAMES
from tests.view.trees import cipher_size, unseal

GONE = (ENOENT, ESTALE, ENOTDIR)
"""What the kernel may be answered about something that is not there any more."""
EVERYTHING = 131_072

processes = st.sampled_from(PROCESSES)
pieces = st.sampled_from([1, 18, 4096, 4128, EVERYTHING])


class AdapterMachine(SourceMachine):
    """Asks the adapter. *mounts* and *requests* count those of all that have ended."""

    mounts = 0
    requests = 0

    def find(self, kind: int, index: int, process: int) -> int | None:
        """Return the inode of something that exists, or that the kernel has known."""
        path = self.world.some(kind, index // 2)
        if index % 2 or path is None:
            return self.world.inode(index // 2, kind)
        inode = ROOT
        for name in path.split(b"/") if path else []:
            shown = self.world.cipher_name(self.world.known[inode].path, name)
            entry = self.world.kernel.lookup(inode, shown, process)
            self.world.learn(entry, inode, name)
            self.world.tell(entry, process)
            inode = entry.st_ino
        self.getattr(list(self.world.known).index(inode), process)
        return inode

    @rule(index=indexes, name=indexes, process=processes)
    def lookup(self, index: int, name: int, process: int) -> None:
        """Look up any name in a directory that the kernel knows."""
        world = self.world
        parent = self.find(S_IFDIR, index, process)
        assert parent is not None
        shown = world.listed(parent)
        others = [b"x", b"gocryptfs.longname.x", b"gocryptfs.longname.x.name", *NAMES]
        wanted = [*sorted(shown), *others][name % (len(shown) + len(others))]
        try:
            entry = world.kernel.lookup(parent, wanted, process)
        except FUSEError as error:
            check_errno(error, *GONE)
            assert wanted not in shown
            return
        assert wanted in shown or not world.is_there(parent)
        world.learn(entry, parent, shown.get(wanted))
        world.tell(entry, process)

    @rule(index=indexes, process=processes)
    def getattr(self, index: int, process: int) -> None:
        inode = self.world.inode(index) or ROOT
        try:
            entry = self.world.kernel.getattr(inode, process)
        except FUSEError as error:
            self.check_gone(inode, error)
            return
        if inode != ROOT:
            self.world.check(entry)
            self.world.tell(entry, process)

    def check_gone(self, inode: int, error: FUSEError) -> None:
        """Check that an error is about something that is not there any more."""
        check_errno(error, *GONE)
        assert not self.world.is_there(inode)

    @rule(index=indexes, count=st.integers(1, 3))
    def forget(self, index: int, count: int) -> None:
        inode = self.world.inode(index) or ROOT
        held = self.world.kernel.lookups[inode]
        if count < held or self.world.may_forget(inode):
            self.world.forget(inode, min(count, held))

    @rule(index=indexes, process=processes)
    def readlink(self, index: int, process: int) -> None:
        inode = self.find(S_IFLNK, index, process)
        if inode is None:
            return
        thing = self.world.known[inode].thing
        assert thing is not None
        try:
            target = self.world.kernel.readlink(inode)
        except FUSEError as error:
            self.check_gone(inode, error)
            return
        if self.world.is_there(inode):
            assert self.world.volume.open_link(target) == thing.content

    @rule(index=indexes)
    def attributes(self, index: int) -> None:
        inode = self.world.inode(index) or ROOT
        thing = self.world.known[inode].thing
        try:
            found = self.world.kernel.attributes(inode)
        except FUSEError as error:
            self.check_gone(inode, error)
            return
        if thing is not None and self.world.is_there(inode):
            volume = self.world.volume
            assert thing.attributes == {
                volume.names.decrypt_xattr(name): volume.content.open_value(value)
                for name, value in found.items()
            }

    @rule(index=indexes, process=processes)
    def opendir(self, index: int, process: int) -> None:
        inode = self.find(S_IFDIR, index, process)
        assert inode is not None
        try:
            self.world.listings.append(self.world.kernel.opendir(inode, process))
        except FUSEError as error:
            self.check_gone(inode, error)

    @precondition(lambda self: self.world.listings)
    @rule(index=indexes, room=st.integers(1, 6))
    def readdir(self, index: int, room: int) -> None:
        world = self.world
        listing = world.listings[index % len(world.listings)]
        before = len(listing.names)
        try:
            found = world.kernel.readdir(listing, room)
        except FUSEError as error:
            self.check_gone(listing.inode, error)
            return
        shown = world.listed(listing.inode)
        for name, entry in zip(listing.names[before:], found):
            world.learn(entry, listing.inode, shown.get(name))

    @precondition(lambda self: self.world.listings)
    @rule(index=indexes)
    def releasedir(self, index: int) -> None:
        listing = self.world.listings.pop(index % len(self.world.listings))
        assert len(set(listing.names)) == len(listing.names)
        self.world.kernel.releasedir(listing)

    @rule(process=processes, meddle=st.integers(0, 4), name=names)
    def walk(self, process: int, meddle: int, name: bytes) -> None:
        """Walk the tree as a client does that thinks, while somebody makes a file."""
        world = self.world
        world.wait(3)
        waiting = [ROOT]
        for number in itertools.count():
            if not waiting:
                return
            inode = waiting.pop(0)
            path = join(world.known[inode].path, name)
            if number == meddle and path not in world.tree.things:
                world.tree.make_file(path, b"meddled")
            listing = world.kernel.opendir(inode, process)
            shown = world.listed(inode)
            below = []
            for entry, reported in zip(world.kernel.read_all(listing), listing.names):
                world.learn(entry, inode, shown.get(reported))
                if S_ISDIR(entry.st_mode):
                    below.append(entry.st_ino)
            assert sorted(listing.names) == sorted(shown)
            world.kernel.releasedir(listing)
            waiting = below + waiting
            self.look_ahead()

    @rule()
    def look_ahead(self) -> None:
        for _ in range(3):
            self.world.operations.ahead.step()

    @rule(index=indexes, process=processes, letter=st.none() | letters)
    def open(self, index: int, process: int, letter: bytes | None) -> None:
        """Open a file, which maybe grows just before."""
        world = self.world
        inode = self.find(S_IFREG, index, process)
        if inode is None:
            return
        thing = world.known[inode].thing
        assert thing is not None
        if letter is not None:
            world.tree.overwrite(thing, letter, more=100)
        promised = world.promised(inode, process)
        try:
            handle = world.kernel.open(inode, process, thing)
        except FUSEError as error:
            self.check_gone(inode, error)
            return
        is_open = world.is_open(inode)
        world.handles.append(handle)
        if promised is not None:
            assert handle.size == min(promised, cipher_size(len(thing.content)))
        told = world.kernel.getattr(inode, process).st_size
        # Who asks now is told what will be read. But the kernel knows one size for all:
        # what was cut stays as long as it was for who is still reading it.
        assert told == handle.size or (told > handle.size and is_open)
        for stored in world.kernel.stored:
            assert unseal(stored) == thing.content
            assert len(stored) == handle.size

    @precondition(lambda self: self.world.handles)
    @rule(index=indexes, size=pieces, letter=st.none() | letters)
    def read(self, index: int, size: int, letter: bytes | None = None) -> None:
        """Read a piece of a file, maybe just after all of that was overwritten."""
        handle = self.world.handles[index % len(self.world.handles)]
        if handle.is_broken:
            return
        if letter is not None:
            self.world.tree.overwrite(handle.thing, letter)
        wanted = min(size, handle.size - len(handle.data))
        try:
            got = self.world.kernel.read(handle, size)
        except FUSEError as error:
            # Only of a file that has changed since.
            check_errno(error, EIO)
            assert len(handle.thing.states) > handle.states
            handle.is_broken = True
            return
        assert len(got) == wanted

    @precondition(lambda self: self.world.handles)
    @rule(index=indexes, size=st.sampled_from([4096, EVERYTHING]), letter=letters)
    def release(self, index: int, size: int, letter: bytes) -> None:
        """Read the rest of a file, which is overwritten meanwhile, and close it."""
        handle = self.world.handles[index % len(self.world.handles)]
        while not handle.is_broken and len(handle.data) < handle.size:
            self.read(index, size, letter)
        if not handle.is_broken:
            check_content(unseal(handle.data), handle.thing, handle.states)
        self.world.handles.remove(handle)
        self.world.kernel.release(handle)

    @invariant()
    def no_mistakes(self) -> None:
        """Nothing unforeseen has happened, and nothing is known for ever."""
        operations = self.world.operations
        assert operations.mistakes.count == 0
        assert len(operations._nodes) == len(self.world.kernel.lookups) + 1

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            while self.world.handles:
                self.release(0, EVERYTHING, b"x")
            while self.world.listings:
                self.releasedir(0)
            self.world.leave()
            AdapterMachine.mounts += 1
            AdapterMachine.requests += self.world.kernel.requests
        finally:
            self.world.close()


def check_errno(error: FUSEError, *numbers: int) -> None:
    """Check what the kernel is answered."""
    assert error.errno in numbers


def check_content(plain: bytes, thing: Thing, states: int) -> None:
    """Check that each block is one that a file has had since it had so many states."""
    for start in range(0, len(plain), 4096):
        block = plain[start : start + 4096]
        since = thing.states[states - 1 :]
        assert any(state[start : start + len(block)] == block for state in since)
