"""restic."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.clients.client import Client
from tests.support import run


class Restic(Client):
    """Snapshots in a repository."""

    package = "restic"
    reads_again = "size, time, change time, inode"
    generations = True

    @contextmanager
    def running(self) -> Iterator[None]:
        cache = str(self.directory / "cache")
        self._env = os.environ | {"RESTIC_PASSWORD": "secret", "RESTIC_CACHE_DIR": cache}
        self._snapshots: list[str] = []
        self._restic("init")
        yield

    def back_up(self) -> int:
        said = self._restic("backup", ".")
        summary = json.loads(said.splitlines()[-1])
        self._snapshots.append(summary["snapshot_id"])
        read: int = summary["files_new"] + summary["files_changed"]
        return read

    def copy(self) -> Path:
        return self._restored(self._snapshots[-1])

    def first_copy(self) -> Path:
        return self._restored(self._snapshots[0])

    def _restored(self, snapshot: str) -> Path:
        path = self.directory / snapshot
        if not path.exists():
            self._restic("restore", snapshot, f"--target={path}")
        return path

    def _restic(self, *words: str) -> str:
        command = ["restic", "-r", str(self.directory / "repository"), "--json", *words]
        return run("env", "-C", self.view, *command, env=self._env).stdout
