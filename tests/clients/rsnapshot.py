"""rsnapshot: rsync over ssh, with hard links between the generations."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.clients.client import Client
from tests.servers import forced, sshd
from tests.support import run, walk


class Rsnapshot(Client):
    """Generations; what has not changed is a hard link to the one before."""

    package = "rsnapshot"
    generations = True

    @contextmanager
    def running(self) -> Iterator[None]:
        self._config = self.directory / "rsnapshot.conf"
        self._root = self.directory / "root"
        key = forced(["rrsync", "-ro", self.view])
        with sshd(self.directory / "ssh", {"server": key}) as ssh:
            self._config.write_text(
                "".join("\t".join(line) + "\n" for line in self._settings(ssh.config))
            )
            yield

    def _settings(self, ssh: Path) -> list[tuple[str, ...]]:
        return [
            ("config_version", "1.2"),
            ("snapshot_root", f"{self._root}/"),
            ("lockfile", f"{self._root}.lock"),
            ("cmd_rsync", "/usr/bin/rsync"),
            ("cmd_ssh", "/usr/bin/ssh"),
            ("ssh_args", f"-F {ssh}"),
            ("rsync_long_args", "--delete -HAX --numeric-ids"),
            ("link_dest", "1"),
            ("retain", "alpha", "9"),
            ("backup", "root@server:/", "server/"),
        ]

    def back_up(self) -> int:
        """Return how many files are not hard links to those of the generation before."""
        run("rsnapshot", "-c", self._config, "alpha")
        new = self._files(self.copy())
        old = self._root / "alpha.1" / "server"
        return len(new - self._files(old)) if old.exists() else len(new)

    def copy(self) -> Path:
        return self._root / "alpha.0" / "server"

    def first_copy(self) -> Path:
        return max(self._root.iterdir()) / "server"

    @staticmethod
    def _files(root: Path) -> set[int]:
        paths = [os.fsencode(root) + b"/" + path for path in walk(root)]
        return {os.lstat(path).st_ino for path in paths if os.path.isfile(path)}
