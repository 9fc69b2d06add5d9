"""What the clients have in common: a program that backs up a view, and what it keeps."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_IFMT, S_ISDIR, S_ISLNK
from typing import ClassVar, NamedTuple

from tests.rescue.trees import Tree
from tests.support import Entry

SECOND = 10**9


class Keeps(NamedTuple):
    """What comes back of a tree besides names and contents of directories and files."""

    times: int = 1
    """Modification times of files, in multiples of this many nanoseconds; 0 for none."""
    modes: bool = True
    owners: bool = True
    directory_times: bool = True
    symlinks: bool = True
    hard_links: bool = True
    xattrs: bool = True

    def of(self, tree: Tree) -> Tree:
        """Return what is left of a tree."""
        entries = {
            path: self._of_entry(entry)
            for path, entry in tree.entries.items()
            # The root has attributes, too, but most programs ask for what is in it.
            if path and (self.symlinks or not S_ISLNK(entry.mode))
        }
        # Those of one name have the others elsewhere, in another generation.
        links = {paths for paths in tree.links if len(paths) > 1}
        return Tree(entries, links if self.hard_links else set())

    def missing(self) -> list[str]:
        """Return what does not come back, in words."""
        missing = [name for name, kept in self._asdict().items() if not kept]
        words = [name.replace("_", " ") for name in missing]
        return ["parts of a second", *words] if self.times > 1 else words

    def _of_entry(self, entry: Entry) -> Entry:
        times = self.times
        if S_ISDIR(entry.mode) and not self.directory_times:
            times = 0
        mtime = entry.mtime_ns // times * times if times else 0
        kept = entry._replace(mtime_ns=mtime)
        if not self.modes:
            kept = kept._replace(mode=S_IFMT(entry.mode))
        if not self.owners:
            kept = kept._replace(uid=0, gid=0)
        return kept if self.xattrs else kept._replace(xattrs={})


class Client(ABC):
    """A program that backs up a view again and again."""

    package: ClassVar[str | None]
    """Debian's; None if the program is part of the tests."""
    keeps: ClassVar[Keeps] = Keeps()
    reads_again: ClassVar[str | None] = "size, time"
    """What tells it that a file has changed; None if it reads everything each time."""
    generations: ClassVar[bool] = False
    """Whether the oldest backup can still be had when there is a newer one."""

    def __init__(self, view: Path, directory: Path, site: Path) -> None:
        self.view = view
        self.directory = directory
        """Its own, for all that it writes."""
        self.site = site
        """The file that describes the view for `revcrypt pull-shell`."""

    @contextmanager
    def running(self) -> Iterator[None]:
        """Have what it takes: servers, repositories."""
        yield

    @abstractmethod
    def back_up(self) -> int | None:
        """Make a backup; return how many files were read for it, None for all."""

    @abstractmethod
    def copy(self) -> Path:
        """Return a directory with what the last backup has."""

    def first_copy(self) -> Path:
        """Return a directory with what the oldest backup has, if it has generations."""
        raise NotImplementedError

    def has_changed(self, old: Entry, new: Entry) -> bool:
        """Tell whether it reads a file again that was *old* and is *new*."""
        return (old.content, old.mtime_ns) != (new.content, new.mtime_ns)
