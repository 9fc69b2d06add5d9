"""Asking distant disks whether they answer, while everybody else is served."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from errno import ETIMEDOUT

import trio

from revcrypt.view.distant import Distant

PATIENCE = 10.0
"""Seconds after which a disk is an error to whoever needs it, until it answers.

Meanwhile the kernel lets nobody look up another name in the directory that it is in.
"""
THREADS = 16


@dataclass(slots=True)
class _Question:
    answered: trio.Event = field(default_factory=trio.Event)
    give_up: float = field(default_factory=lambda: trio.current_time() + PATIENCE)


class Disks:
    """Waits for *distant* disks.

    *waiting* is entered meanwhile, so that others can be answered.
    """

    def __init__(
        self,
        distant: Distant,
        waiting: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._distant = distant
        self._waiting = waiting
        self._limiter = trio.CapacityLimiter(THREADS)
        self._questions: dict[bytes, _Question] = {}
        """By mountpoint: what has not been answered yet."""

    async def reach(self, mountpoint: bytes) -> None:
        """Return when a disk answers; raises `TimeoutError` if it does not for long."""
        question = self._questions.get(mountpoint)
        if question is None:
            question = self._questions[mountpoint] = _Question()
            trio.lowlevel.spawn_system_task(self._ask, mountpoint, question)
        with self._waiting(), trio.move_on_at(question.give_up):
            await question.answered.wait()
            return
        raise TimeoutError(ETIMEDOUT, os.strerror(ETIMEDOUT))

    async def _ask(self, mountpoint: bytes, question: _Question) -> None:
        path = b"/proc/self/fd/%d/%b" % (self._distant.mounts.root_fd, mountpoint)
        # An error is an answer; whoever needs the disk gets it once more.
        with suppress(Exception):
            await trio.to_thread.run_sync(
                os.statvfs, path, abandon_on_cancel=True, limiter=self._limiter
            )
        del self._questions[mountpoint]
        self._distant.has_answered(mountpoint)
        question.answered.set()
