"""The request loop: try before sleeping.

pyfuse3's loop takes a lock and registers with epoll for every request, which is most of
its cost when requests come one after another. pyfuse3 finds trio through a global of its
own module, the seam that its asyncio mode uses. `install` puts something there that
looks whether a request is waiting, keeps looking for a moment if none is, then naps in
the kernel, and goes through trio's scheduler only when nothing comes.

Three rules keep that safe:

- The FUSE descriptor blocks. Nothing may run between the look and pyfuse3's read, or
  another task may take the request: so there is no checkpoint in between, and a task
  that was woken looks again.
- Only one task watches the descriptor; the others are parked. A task that wakes up, or
  has to wait for something else, wakes one of them: it may read the end of the mount and
  not come back.
- Signals, timers and finished threads must be served under load: every so many requests
  the loop goes through the scheduler, and it does not nap while a thread is at work.
"""

import os
import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any, Self

import pyfuse3
import trio

from revcrypt.fuse.mistakes import Mistakes

BURST = 64
"""Requests to answer before others get a turn."""
SPIN = 0.0002
"""Seconds of looking again and again before a nap, where there are processors to spare.

A processor that was idle, however shortly, begins with cold caches, and a virtual one is
taken away: small files are read in two thirds of the time, and cost *less* of it here.
"""
RESPITE = 0.1
"""Seconds without that, after somebody else has taken the processor in between."""
NAP_MS = 1
"""How long a client may think between two requests without our going to sleep."""

_TAKEN = 5
"""A look that has taken so many times too long was interrupted by somebody else."""
_GONE = select.POLLERR | select.POLLHUP


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
        self._have_mounts_changed = False
        self.mistakes = Mistakes()
        """Takes note of what must not end the loop."""
        self.idle: Callable[[], bool] = lambda: False
        """Does a little of what may be useful later; tells whether there was any."""
        self._parked = trio.lowlevel.ParkingLot()
        self._is_watched = False
        self._waiting = 0
        self._registered = False
        self._closing = False
        self._burst = 0
        self._gives_way = False
        """Whether a task lets others than those that take requests have a turn."""
        self._is_quick = True
        """Whether the last request came soon."""
        self._respite = 0.0
        """Until when not to look again and again, monotonic."""
        self._spin = SPIN if len(os.sched_getaffinity(0)) > 1 else 0.0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - a module's attributes
        return getattr(trio, name, None) or getattr(trio.lowlevel, name)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Let other tasks take requests while this one waits for something else."""
        self._waiting += 1
        if not self._is_watched:
            self._parked.unpark()
        try:
            yield
        finally:
            self._waiting -= 1

    def has_request(self) -> bool:
        """Tell whether anything waits to be taken up at this moment."""
        ready = dict(self._poll.poll(0))
        # The kernel tells of that once.
        self._have_mounts_changed |= self._mountinfo_fd in ready
        return bool(ready)

    def notify_closing(self, fd: int) -> None:
        """Wake the tasks that wait for *fd*, for good."""
        self._closing = True
        self._parked.unpark_all()
        trio.lowlevel.notify_closing(fd)

    async def wait_readable(self, fd: int) -> None:
        """Return as soon as a request can be read from *fd*, at once if one waits."""
        if not self._registered:
            self._poll.register(fd, select.POLLIN)
            self._registered = True
        self._burst += 1
        if self._burst >= BURST:
            self._burst = 0
            self._gives_way = True
            try:
                await trio.lowlevel.checkpoint()
            finally:
                self._gives_way = False
        # Else each of all tasks would have its own burst before anything else had a turn.
        while self._gives_way:
            await self._parked.park()
        timeout = 0 if self._waiting else NAP_MS
        while not self._has_request(fd, timeout):
            timeout = 0
            if self._is_watched:
                await self._parked.park()
                continue
            self._is_watched = True
            try:
                await trio.lowlevel.wait_readable(fd)
            finally:
                self._is_watched = False
                self._parked.unpark()

    def _has_request(self, fd: int, timeout: int) -> bool:
        if self._closing:
            raise trio.ClosedResourceError
        ready = dict(self._look(timeout))
        if self._have_mounts_changed or self._mountinfo_fd in ready:
            self._note_mounts()
        events = ready.get(fd, 0)
        if events & _GONE:
            # Every task has to read the end of the mount for itself.
            self._parked.unpark_all()
        return events != 0

    def _note_mounts(self) -> None:
        self._have_mounts_changed = True
        try:
            self._on_mounts_changed()
        except Exception as error:
            # There may be no descriptor left; the kernel does not tell it again.
            self.mistakes.note("looking at the mounts", error)
        else:
            self._have_mounts_changed = False

    def _look(self, timeout: int) -> list[tuple[int, int]]:
        """Return what has happened to which descriptor, within *timeout* ms."""
        poll = self._poll.poll
        if not timeout or not self._spin:
            return poll(timeout)
        begin = monotonic()
        spins = self._is_quick and begin >= self._respite
        while not (happened := poll(0)):
            if self.idle():
                begin = monotonic()
            elif not spins or monotonic() - begin >= self._spin:
                break
        now = monotonic()
        if spins and now - begin > _TAKEN * self._spin:
            self._respite = now + RESPITE
        happened = happened or poll(timeout)
        self._is_quick = monotonic() - begin < self._spin
        return happened


def install(mountinfo_fd: int, on_mounts_changed: Callable[[], None]) -> EagerTrio:
    """Make pyfuse3 use the eager loop from now on."""
    eager = EagerTrio(mountinfo_fd, on_mounts_changed)
    pyfuse3.trio = eager  # type: ignore[attr-defined]
    return eager
