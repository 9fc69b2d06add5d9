"""Running programs, mounting, and what a daemon costs."""

import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.bench.figures import SECONDS, Sample
from tests.support import daemons, is_mounted

Words = Sequence[str | os.PathLike[str]]
"""A command; of a mount, without the mountpoint, which comes last."""

LONGEST = 3600
"""Seconds after which a program is taken to hang."""


class CannotError(Exception):
    """A peer cannot do what is asked for; the message says why."""


def execute(*words: str | os.PathLike[str]) -> None:
    """Run a program, whose output is of no interest, to its end.

    What it leaves running keeps the file for its errors, where a pipe would break.
    """
    program = os.fspath(words[0])
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        with process:
            try:
                # Popen.wait with a timeout would look only every 50 ms.
                if not _ends(process.pid, seconds=LONGEST):
                    raise CannotError(f"{program} takes more than {LONGEST} s")
            except BaseException:
                process.kill()
                raise
        if process.returncode != 0:
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip().splitlines()
            last = said[-1] if said else "no message"
            raise CannotError(f"{program} ended with {process.returncode}: {last}")


class Mount:
    """Something that is mounted, and the processes that serve it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._pids = daemons(path)

    def measure(self, work: Callable[[], object]) -> Sample:
        """Do *work* on the mount, and return what it has cost."""
        cpu_before = self.cpu_seconds()
        start = time.perf_counter()
        work()
        sample = {SECONDS: time.perf_counter() - start}
        # An empty directory would be the fastest of all.
        if not is_mounted(self.path):
            raise CannotError("the mount has ended meanwhile")
        if self._pids:
            sample["daemon_CPU_seconds"] = self.cpu_seconds() - cpu_before
            sample["daemon_peak_MiB"] = self.memory("VmHWM") / (1 << 20)
        return sample

    def cpu_seconds(self) -> float:
        """Return the time that all threads of the processes have used so far."""
        # The clock of another process, as clock_getcpuclockid(3) makes it.
        return sum(time.clock_gettime(~pid << 3 | 2) for pid in self._pids)

    def memory(self, field: str) -> int:
        """Return a figure of proc_pid_status(5) for the processes, in bytes."""
        total = 0
        for pid in self._pids:
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith(f"{field}:"):
                    total += int(line.split()[1]) << 10
        return total

    def settle(self) -> None:
        """Wait until the processes have nothing more to do."""
        before = -1.0
        for _ in range(240):
            now = self.cpu_seconds()
            if now - before < 0.001:
                break
            before = now
            time.sleep(0.5)


@contextmanager
def mounted(mountpoint: Path, command: Words) -> Iterator[Mount]:
    """Mount with a command that ends when the mount is there; unmount in any case."""
    mountpoint.mkdir()
    try:
        execute(*command, mountpoint)
        if not is_mounted(mountpoint):
            raise CannotError(f"{os.fspath(command[0])} has mounted nothing")
        yield Mount(mountpoint)
    finally:
        _end(mountpoint)
        mountpoint.rmdir()


def _end(mountpoint: Path) -> None:
    _unmount(mountpoint)
    for pid in daemons(mountpoint):
        # gocryptfs 2.3 sometimes hangs when its mount has gone.
        if not _ends(pid, seconds=2):
            os.kill(pid, signal.SIGKILL)
            _ends(pid, seconds=30)
    # An interrupted command may have left a daemon that was about to mount.
    _unmount(mountpoint)


def _unmount(mountpoint: Path) -> None:
    how = ["umount", "--lazy"] if os.geteuid() == 0 else ["fusermount3", "-u", "-z"]
    while is_mounted(mountpoint):
        subprocess.run([*how, mountpoint], check=True)


def _ends(pid: int, *, seconds: float) -> bool:
    """Wait for a process, and tell whether it has ended."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        ended, _, _ = select.select([pidfd], [], [], seconds)
    finally:
        os.close(pidfd)
    return bool(ended)
