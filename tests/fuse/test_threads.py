"""Threads for reads: who waits for whom, and for how long."""

import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import dedent

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from revcrypt.fuse.threads import Threads


class Room:
    """What is entered while others may go on; then *door* opens."""

    def __init__(self) -> None:
        self.entered = 0
        self.inside = 0
        self.is_asked = False
        self.door = threading.Event()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        self.entered += 1
        self.inside += 1
        self.door.set()
        yield
        self.inside -= 1


@pytest.fixture
def room() -> Room:
    return Room()


@pytest.fixture(params=[10])
def threads(
    request: pytest.FixtureRequest, room: Room, monkeypatch: pytest.MonkeyPatch
) -> Threads:
    """Up to two threads, and more patience than a slow machine needs to start one."""
    monkeypatch.setattr("revcrypt.fuse.threads.PATIENCE", request.param)
    return Threads(2, room, lambda: room.is_asked)


impatient = pytest.mark.parametrize("threads", [0], indirect=True)


def raises(error: BaseException) -> None:
    raise error


async def test_what_is_quick_is_waited_for(threads: Threads, room: Room) -> None:
    """Its result is there before any other task has had a turn."""
    main = threading.get_ident()
    for _ in range(3):
        assert await threads.run(threading.get_ident) != main
    assert threads._started == 1
    assert room.entered == 0


@pytest.mark.parametrize("threads", [0, 10], indirect=True)
@pytest.mark.parametrize("error", [OSError(5, "x"), TimeoutError(110, "x"), SystemExit()])
async def test_errors(threads: Threads, error: BaseException) -> None:
    """They are raised where the result is awaited, also one that looks like ours."""
    with pytest.raises(type(error)) as raised:
        await threads.run(lambda: raises(error))
    assert raised.value is error
    assert await threads.run(lambda: "well") == "well"


@impatient
async def test_others_go_on(threads: Threads, room: Room) -> None:
    """What takes longer is waited for by its own task only."""
    assert await threads.run(lambda: room.door.wait(60))
    assert (room.entered, room.inside) == (1, 0)


async def test_others_are_let_in_at_once(threads: Threads, room: Room) -> None:
    """If somebody has asked already, nothing is waited for, however quick it is."""
    room.is_asked = True
    assert await threads.run(lambda: room.door.wait(5))
    assert room.entered == 1


async def test_no_patience_with_who_is_slow(
    threads: Threads, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After something slow, nothing is waited for until something was quick again."""
    with monkeypatch.context() as slow:
        slow.setattr("revcrypt.fuse.threads.PATIENCE", 0)
        await threads.run(lambda: room.door.wait(60))
    room.door.clear()
    assert await threads.run(lambda: room.door.wait(60))
    assert room.entered == 2
    await threads.run(int)
    assert room.entered == 2


async def run_at_once(threads: Threads, room: Room, most: int) -> None:
    """Run three things, of which at most *most* at the same time."""
    free = threading.Event()
    results = []

    async def run() -> None:
        results.append(await threads.run(lambda: free.wait(60)))

    room.is_asked = True
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(run)
        await wait_all_tasks_blocked()
        assert (threads._started, room.inside) == (most, 3)
        free.set()
    assert results == [True] * 3


async def test_all_are_busy(threads: Threads, room: Room) -> None:
    """Who comes then waits until one of them is free, and takes no third one."""
    for _ in range(2):
        await run_at_once(threads, room, 2)


async def test_few_stay(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """When there is nothing to do any more, most of them end."""
    monkeypatch.setattr("revcrypt.fuse.threads.SPARE", 1)
    before = threading.active_count()
    threads = Threads(3, room, lambda: room.is_asked)
    for _ in range(2):
        await run_at_once(threads, room, 3)
        assert threads._started == 1
        with trio.fail_after(60):
            while threading.active_count() > before + 1:
                await trio.lowlevel.checkpoint()


async def test_no_thread_can_be_started(
    threads: Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who needs it gets the error, and the next one gets a thread."""
    with monkeypatch.context() as broken:
        broken.setattr(threading.Thread, "start", lambda _: raises(RuntimeError("x")))
        with pytest.raises(RuntimeError):
            await threads.run(int)
    assert await threads.run(lambda: "well") == "well"


async def test_nothing_is_kept(threads: Threads) -> None:
    """Neither what was returned nor an error stays, nor is it garbage to be found."""

    class Kept(Exception):  # noqa: N818 - it is a result, too
        pass

    def fails() -> None:
        raise Kept

    gc.disable()
    try:
        result = weakref.ref(await threads.run(Kept))
        with pytest.raises(Kept) as raised:
            await threads.run(fails)
        error = weakref.ref(raised.value)
        del raised
        with trio.fail_after(60):
            while result() is not None or error() is not None:
                await trio.lowlevel.checkpoint()
    finally:
        gc.enable()


def test_one_that_hangs_keeps_nobody() -> None:
    """The process ends, whatever becomes of the thread."""
    program = """
        import threading, trio
        from contextlib import nullcontext
        from revcrypt.fuse.threads import Threads

        async def main():
            with trio.move_on_after(0.1):
                await Threads(1, nullcontext, bool).run(threading.Event().wait)
            print("at its end")

        trio.run(main)
    """
    words = [sys.executable, "-c", dedent(program)]
    output = subprocess.run(words, check=True, timeout=60, capture_output=True, text=True)
    assert output.stdout == "at its end\n"
