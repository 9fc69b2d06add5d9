"""rclone."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.clients.client import Client, Keeps
from tests.support import Entry, run


class Rclone(Client):
    """A mirror by `rclone sync`, which `rclone check` compares by hashes."""

    package = "rclone"
    keeps = Keeps(
        modes=False, owners=False, directory_times=False, hard_links=False, xattrs=False
    )

    @contextmanager
    def running(self) -> Iterator[None]:
        self._env = os.environ | {"RCLONE_CONFIG": str(self.directory / "config")}
        yield

    def back_up(self) -> int:
        said = self._rclone("sync", "-v", "--create-empty-src-dirs")
        self._rclone("check")
        return len(re.findall(r"(?<!\.rclonelink): Copied \(", said))

    def copy(self) -> Path:
        return self.directory / "copy"

    def has_changed(self, old: Entry, new: Entry) -> bool:
        """Where only the time has changed, it sets the time."""
        return old.content != new.content

    def _rclone(self, *words: str) -> str:
        paths = (self.view, self.copy())
        return run("rclone", *words, "--links", *paths, env=self._env).stderr
