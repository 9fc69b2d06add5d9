"""A view, a file that describes it, and a host that pulls it over a pretended ssh."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.mount.processes import SECONDS, end_of
from tests.support import Mounts, backdate, daemons, snapshot, wait_for_unmount

STUB = """\
#!/bin/sh
# What sshd does with a forced command: the first argument is the host.
shift
export SSH_ORIGINAL_COMMAND="$*"
exec {command}
"""
IN_PROCESS = """
import os, signal, subprocess, sys
from revcrypt.cli import mountpoint, pull_shell
from revcrypt.cli.main import main
{patch}
sys.argv[1:] = {arguments}
sys.exit(main())
"""


class Pull:
    """Everything that takes part in a pull; files of *source* are below `directory`."""

    def __init__(self, mounts: Mounts) -> None:
        self.mounts = mounts
        self.directory = mounts.directory
        self.source = self.directory / "source"
        (self.source / "below").mkdir(parents=True)
        for number in range(10):
            (self.source / "below" / f"file {number}").write_bytes(bytes(number * 1000))
        (self.source / "link").symlink_to("below")
        backdate(self.source)
        mounts.init(self.source)
        self.site = self.directory / "view.toml"
        self.copy = self.directory / "copy"
        self.copy.mkdir()
        self.view = self.directory / "view"

    def mount(self, *options: str) -> None:
        """Mount the view, in the background."""
        if self.view.exists():
            self.view.rmdir()
        self.mounts.reverse(self.source, "view", *options)
        self.describe()

    def describe(self, **settings: object) -> None:
        """Write the file."""
        describe(self.site, self.mounts, self.source, self.view, **settings)

    @property
    def daemon(self) -> int:
        """The process that serves the view."""
        [pid] = daemons(self.view)
        return pid

    def shell(self, patch: str = "", *options: str) -> Path:
        """Return a remote shell that runs pull-shell, maybe with something replaced."""
        arguments = ["pull-shell", *options, str(self.site)]
        program = self.directory / "pull_shell.py"
        program.write_text(IN_PROCESS.format(patch=patch, arguments=arguments))
        stub = self.directory / "ssh"
        stub.write_text(STUB.format(command=f"{sys.executable} {program}"))
        stub.chmod(0o755)
        return stub

    def rsync(
        self, *words: str, shell: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run rsync; `host:` is beyond the remote shell."""
        stub = shell or self.shell()
        command = ["rsync", "-aHAX", "--numeric-ids", "-e", str(stub), *words]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=False
        )

    def pull(self, shell: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Pull everything, and delete what is not there."""
        return self.rsync("--delete", "host:/", f"{self.copy}/", shell=shell)

    def command(self, words: str, shell: Path | None = None) -> tuple[int, str]:
        """Ask for something else than rsync would; return status and messages."""
        stub = shell or self.shell()
        result = subprocess.run(
            [stub, "host", words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return result.returncode, result.stderr


def describe(
    site: Path, mounts: Mounts, source: Path, view: Path, **settings: object
) -> None:
    """Write the file *site* that describes a view."""
    given = {"source": str(source), "mountpoint": str(view)}
    given |= {"passfile": str(mounts.passfile)} | settings
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in given.items()]
    site.write_text("".join(lines))
    site.chmod(0o600)


def kill(pid: int) -> None:
    """Let a process die without any time to clean up, and see its end."""
    with end_of(pid):
        os.kill(pid, signal.SIGKILL)


@contextmanager
def running_elsewhere(command: Sequence[str | Path]) -> Iterator[None]:
    """Run a command that returns, in a mount namespace that lives meanwhile.

    The last word is where it mounts something.
    """
    script = '"$@" && echo mounted && read -r line; for last; do :; done; umount "$last"'
    namespace = ["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh"]
    words = [*namespace, *map(os.fspath, command)]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "mounted\n"
        yield
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(SECONDS) == 0


def stop(pull: Pull) -> None:
    """Unmount the view as the end of a service does."""
    with end_of(pid := pull.daemon):
        os.kill(pid, signal.SIGTERM)
    wait_for_unmount(pull.view)


def same(pull: Pull) -> bool:
    """Tell whether the copy is what the view shows."""
    return snapshot(pull.copy) == snapshot(pull.view)
