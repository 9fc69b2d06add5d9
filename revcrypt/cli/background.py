"""Going to the background without leaving the caller in the dark.

The caller returns when the mount answers, with status 0, or when the child has failed,
with the child's status; until then the child's messages reach the caller's stderr. The
order is fixed: fork (no threads yet), mount, only then setsid. A helper that leaves its
process group before mount(2) makes systemd's automount wait for itself.
"""

import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass

from revcrypt.errors import ExitCode, MountFailedError

_READY = b"\x01"
_STANDARD = (0, 1, 2)


def inherited_fds() -> frozenset[int]:
    """Return the descriptors that the caller has left open, without the standard three.

    Called before anything else is opened.
    """
    fds = {int(name) for name in os.listdir("/proc/self/fd")}
    # Among them is the one that this very listing was read through.
    return frozenset(fd for fd in fds if fd not in _STANDARD and _is_open(fd))


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Child:
    """The process that goes to the background."""

    ready_fd: int

    def detach(self) -> None:
        """Leave the caller's session; the mount exists."""
        os.setsid()
        os.chdir("/")

    def announce(self, inherited: Iterable[int]) -> None:
        """Let the caller go, and let go of everything that was the caller's."""
        null = os.open(os.devnull, os.O_RDWR)
        for fd in _STANDARD:
            os.dup2(null, fd)
        os.close(null)
        for fd in inherited:
            os.close(fd)
        try:
            os.write(self.ready_fd, _READY)
        except BrokenPipeError:
            # The caller was killed; a mount that nobody has been told of is not wanted.
            os.kill(os.getpid(), signal.SIGTERM)
        os.close(self.ready_fd)


def fork() -> Child | ExitCode:
    """Fork; return the `Child` in the child and the exit status in the caller.

    Raises `MountFailedError` in the caller if the child was killed.
    """
    read_fd, write_fd = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        os.close(read_fd)
        return Child(write_fd)
    os.close(write_fd)
    try:
        if os.read(read_fd, 1) == _READY:
            return ExitCode.OK
    except KeyboardInterrupt:
        # The child may have left our process group, and go on alone.
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
        raise
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status < 0:
        raise MountFailedError(
            f"{signal.Signals(-status).name} ended the mount before it answered",
            hint="if the mountpoint is broken now, clean up with fusermount3 -u",
        )
    return ExitCode(status)
