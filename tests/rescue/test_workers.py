"""Several processes for many jobs."""

import os
import signal
from collections.abc import Callable, Iterator
from multiprocessing import active_children

import pytest

from revcrypt.errors import MalformedError, WorkerError
from revcrypt.rescue.workers import Count, Workers, default_count

JOBS = 50


def work_of(count: Count) -> Callable[[int], tuple[int, int]]:
    """Make a function that counts its job, and says who has done it."""

    def work(job: int) -> tuple[int, int]:
        count(job, 1)
        return job, os.getpid()

    return work


class Ticks:
    """Remembers how far things were said to be."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, int]] = []

    def __call__(self, size: int, objects: int) -> None:
        self.heard.append((size, objects))


@pytest.mark.parametrize("count", [1, 2, 5])
def test_results(count: int) -> None:
    """Every job is done once, by as many processes as were asked for."""
    ticks = Ticks()
    workers = Workers(work_of, count=count, on_tick=ticks)
    results = list(workers.run(range(JOBS)))
    assert sorted(job for job, _ in results) == list(range(JOBS))
    processes = {process for _, process in results}
    assert len(processes) <= count
    assert (os.getpid() in processes) == (count == 1)
    assert ticks.heard == sorted(ticks.heard)
    assert ticks.heard[-1] == (sum(range(JOBS)), JOBS)
    assert active_children() == []


def test_all_have_work() -> None:
    """No worker stands idle while there are jobs: each gets one at the start."""
    workers = Workers(work_of, count=3, on_tick=Ticks())
    assert len({process for _, process in workers.run(range(6))}) == 3


@pytest.mark.parametrize("count", [1, 2])
def test_nothing_to_do(count: int) -> None:
    """Without jobs, there are no results, and that is all."""
    assert list(Workers(work_of, count=count, on_tick=Ticks()).run(())) == []
    assert active_children() == []


def test_long_jobs_with_long_results() -> None:
    """Neither side waits for the other to read while both have much to say."""

    def start(_: Count) -> Callable[[bytes], bytes]:
        return lambda job: job * 2

    jobs = [bytes([number]) * (1 << 20) for number in range(8)]
    results = list(Workers(start, count=2, on_tick=Ticks()).run(jobs))
    assert sorted(results) == [job * 2 for job in jobs]


@pytest.mark.parametrize("count", [1, 2])
def test_error(count: int) -> None:
    """What a job raises is raised here, and the workers are gone."""

    def start(_: Count) -> Callable[[int], int]:
        def work(job: int) -> int:
            if job == 7:
                raise MalformedError("job 7")
            return job

        return work

    with pytest.raises(MalformedError, match="job 7"):
        list(Workers(start, count=count, on_tick=Ticks()).run(range(JOBS)))
    assert active_children() == []


def test_error_of_the_jobs() -> None:
    """An error in making the jobs ends the workers, too."""

    def jobs() -> Iterator[int]:
        yield 1
        raise MalformedError("no more")

    with pytest.raises(MalformedError, match="no more"):
        list(Workers(work_of, count=2, on_tick=Ticks()).run(jobs()))
    assert active_children() == []


@pytest.mark.parametrize("killed", [signal.SIGKILL, signal.SIGTERM])
def test_killed(killed: signal.Signals) -> None:
    """A worker that dies is told of, at once and with a way out, and none is left."""

    def start(_: Count) -> Callable[[int], int]:
        def work(job: int) -> int:
            if job == 7:
                os.kill(os.getpid(), killed)
            return job

        return work

    with pytest.raises(WorkerError, match="has died") as caught:
        list(Workers(start, count=3, on_tick=Ticks()).run(range(JOBS)))
    assert caught.value.hint is not None
    assert active_children() == []


def test_dies_at_start() -> None:
    """A worker that never gets as far as its first job is told of, too."""

    def start(_: Count) -> Callable[[bytes], bytes]:
        os._exit(3)

    with pytest.raises(WorkerError, match="has died"):
        list(Workers(start, count=2, on_tick=Ticks()).run([bytes(1 << 20)] * 4))
    assert active_children() == []


def test_given_up(capfd: pytest.CaptureFixture[str]) -> None:
    """Whoever wants no more results leaves no process behind, and none complains."""
    for _ in range(20):
        results = Workers(work_of, count=2, on_tick=Ticks()).run(range(JOBS))
        next(results)
        assert len(active_children()) == 2
        results.close()  # type: ignore[attr-defined]
        assert active_children() == []
    assert capfd.readouterr().err == ""


def test_orphans_end() -> None:
    """Workers end when the process that has started them does, however it ends."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        results = Workers(work_of, count=2, on_tick=Ticks()).run(range(JOBS))
        next(results)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(writer)
    # The workers have the other end, too; this ends when all of them have.
    with open(reader, "rb") as end:
        assert end.read() == b""


def test_default_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a worker for each core that we may use, up to a few."""
    for cores, workers in ((1, 1), (3, 3), (200, 8)):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, n=cores: set(range(n)))
        assert default_count() == workers
