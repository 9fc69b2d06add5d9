"""Several processes for one job after another, so that all cores decrypt.

Threads would not do: opening blocks from Python holds the interpreter lock. The workers
are forked, so they know what the parent knows; there are no threads and no queues, only
a pipe to each, and whichever side dies, the other one notices.
"""

import os
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from mmap import mmap
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from struct import calcsize, pack_into, unpack_from
from typing import Generic, Protocol, TypeVar

from revcrypt.errors import WorkerError

J = TypeVar("J")
R = TypeVar("R")

MOST = 8
"""More workers only wait for the disk."""
_AHEAD = 2
"""Jobs that a worker has at a time, so that it never waits for the next one."""
_FITS = 1 << 15
"""Bytes of a job that the system takes for sure while the worker does not listen."""
_TICK = 0.2
"""Seconds after which the caller may show how far things are."""
_SLOT = "=2Q"

Work = Callable[[J], R]
OnTick = Callable[[int, int], None]
"""Hears how many bytes, and how many objects, have been dealt with."""


class Count(Protocol):
    """What a worker calls, for progress to be seen."""

    def __call__(self, size: int, objects: int = 0) -> None:
        """Count bytes and objects that have been dealt with."""


def default_count() -> int:
    """Return how many workers this machine has use for."""
    return min(len(os.sched_getaffinity(0)), MOST)


class _Meter:
    """Counts over all workers, each in a place of its own that the parent can see."""

    def __init__(self, workers: int) -> None:
        self._memory = mmap(-1, workers * calcsize(_SLOT))
        self._workers = workers

    def slot(self, number: int) -> Count:
        """Return what worker *number* calls."""

        def count(size: int, objects: int = 0) -> None:
            offset = number * calcsize(_SLOT)
            sizes, counts = unpack_from(_SLOT, self._memory, offset)
            pack_into(_SLOT, self._memory, offset, sizes + size, counts + objects)

        return count

    def totals(self) -> tuple[int, int]:
        """Return the bytes and objects that all workers have dealt with."""
        numbers = unpack_from(f"={2 * self._workers}Q", self._memory)
        return sum(numbers[::2]), sum(numbers[1::2])


class Workers(Generic[J, R]):
    """*count* processes in each of which *start* makes the function that does a job.

    With one, there is no other process than this. *on_tick* is called now and then.
    """

    def __init__(
        self,
        start: Callable[[Count], Work[J, R]],
        *,
        count: int,
        on_tick: OnTick,
    ) -> None:
        self._start = start
        self._count = count
        self._on_tick = on_tick
        self._meter = _Meter(count)
        self._processes: list[BaseProcess] = []
        self._pipes: dict[Connection, int] = {}
        """The pipe to each worker, and how many jobs it has."""

    def run(self, jobs: Iterable[J]) -> Iterator[R]:
        """Yield the result of each job, in the order in which they are done.

        Raises what a job raises, and `WorkerError` if a worker dies.
        """
        if self._count == 1:
            yield from self._run_here(jobs)
            return
        try:
            for number in range(self._count):
                self._fork(number)
            yield from self._run_there(iter(jobs))
        finally:
            self._stop()

    def _run_here(self, jobs: Iterable[J]) -> Iterator[R]:
        work = self._start(self._meter.slot(0))
        for job in jobs:
            yield work(job)
            self._on_tick(*self._meter.totals())

    def _fork(self, number: int) -> None:
        ours, theirs = get_context("fork").Pipe()
        process = get_context("fork").Process(
            target=self._serve, args=(theirs, [ours, *self._pipes], number), daemon=True
        )
        with _uninterrupted():
            process.start()
        # Only its own end stays open in each, or nobody would notice the other's death.
        theirs.close()
        self._processes.append(process)
        self._pipes[ours] = 0

    def _serve(self, pipe: Connection, others: list[Connection], number: int) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # The parent decides what it means.
        for other in others:
            other.close()
        # So it learns that the parent has ended, or wants no more.
        with suppress(EOFError, ConnectionError):
            work = self._start(self._meter.slot(number))
            while True:
                job = pipe.recv()
                try:
                    result = work(job)
                except Exception as error:
                    error.add_note(traceback.format_exc())
                    pipe.send((None, error))
                else:
                    pipe.send((result, None))

    def _run_there(self, jobs: Iterator[J]) -> Iterator[R]:
        packed = map(ForkingPickler.dumps, jobs)
        job = next(packed, None)
        while True:
            for pipe in self._pipes:
                while job is not None and self._takes(pipe, len(job)):
                    with _alive():
                        pipe.send_bytes(job)
                    self._pipes[pipe] += 1
                    job = next(packed, None)
            busy = [pipe for pipe, count in self._pipes.items() if count]
            if not busy:
                self._on_tick(*self._meter.totals())
                return
            for ready in wait(busy, _TICK):
                assert isinstance(ready, Connection)
                with _alive():
                    result, error = ready.recv()
                self._pipes[ready] -= 1
                if error is not None:
                    raise error
                yield result
            self._on_tick(*self._meter.totals())

    def _takes(self, pipe: Connection, size: int) -> bool:
        """Tell whether a worker takes a job of *size* without waiting for us.

        While it sends a long result, it does not listen; nor do we while we send.
        """
        has = self._pipes[pipe]
        return not has or (has < _AHEAD and size <= _FITS)

    def _stop(self) -> None:
        for pipe in self._pipes:
            pipe.close()
        self._pipes.clear()
        for process in self._processes:
            process.terminate()
            process.join()
        self._processes.clear()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Put an interrupt off: a worker that does not ignore it yet would complain."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _alive() -> Iterator[None]:
    """Understand what it means that a pipe has no other end."""
    try:
        yield
    except (EOFError, ConnectionError):
        raise WorkerError(
            "a worker process has died; was it killed?",
            hint="if memory is short, --jobs=1 needs less",
        ) from None
