"""The request loop: at once if something waits, in turn if nothing does."""

import os
import select
import socket
from collections.abc import Iterator
from itertools import pairwise

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from revcrypt.fuse import loop
from revcrypt.fuse.loop import BURST, NAP_MS, RESPITE, EagerTrio


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Return a pipe that requests come through, byte by byte."""
    read_fd, write_fd = os.pipe()
    yield read_fd, write_fd
    os.close(read_fd)
    os.close(write_fd)


@pytest.fixture
def mountinfo() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Return a socket that can have urgent news, as mountinfo has, and its peer."""
    news, sender = socket.socketpair()
    with news, sender:
        yield news, sender


@pytest.fixture
def changes() -> list[str]:
    """Return what the loop notes."""
    return []


@pytest.fixture
def eager(
    mountinfo: tuple[socket.socket, socket.socket], changes: list[str]
) -> EagerTrio:
    return EagerTrio(mountinfo[0].fileno(), lambda: changes.append("mounts changed"))


async def test_a_waiting_request_is_taken_at_once(
    eager: EagerTrio, pipe: tuple[int, int]
) -> None:
    """As long as requests wait, no other task runs in between, but now and then."""
    read_fd, write_fd = pipe
    os.write(write_fd, b"x" * (3 * BURST))
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(count)
        for number in range(1, 3 * BURST + 1):
            await eager.wait_readable(read_fd)
            os.read(read_fd, 1)
            # Which of two tasks goes first in a turn is trio's choice.
            assert number // BURST - 1 <= turns <= number // BURST
        nursery.cancel_scope.cancel()


async def test_all_tasks_together_give_way(
    eager: EagerTrio, pipe: tuple[int, int]
) -> None:
    """However many take requests, others have a turn after so many requests of all."""
    read_fd, write_fd = pipe
    os.write(write_fd, b"x" * (20 * BURST))
    taken, turns = 0, []

    async def take() -> None:
        nonlocal taken
        while True:
            await eager.wait_readable(read_fd)
            os.read(read_fd, 1)
            taken += 1

    async def watch() -> None:
        while True:
            turns.append(taken)
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(take)
        nursery.start_soon(watch)
        while taken < 20 * BURST:
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert max(later - sooner for sooner, later in pairwise(turns)) <= 2 * BURST


async def test_a_look_in_between(
    mountinfo: tuple[socket.socket, socket.socket],
    eager: EagerTrio,
    pipe: tuple[int, int],
    changes: list[str],
) -> None:
    """It tells of a request, and loses nothing of what the kernel tells only once."""
    read_fd, write_fd = pipe
    os.write(write_fd, b"x")
    await eager.wait_readable(read_fd)
    assert eager.has_request()
    os.read(read_fd, 1)
    assert not eager.has_request()
    mountinfo[1].send(b"!", socket.MSG_OOB)
    assert eager.has_request()
    mountinfo[0].recv(1, socket.MSG_OOB)
    assert not eager.has_request()
    os.write(write_fd, b"x")
    await eager.wait_readable(read_fd)
    assert changes == ["mounts changed"]


async def test_tasks_take_turns(eager: EagerTrio, pipe: tuple[int, int]) -> None:
    """Several tasks wait for one descriptor; each request is taken by exactly one."""
    read_fd, write_fd = pipe
    os.set_blocking(read_fd, False)
    taken = []

    async def serve() -> None:
        while True:
            await eager.wait_readable(read_fd)
            taken.append(os.read(read_fd, 1))  # raises if another task was faster

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(serve)
        for number in range(5):
            await wait_all_tasks_blocked()
            assert len(taken) == number
            os.write(write_fd, b"x")
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert taken == [b"x"] * 5


async def test_a_task_that_waits_is_replaced(
    eager: EagerTrio, pipe: tuple[int, int]
) -> None:
    """While tasks wait for a disk, others take the requests that come meanwhile."""
    read_fd, write_fd = pipe
    os.set_blocking(read_fd, False)
    disk, taken = trio.Event(), []

    async def serve() -> None:
        while True:
            await eager.wait_readable(read_fd)
            request = os.read(read_fd, 1)
            if request == b"d":
                with eager.waiting():
                    await disk.wait()
            taken.append(request)

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(serve)
        for request in (b"d", b"1", b"d", b"2", b"3"):
            await wait_all_tasks_blocked()
            os.write(write_fd, request)
        await wait_all_tasks_blocked()
        assert taken == [b"1", b"2", b"3"]
        disk.set()
        await wait_all_tasks_blocked()
        os.write(write_fd, b"4")
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert taken == [b"1", b"2", b"3", b"d", b"d", b"4"]


async def test_closing_wakes_all(eager: EagerTrio, pipe: tuple[int, int]) -> None:
    """When the descriptor will be closed, every waiting task ends, and for good."""
    read_fd, _ = pipe
    ended = []

    async def serve() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await eager.wait_readable(read_fd)
        ended.append(True)

    # Tasks that do not end would be waited for.
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(serve)
            await wait_all_tasks_blocked()
            eager.notify_closing(read_fd)
    assert len(ended) == 3
    with pytest.raises(trio.ClosedResourceError):
        await eager.wait_readable(read_fd)


