"""The request loop: try before sleeping.

pyfuse3's loop takes a lock and registers with epoll for every request, which is most of
its cost when requests come one after another. pyfuse3 finds trio through a global of its
own module, the seam that its asyncio mode uses. `install` puts something there that
looks whether a request is waiting and parks only if none is.

Three rules keep that safe:

- The FUSE descriptor blocks. Nothing may run between the look and pyfuse3's read, or
  another task may take the request: so there is no checkpoint in between, and a task
  that was parked looks again when it wakes up.
- Only one task may park on a descriptor; the others wait for their turn.
- Signals, timers and finished threads must be served under load: every so many requests
  the loop goes through trio's scheduler.
"""

import select
from collections.abc import Callable
from typing import Any, Self

import pyfuse3
import trio

BURST = 64
"""Requests to answer before others get a turn."""


class _NoLock:
    """Stands in for the lock that pyfuse3 takes around every wait."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


class EagerTrio:
    """What pyfuse3 sees as `trio`, and as `trio.lowlevel`.

    *on_mounts_changed* is called when anything has been mounted or unmounted, before
    the next request is read.
    """

    Lock = _NoLock

    def __init__(self, mountinfo_fd: int, on_mounts_changed: Callable[[], None]) -> None:
        self.lowlevel = self
        self._poll = select.poll()
        self._poll.register(mountinfo_fd, select.POLLPRI)
        self._mountinfo_fd = mountinfo_fd
        self._on_mounts_changed = on_mounts_changed
        self._turn = trio.Lock()
        self._registered = False
        self._closing = False
        self._burst = 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - a module's attributes
        return getattr(trio, name, None) or getattr(trio.lowlevel, name)

    def notify_closing(self, fd: int) -> None:
        """Wake the tasks that wait for *fd*, for good."""
        self._closing = True
        trio.lowlevel.notify_closing(fd)

    async def wait_readable(self, fd: int) -> None:
        """Return as soon as a request can be read from *fd*, at once if one waits."""
        if not self._registered:
            self._poll.register(fd, select.POLLIN)
            self._registered = True
        self._burst += 1
        if self._burst >= BURST:
            self._burst = 0
            await trio.lowlevel.checkpoint()
        if self._has_request(fd):
            return
        async with self._turn:
            while not self._has_request(fd):
                await trio.lowlevel.wait_readable(fd)

    def _has_request(self, fd: int) -> bool:
        if self._closing:
            raise trio.ClosedResourceError
        ready = [ready_fd for ready_fd, _ in self._poll.poll(0)]
        if self._mountinfo_fd in ready:
            self._on_mounts_changed()
        return fd in ready


def install(mountinfo_fd: int, on_mounts_changed: Callable[[], None]) -> None:
    """Make pyfuse3 use the eager loop from now on."""
    pyfuse3.trio = EagerTrio(mountinfo_fd, on_mounts_changed)  # type: ignore[attr-defined]
