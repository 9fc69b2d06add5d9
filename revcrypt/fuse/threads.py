"""Threads, for reads that have to wait for a disk, or for nobody knows what.

To let other tasks take requests in the meantime, and to come back through trio's
scheduler, takes 200 µs, longer than fast storage takes to answer. So at first everybody
waits, as long as that is worth it.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, suppress
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

import trio

PATIENCE = 0.0005
"""Seconds for which everybody waits for a read, if nobody else has asked for anything, no
other one is under way, and the last was as quick."""
SPARE = 4
"""Threads that stay when there is nothing to do."""

T = TypeVar("T")
Job = tuple[Future[Any], Callable[[], Any]]


class Threads:
    """Up to *most* threads; one that hangs does not keep the process from ending.

    *waiting* is entered while a task waits for one of them, and lets in those that
    *are_others* tells of.
    """

    def __init__(
        self,
        most: int,
        waiting: Callable[[], AbstractContextManager[None]],
        are_others: Callable[[], bool],
    ) -> None:
        self._free = trio.Semaphore(most)
        self._waiting = waiting
        self._are_others = are_others
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        """What threads take up; None ends one of them."""
        self._busy = 0
        self._started = 0
        self._is_quick = True

    async def run(self, work: Callable[[], T]) -> T:
        """Return what *work* returns, or raise what it raises.

        If it is cancelled, its thread is lost: nothing but the end of a mount does that.
        """
        try:
            self._free.acquire_nowait()
        except trio.WouldBlock:
            with self._waiting():
                await self._free.acquire()
        self._busy += 1
        try:
            return await self._run(work)
        finally:
            self._busy -= 1
            self._free.release()
            if self._started > max(self._busy, SPARE):
                self._started -= 1
                self._jobs.put(None)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._started < self._busy:
            Thread(target=self._serve, name="disk", daemon=True).start()
            self._started += 1
        future: Future[T] = Future()
        self._jobs.put((future, work))
        if self._is_quick and self._busy == 1 and not self._are_others():
            with suppress(TimeoutError):
                future.exception(PATIENCE)
        try:
            if not future.done():
                ended, token = trio.Event(), trio.lowlevel.current_trio_token()
                future.add_done_callback(partial(_tell, token, ended))
                with self._waiting():
                    await ended.wait()
            return future.result()
        finally:
            del future  # An exception leads here, and would lead to itself.

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, work = job
            begin, result, error = time.monotonic(), None, None
            try:
                result = work()
            except BaseException as raised:
                error = raised
            self._is_quick = time.monotonic() - begin < PATIENCE
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
            # What waits for the next one keeps nothing.
            del job, future, work, result, error


def _tell(token: trio.lowlevel.TrioToken, ended: trio.Event, _: Future[Any]) -> None:
    with suppress(trio.RunFinishedError):  # Who has waited for it has been cancelled.
        token.run_sync_soon(ended.set)
