"""rsync, from a daemon and over ssh."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.clients.client import Client
from tests.servers import forced, rsync_daemon, sshd
from tests.support import REVCRYPT, run


class Rsync(Client):
    """A mirror, kept by an rsync that is told where from."""

    package = "rsync"
    source: str
    options: tuple[str, ...] = ()

    def back_up(self) -> int:
        words = ["-aHAX", "--numeric-ids", "--delete", "--stats", *self.options]
        said = run("rsync", *words, self.source, f"{self.copy()}/").stdout
        match = re.search(
            r"^Number of regular files transferred: (\d+)\n", said, re.MULTILINE
        )
        assert match, said
        return int(match[1])

    def copy(self) -> Path:
        return self.directory / "copy"


class RsyncDaemon(Rsync):
    """Over a read-only module, in a chroot."""

    options = ("--inplace", "--no-whole-file")

    @contextmanager
    def running(self) -> Iterator[None]:
        with rsync_daemon(self.directory, self.view, "true") as self.source:
            yield


class RsyncSsh(Rsync):
    """Over a real sshd, with a key that can do nothing else."""

    source = "server:/"

    @contextmanager
    def running(self) -> Iterator[None]:
        key = forced(self.command())
        with sshd(self.directory / "ssh", {"server": key}) as ssh:
            self.options = (f"--rsh=ssh -F {ssh.config}",)
            yield

    def command(self) -> list[str | Path]:
        """Return what the key runs."""
        return ["rrsync", "-ro", self.view]


class RsyncPullShell(RsyncSsh):
    """The same, with the command that also proves that the view is there."""

    def command(self) -> list[str | Path]:
        return [*REVCRYPT, "pull-shell", self.site]
