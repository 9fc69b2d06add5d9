"""The life of a backup: a tree that changes, its view, and those who back it up."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from random import Random
from stat import S_ISREG

from revcrypt.cli.main import main
from tests.clients.client import SECOND, Client
from tests.mount.big_tree import sparse_file
from tests.mount.pulling import describe
from tests.rescue.trees import Tree, assert_same, tree_at
from tests.support import Mounts, backdate, walk

NAMES: dict[str, list[str]] = {
    "encrypted names": [],
    "plaintext names": ["--plaintext-names"],
}
"""Options with which a config is made."""
LONG = "long" * 60
BIG = Random(7).randbytes(150_000)

# What happens to the tree


def plant(root: Path) -> None:
    """Fill the source with some of everything that all clients can take."""
    for name in ("documents/old/older", "links", "empty", f"{LONG} dir"):
        (root / name).mkdir(parents=True)
    (root / "big").write_bytes(BIG)
    (root / "nothing").touch()
    sparse_file(root / "sparse", 400_000)
    for number, name in enumerate(("letter", "report", "list", "old/letter", "old/list")):
        (root / "documents" / name).write_text(name * 1000 * (number + 1))
    (root / "documents" / "old" / "older" / "letter").write_text("Dear you")
    (root / f"{LONG} dir" / LONG).write_text("below long names")
    for odd in (b"-rf", b"a blank", b"\xff not UTF-8"):
        (root / os.fsdecode(odd)).write_bytes(odd)
    os.link(root / "documents" / "report", root / "links" / "second name")
    (root / "links" / "symlink").symlink_to("../documents/letter")
    os.setxattr(root / "documents" / "letter", "user.comment", b"a value")
    os.chown(root / "documents" / "letter", 1000, 1001)
    (root / "documents" / "letter").chmod(0o640)
    (root / "documents" / "old").chmod(0o750)
    backdate(root)


def change(root: Path) -> None:
    """Change a byte, append, replace a file by another one, and make new ones."""
    with open(root / "big", "r+b") as file:
        file.seek(70_000)
        file.write(bytes([BIG[70_000] ^ 1]))
    with open(root / "documents" / "letter", "a") as file:
        file.write("Yours")
    (root / "new").write_text("a new list")
    (root / "new").rename(root / "documents" / "list")
    (root / "new directory").mkdir()
    (root / "new directory" / LONG).write_text("new")


def delete(root: Path) -> None:
    """Delete files and a directory."""
    (root / "documents" / "old" / "list").unlink()
    (root / "nothing").unlink()
    shutil.rmtree(root / "new directory")
    shutil.rmtree(root / f"{LONG} dir")


def rename(root: Path) -> None:
    """Rename a file, a directory with what is below, and a file over another one."""
    (root / "sparse").rename(root / LONG)
    (root / "documents" / "old").rename(root / "archive")
    (root / "a blank").rename(root / "-rf")


def age(root: Path, days: int) -> None:
    """Let what was touched just now be of some days after `backdate`'s.

    rsync takes times within one second for equal, such as that of a directory in the
    source from which a file was deleted, and in the copy.
    """
    base = os.fsencode(root)
    for path in [base, *(base + b"/" + path for path in walk(root))]:
        status = os.lstat(path)
        if time.time_ns() - status.st_mtime_ns < 3600 * SECOND:
            mtime = (1_400_000_000 + days * 86_400) * SECOND + status.st_ino
            os.utime(path, ns=(mtime, mtime), follow_symlinks=False)


# Those who look at it


class Life:
    """A source, its view, and the stages that the source goes through."""

    def __init__(self, mounts: Mounts, *names: str) -> None:
        self.mounts = mounts
        self.directory = mounts.directory
        self.source = self.directory / "source"
        self.source.mkdir()
        self.site = self.directory / "view.toml"
        self.mounts.init(self.source, *names)
        plant(self.source)
        self.view = self.mounts.reverse(self.source)
        describe(self.site, self.mounts, self.source, self.view)
        self._to_come = dict(STAGES)
        self._backups: dict[type[Client], Backup] = {}
        self._running = ExitStack()

    def close(self) -> None:
        """End all servers."""
        self._running.close()

    def reach(self, stage: str) -> None:
        """Let happen what comes before a stage, and what it begins with."""
        while stage in self._to_come:
            reached = next(iter(self._to_come))
            self._to_come.pop(reached)(self)
            age(self.source, len(self._to_come))
            self.__dict__.pop("plain", None)
            self.__dict__.pop("shown", None)
            self._wait_until_shown()

    def _wait_until_shown(self) -> None:
        """Give the kernel the time for which it remembers attributes: a second."""
        while _times(self.view) != _times(self.source):
            time.sleep(0.05)

    def remount(self) -> None:
        """Unmount the view, and mount it again."""
        self.mounts.unmount(self.view)
        self.view.rmdir()
        self.mounts.reverse(self.source)

    @cached_property
    def plain(self) -> Tree:
        """What is in the source now."""
        return tree_at(self.source)

    @cached_property
    def shown(self) -> Tree:
        """What the view shows now."""
        return tree_at(self.view, leave_out=())

    def backup(self, kind: type[Client]) -> "Backup":
        """Return what a client has done up to now; it is started when it is new."""
        if kind not in self._backups:
            directory = self.directory / kind.__name__
            directory.mkdir()
            client = kind(self.view, directory, self.site)
            self._running.enter_context(client.running())
            self._backups[kind] = Backup(self, client)
        return self._backups[kind]

    def restored(self, copy: Path, to: Path, status: int = 0) -> Tree:
        """Decrypt a copy; return what is in it."""
        passfile = f"--passfile={self.mounts.passfile}"
        words = ["restore", "-q", "-j1", passfile, os.fspath(copy), os.fspath(to)]
        assert main(words) == status
        return tree_at(to)


def _times(root: Path) -> set[int]:
    base = os.fsencode(root)
    paths = [base, *(base + b"/" + path for path in walk(root))]
    return {_status(path).st_mtime_ns for path in paths}


def _status(path: bytes) -> os.stat_result:
    """Return what a program is told that opens a file before it asks."""
    if os.path.islink(path):
        return os.lstat(path)
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.fstat(fd)
    finally:
        os.close(fd)


STAGES: dict[str, Callable[[Life], None]] = {
    "first pull": lambda _: None,
    "no change": Life.remount,
    "changes": lambda life: change(life.source),
    "deletions": lambda life: delete(life.source),
    "renames": lambda life: rename(life.source),
}


class Backup:
    """A client, and what there was to see when it made its backups."""

    def __init__(self, life: Life, client: Client) -> None:
        self._life = life
        self._client = client
        self._first: Tree | None = None
        self._last: Tree | None = None

    def go_on(self) -> None:
        """Back up: the backup is what the view shows, and nothing was read in vain."""
        life, client = self._life, self._client
        count = client.back_up()
        assert_same(
            client.keeps.of(tree_at(client.copy(), ())), client.keeps.of(life.shown)
        )
        if self._last is not None:
            assert count in (None, len(set(self._changed(self._last))))
        self._first = self._first or life.plain
        self._last = life.shown

    def _changed(self, last: Tree) -> Iterator[bytes]:
        """Yield the files that the client must read since the *last* time."""
        for path, now in self._life.shown.entries.items():
            before = last.entries.get(path)
            if S_ISREG(now.mode) and (
                before is None or self._client.has_changed(before, now)
            ):
                yield path

    def restore(self) -> None:
        """Decrypt the last backup, and the first: both are what the source was then."""
        life, client = self._life, self._client
        if self._last is not life.shown:
            self.go_on()
        wanted = [(client.copy, life.plain)]
        if client.generations:
            assert self._first is not None
            wanted.append((client.first_copy, self._first))
        for copy, plain in wanted:
            to = client.directory / f"restored {copy.__name__}"
            found = life.restored(copy(), to)
            assert_same(client.keeps.of(found), client.keeps.of(plain))
            assert any(entry.content for entry in found.entries.values())
