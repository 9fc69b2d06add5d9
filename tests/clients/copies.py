"""What copies everything each time: cp, scp and sftp."""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.clients.client import SECOND, Client, Keeps
from tests.servers import forced, sshd
from tests.support import run


class Copies(Client):
    """A new copy each time."""

    reads_again = None
    _copies = 0

    def back_up(self) -> None:
        self._copies += 1
        self.copy().mkdir()
        self.copy_to(self.copy())

    def copy(self) -> Path:
        return self.directory / f"copy {self._copies}"

    @abstractmethod
    def copy_to(self, copy: Path) -> None:
        """Copy the view to an empty directory."""


class Cp(Copies):
    """cp, which looks for zeros to make holes of."""

    package = "coreutils"

    def copy_to(self, copy: Path) -> None:
        run("cp", "-a", "--sparse=always", f"{self.view}/.", copy)


class Sftp(Copies):
    """sftp, from a real sshd, with a key that can do nothing but read."""

    package = "openssh-client"
    keeps = Keeps(
        times=SECOND, owners=False, symlinks=False, hard_links=False, xattrs=False
    )

    @contextmanager
    def running(self) -> Iterator[None]:
        key = forced(["internal-sftp", "-R", "-d", self.view])
        with sshd(self.directory / "ssh", {"server": key}) as self._ssh:
            yield

    def copy_to(self, copy: Path) -> None:
        words = ["sftp", "-q", "-b", "-", "-F", self._ssh.config, "server"]
        run(*words, stdin=f'get -R -p . "{copy}"\n')
