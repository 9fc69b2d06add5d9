"""A machine with a systemd of its own: what it has, runs, and writes to its journal."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from pathlib import Path

from tests import support

ROOT = Path(__file__).parents[2]
BOOT_SECONDS = 60
EVENT_SECONDS = 60

STARTED = "39f53479d3a045ac8e11786248231fbf"
START_FAILED = "be02cf6855d2428ba40df7e9d022f03d"
STOPPED = "9d1aaa27d60140bd96365438aad20286"
UNIT_FAILED = "d9b373ed55a64feb8242e02dbe79a49c"
"""What systemd calls its messages in the journal."""

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin", "LANG": "C.UTF-8"}


class Machine:
    """A tree booted by systemd-nspawn; nothing that it writes outlives it."""

    def __init__(self, tree: Path, directory: Path, binds: Mapping[str, Path]) -> None:
        """Boot, and return when systemd says that the boot is done.

        *directory* is for files of the host; *binds* are paths of the machine that show
        those of the host, read-only.
        """
        self.console = directory / "console"
        wrapper = directory / "revcrypt"
        wrapper.write_text(f'#!/bin/sh\nexec {sys.executable} -m revcrypt "$@"\n')
        wrapper.chmod(0o755)
        shown = {**program(), "/usr/bin/revcrypt": wrapper, **binds}
        options = [f"--bind-ro={host}:{path}" for path, host in shown.items()]
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind("")  # The kernel finds a name.
            self._process = self._start(tree, options, notify.getsockname())
            try:
                self.leader = self._wait_for_boot(notify)
            except BaseException:
                self.close()
                raise
        self.root = Path(f"/proc/{self.leader}/root")

    def _start(
        self, tree: Path, options: list[str], notify: bytes
    ) -> subprocess.Popen[bytes]:
        # Without a systemd on the host there is nobody to make a unit for the machine.
        unit = [] if Path("/run/systemd/system").exists() else ["--keep-unit"]
        command = [
            *("setpriv", "--pdeathsig=TERM", "systemd-nspawn", "--quiet", "--boot"),
            *(f"--directory={tree}", "--volatile=overlay", "--private-network"),
            *(f"--machine=revcrypt-test-{os.getpid()}", "--register=no", *unit),
            *("--notify-ready=yes", "--console=pipe"),
            *("--bind=/dev/fuse", "--bind=/dev/autofs", *options),
        ]
        address = "@" + notify[1:].decode()
        with open(self.console, "wb") as console:
            return subprocess.Popen(
                command,
                env={**os.environ, "NOTIFY_SOCKET": address},
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            )

    def _wait_for_boot(self, notify: socket.socket) -> int:
        """Return the process number of the machine's init."""
        leader = None
        deadline = time.monotonic() + BOOT_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            if not select.select([notify], [], [], 1)[0]:
                continue
            for line in notify.recv(4096).decode().splitlines():
                key, _, value = line.partition("=")
                if key == "X_NSPAWN_LEADER_PID":
                    leader = int(value)
                elif line == "READY=1":
                    assert leader is not None
                    return leader
        raise AssertionError(f"no boot: {self.console.read_text(errors='replace')}")

    def close(self) -> None:
        """Shut down, by force if need be."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=EVENT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise

    def run(
        self, *command: str, status: int = 0, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in the machine, outside all units, and check its exit status."""
        words = [*self._enter(), *command]
        return support.run(*words, status=status, stdin=stdin, env=ENVIRONMENT)

    def _enter(self) -> list[str]:
        namespaces = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")
        return ["nsenter", f"--target={self.leader}", *namespaces, "--"]

    def systemctl(self, *arguments: str, status: int = 0) -> str:
        """Run systemctl and return what it prints."""
        return self.run("systemctl", *arguments, status=status).stdout.strip()

    def property(self, unit: str, name: str) -> str:
        """Return what systemd knows about a unit."""
        return self.systemctl("show", f"--property={name}", "--value", unit)

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file, and the directories above it."""
        file = self.path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def path(self, path: str) -> Path:
        """Return how the host reaches a file of the machine."""
        return self.root / path.removeprefix("/")

    def drop_in(self, unit: str, *lines: str, section: str = "Service") -> None:
        """Change a unit."""
        text = "\n".join((f"[{section}]", *lines, ""))
        self.write(f"/run/systemd/system/{unit}.d/test.conf", text)
        self.systemctl("daemon-reload")

    def mounts(self, path: str) -> list[str]:
        """Return the kinds of what is mounted on *path*, as init sees it."""
        lines = Path(f"/proc/{self.leader}/mountinfo").read_text().splitlines()
        found = [line.split() for line in lines]
        return [words[words.index("-") + 1] for words in found if words[4] == path]

    def kill(self, word: str) -> None:
        """Kill the process that has *word* as an argument, and see its end."""
        mounts = os.readlink(f"/proc/{self.leader}/ns/mnt")
        found = support.daemons(Path(word))
        [pid] = [pid for pid in found if os.readlink(f"/proc/{pid}/ns/mnt") == mounts]
        pidfd = os.pidfd_open(pid)
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        ended, _, _ = select.select([pidfd], [], [], EVENT_SECONDS)
        os.close(pidfd)
        assert ended, f"process {pid} outlives SIGKILL"

    def messages(self, unit: str) -> list[str]:
        """Return what a unit, and systemd about it, has written to the journal."""
        self.run("journalctl", "--sync")
        return [str(entry.get("MESSAGE")) for entry in self._journal(unit)]

    def wait_for(self, unit: str, message_id: str, times: int = 1) -> None:
        """Wait until systemd has said something about a unit so many times."""
        seen = []
        with closing(self._journal(unit, "--follow")) as entries:
            for entry in entries:
                seen.append(entry.get("MESSAGE"))
                times -= entry.get("MESSAGE_ID") == message_id
                if times == 0:
                    return
        raise AssertionError(f"what was waited for is not among {seen}")

    def _journal(
        self, unit: str, *options: str
    ) -> Generator[dict[str, object], None, None]:
        """Yield the entries of the journal about *unit*."""
        command = ("journalctl", "--quiet", "--output=json", "--lines=all", *options)
        process = subprocess.Popen(
            [*self._enter(), *command, f"--unit={unit}"],
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        try:
            for line in _lines(process.stdout.fileno()):
                yield json.loads(line)
        finally:
            _end(process)
            process.stdout.close()


def _end(nsenter: subprocess.Popen[bytes]) -> None:
    """Kill what nsenter has started; without its child it ends by itself.

    The child must not outlive nsenter: the machine would wait for it when it shuts down.
    """
    children = Path(f"/proc/{nsenter.pid}/task/{nsenter.pid}/children")
    for pid in children.read_text().split():
        os.kill(int(pid), signal.SIGKILL)
    nsenter.wait(timeout=EVENT_SECONDS)


def _lines(fd: int) -> Iterator[bytes]:
    """Yield lines as they come, to the end, or for some time."""
    deadline = time.monotonic() + EVENT_SECONDS
    rest = b""
    while time.monotonic() < deadline:
        if not select.select([fd], [], [], 1)[0]:
            continue
        data = os.read(fd, 1 << 16)
        if not data:
            return
        *lines, rest = (rest + data).split(b"\n")
        yield from lines


def program() -> dict[str, Path]:
    """Return the directories that revcrypt runs from, which have no other names there."""
    found = [ROOT / "revcrypt", Path(sys.prefix), Path(sys.base_prefix)]
    usr = Path("/usr")
    return {str(path): path for path in found if not usr.is_relative_to(path)}


Boot = Callable[[Mapping[str, str]], Machine]
"""Boots a machine that has some files, by path, from the start."""
