"""Threads, for reads that have to wait for a disk.

To come back from a thread through trio's scheduler, with another task taking requests in
the meantime, costs 200 µs more than a disk in memory or a cache of the filesystem's own
takes to answer. So at first the whole process waits, as long as that is worth it.
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
"""Seconds for which all others wait, too; only if the last to wait was as quick."""

T = TypeVar("T")


class Threads:
    """Up to *most* threads; *waiting* is entered while a task waits for one of them.

    They never end: one that hangs must not keep the process from ending.
    """

    def __init__(
        self, most: int, waiting: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._free = trio.Semaphore(most)
        self._waiting = waiting
        self._work: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
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

    async def _run(self, work: Callable[[], T]) -> T:
        begin = time.monotonic()
        future = self._begin(work)
        if self._is_quick:
            with suppress(TimeoutError):
                future.exception(PATIENCE)
        if not future.done():
            ended, token = trio.Event(), trio.lowlevel.current_trio_token()
            future.add_done_callback(partial(_tell, token, ended))
            with self._waiting():
                await ended.wait()
        self._is_quick = time.monotonic() - begin < PATIENCE
        return future.result()

    def _begin(self, work: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        self._work.put((future, work))
        if self._started < self._busy:
            self._started += 1
            Thread(target=self._serve, name="disk", daemon=True).start()
        return future

    def _serve(self) -> None:
        while True:
            future, work = self._work.get()
            try:
                result = work()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)


def _tell(token: trio.lowlevel.TrioToken, ended: trio.Event, _: Future[Any]) -> None:
    with suppress(trio.RunFinishedError):  # Who has waited for it has been cancelled.
        token.run_sync_soon(ended.set)
