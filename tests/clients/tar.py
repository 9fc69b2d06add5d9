"""GNU tar, with a listing of what was there the last time."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.clients.client import Client
from tests.support import run


class Tar(Client):
    """A full archive, and what has changed since in incremental ones."""

    package = "tar"
    reads_again = "time, change time"
    generations = True

    @contextmanager
    def running(self) -> Iterator[None]:
        self._archives: list[Path] = []
        yield

    def back_up(self) -> int:
        archive = self.directory / f"{len(self._archives)}.tar"
        self._archives.append(archive)
        words = ["tar", "-c", "-S", "--format=posix", "--xattrs", "--no-check-device"]
        words.append(f"--listed-incremental={self.directory}/listing")
        run(*words, "-f", archive, "-C", self.view, ".")
        return len(re.findall("^-", run("tar", "-tvf", archive).stdout, re.MULTILINE))

    def copy(self) -> Path:
        return self._extracted(len(self._archives))

    def first_copy(self) -> Path:
        return self._extracted(1)

    def _extracted(self, count: int) -> Path:
        """Return what the first *count* archives make together."""
        path = self.directory / f"copy {count}"
        if not path.exists():
            path.mkdir()
            words = ["tar", "-x", "-p", "--xattrs", "--xattrs-include=*"]
            words.append("--listed-incremental=/dev/null")
            for archive in self._archives[:count]:
                run(*words, "-f", archive, "-C", path)
        return path
