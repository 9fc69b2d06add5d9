"""GNU tar, with a listing of what was there the last time."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.clients.client import Client
from tests.support import run


class Tar(Client):
    """A full archive and incremental ones; after a directory was renamed, a full one.

    tar knows a directory again by its inode number, and does not read what it has read
    there before. But what a view shows of a file depends on its path.
    """

    package = "tar"
    reads_again = "time, change time"
    generations = True

    @contextmanager
    def running(self) -> Iterator[None]:
        self._listing = self.directory / "listing"
        self._archives: list[Path] = []
        self._chains: list[list[Path]] = []
        """The archives that make up each backup."""
        yield

    def back_up(self) -> int | None:
        archive, said = self._dump()
        if "Directory has been renamed" in said:
            self._listing.unlink()
            archive, _ = self._dump()
            self._chains.append([archive])
            return None
        self._chains.append([*(self._chains[-1] if self._chains else []), archive])
        return len(re.findall("^-", run("tar", "-tvf", archive).stdout, re.MULTILINE))

    def _dump(self) -> tuple[Path, str]:
        archive = self.directory / f"{len(self._archives)}.tar"
        self._archives.append(archive)
        words = ["tar", "-c", "-S", "--format=posix", "--xattrs", "--no-check-device"]
        # Without it, tar says nothing of renames.
        words.append("--verbose")
        words += [f"--listed-incremental={self._listing}", "-f", str(archive)]
        return archive, run(*words, "-C", self.view, ".").stderr

    def copy(self) -> Path:
        return self._extracted(-1)

    def first_copy(self) -> Path:
        return self._extracted(0)

    def _extracted(self, backup: int) -> Path:
        chain = self._chains[backup]
        path = chain[-1].with_suffix("")
        if not path.exists():
            path.mkdir()
            words = ["tar", "-x", "-p", "--xattrs", "--xattrs-include=*"]
            for archive in chain:
                incremental = "--listed-incremental=/dev/null"
                run(*words, incremental, "-f", archive, "-C", path)
        return path