async def test_mounts_are_looked_at_before_the_request(
    eager: EagerTrio,
    pipe: tuple[int, int],
    mountinfo: tuple[socket.socket, socket.socket],
    changes: list[str],
) -> None:
    """A change of mounts is known before the next request is answered."""
    read_fd, write_fd = pipe
    os.write(write_fd, b"x")
    await eager.wait_readable(read_fd)
    assert changes == []
    mountinfo[1].send(b"!", socket.MSG_OOB)
    await eager.wait_readable(read_fd)
    assert changes == ["mounts changed"]


async def test_idle_moments_are_used(eager: EagerTrio, pipe: tuple[int, int]) -> None:
    """Something useful is done while nothing waits, and only as long as that."""
    read_fd, write_fd = pipe
    looks: list[bool] = []

    def idle() -> bool:
        looks.append(True)
        if len(looks) == 3:
            os.write(write_fd, b"x")
        return len(looks) < 10

    eager.idle = idle
    os.write(write_fd, b"x")
    await eager.wait_readable(read_fd)
    assert not looks
    os.read(read_fd, 1)
    await eager.wait_readable(read_fd)
    assert len(looks) == 3


A_SPIN = 2**-12
SHORT = A_SPIN / 8


class Moments:
    """Polls that take *seconds* each, and find something after *count* of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, eager: EagerTrio) -> None:
        self.now, self.seconds, self.count = 0.0, SHORT, 0
        self.polls: list[int] = []
        monkeypatch.setattr(loop, "monotonic", lambda: self.now)
        monkeypatch.setattr(eager, "_poll", self)
        if eager._spin:
            monkeypatch.setattr(eager, "_spin", A_SPIN)

    def poll(self, timeout: int) -> list[tuple[int, int]]:
        self.polls.append(timeout)
        self.now += timeout / 1000 or self.seconds
        return [(0, select.POLLIN)] if len(self.polls) > self.count else []

    def look(self, eager: EagerTrio, *, count: int, seconds: float) -> list[int]:
        """Return the timeouts of the polls until a request comes."""
        self.polls.clear()
        self.count, self.seconds = count, seconds
        eager._look(NAP_MS)
        return self.polls


@pytest.fixture
def moments(monkeypatch: pytest.MonkeyPatch, eager: EagerTrio) -> Moments:
    return Moments(monkeypatch, eager)


async def test_a_quick_client_is_waited_for_awake(
    eager: EagerTrio, moments: Moments
) -> None:
    assert moments.look(eager, count=6, seconds=SHORT) == [0] * 7
    assert moments.look(eager, count=50, seconds=SHORT) == [0] * 8 + [NAP_MS]


async def test_a_slow_client_costs_no_time(eager: EagerTrio, moments: Moments) -> None:
    """Where the last request was long in coming, the next is waited for asleep."""
    moments.look(eager, count=50, seconds=SHORT)
    assert moments.look(eager, count=50, seconds=SHORT) == [0, NAP_MS]
    assert moments.look(eager, count=0, seconds=SHORT) == [0]
    assert moments.look(eager, count=6, seconds=SHORT) == [0] * 7, "it is quick again"


async def test_who_needs_the_processor_gets_it(
    eager: EagerTrio, moments: Moments
) -> None:
    """If a look has taken long, another program was at work in between."""
    assert moments.look(eager, count=0, seconds=10 * A_SPIN) == [0]
    for _ in range(3):
        assert moments.look(eager, count=6, seconds=SHORT) == [0, NAP_MS]
        moments.look(eager, count=0, seconds=SHORT)
    moments.now += RESPITE
    assert moments.look(eager, count=6, seconds=SHORT) == [0] * 7


async def test_work_for_idle_moments_is_finished(
    eager: EagerTrio, moments: Moments
) -> None:
    """It goes on for longer than we would look for requests without any."""
    looks = iter([True] * 50 + [False] * 50)
    eager.idle = lambda: next(looks)
    assert moments.look(eager, count=100, seconds=SHORT) == [0] * 58 + [NAP_MS]


async def test_a_single_processor_is_the_client_s(
    mountinfo: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What we did while it thinks would keep the client from thinking."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    eager = EagerTrio(mountinfo[0].fileno(), lambda: None)
    eager.idle = lambda: pytest.fail("this is the client's time")
    moments = Moments(monkeypatch, eager)
    assert moments.look(eager, count=6, seconds=SHORT) == [NAP_MS]


async def test_everything_else_is_trio_s(eager: EagerTrio) -> None:
    """pyfuse3 finds whatever else it needs, in either module."""
    assert eager.open_nursery is trio.open_nursery
    assert eager.lowlevel.current_task is trio.lowlevel.current_task
    async with eager.Lock():
        pass


async def test_the_end_is_seen_by_all(eager: EagerTrio) -> None:
    """A request may turn out to be the end of the mount when it is read.

    Then the task that has taken it does not come back, and nobody watches in its place.
    """
    ours, theirs = socket.socketpair()
    left = []

    async def serve(name: str) -> None:
        await eager.wait_readable(ours.fileno())
        theirs.close()
        left.append(name)

    with ours, trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            for name in ("a", "b", "c"):
                nursery.start_soon(serve, name)
            await wait_all_tasks_blocked()
            theirs.send(b"x")
    assert sorted(left) == ["a", "b", "c"]
