"""borg."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.clients.client import Client
from tests.support import run, walk


class Borg(Client):
    """Archives in a repository."""

    package = "borgbackup"
    reads_again = "size, change time, inode"
    generations = True

    @contextmanager
    def running(self) -> Iterator[None]:
        self._env = os.environ | {"BORG_BASE_DIR": str(self.directory)}
        self._env["BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK"] = "yes"
        self._repository = self.directory / "repository"
        self._stamp = self.directory / "stamp"
        self._archives = 0
        run("borg", "init", "-e", "none", self._repository, env=self._env)
        yield

    def back_up(self) -> int:
        # What has the latest change time, borg reads again next time, wherever it is.
        self._touch_stamp()
        archive = f"{self._repository}::{self._archives}"
        self._archives += 1
        said = self._borg(self.view, "create", "--list", archive, ".", self._stamp)
        return len(re.findall(r"^[AMC] (?!/)", said, re.MULTILINE))

    def _touch_stamp(self) -> None:
        paths = [os.fsencode(self.view) + b"/" + path for path in walk(self.view)]
        newest = max(os.lstat(path).st_ctime_ns for path in paths)
        self._stamp.touch()
        while self._stamp.stat().st_ctime_ns <= newest:
            self._stamp.touch()

    def copy(self) -> Path:
        return self._restored(self._archives - 1)

    def first_copy(self) -> Path:
        return self._restored(0)

    def _restored(self, archive: int) -> Path:
        path = self.directory / f"copy {archive}"
        if not path.exists():
            path.mkdir()
            without = f"--exclude=pp:{str(self._stamp).lstrip('/')}"
            self._borg(path, "extract", without, f"{self._repository}::{archive}")
        return path

    def _borg(self, directory: Path, *words: str | Path) -> str:
        return run("env", "-C", directory, "borg", *words, env=self._env).stderr
