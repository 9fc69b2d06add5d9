"""Threads for reads: who waits for whom, and for how long."""

import subprocess
import sys
import threading
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


@pytest.fixture
def threads(room: Room, monkeypatch: pytest.MonkeyPatch) -> Threads:
    """Up to two threads, and more patience than a slow machine needs to start one."""
    monkeypatch.setattr("revcrypt.fuse.threads.PATIENCE", 10)
    return Threads(2, room)


@pytest.fixture
def impatient(room: Room, monkeypatch: pytest.MonkeyPatch) -> Threads:
    """Up to two threads, and no patience at all."""
    monkeypatch.setattr("revcrypt.fuse.threads.PATIENCE", 0)
    return Threads(2, room)


def raises(error: BaseException) -> None:
    raise error


async def test_what_is_quick_is_waited_for(threads: Threads, room: Room) -> None:
    """Its result is there before any other task has had a turn."""
    main = threading.get_ident()
    for _ in range(3):
        assert await threads.run(threading.get_ident) != main
    assert threads._started == 1
    assert room.entered == 0


@pytest.mark.parametrize("error", [OSError(5, "x"), TimeoutError(110, "x"), SystemExit()])
async def test_errors(threads: Threads, impatient: Threads, error: BaseException) -> None:
    """They are raised where the result is awaited, also one that looks like ours."""
    for some in (threads, impatient):
        with pytest.raises(type(error)) as raised:
            await some.run(lambda: raises(error))
        assert raised.value is error
        assert await some.run(lambda: "well") == "well"


async def test_others_go_on(impatient: Threads, room: Room) -> None:
    """What takes longer is waited for by its own task only."""
    assert await impatient.run(lambda: room.door.wait(60))
    assert (room.entered, room.inside) == (1, 0)


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


async def test_all_are_busy(impatient: Threads, room: Room) -> None:
    """Who comes then waits until one of them is free, and takes no third one."""
    free = threading.Event()
    results = []

    async def run(task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        task_status.started()
        results.append(await impatient.run(lambda: free.wait(60)))

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            await nursery.start(run)
        await wait_all_tasks_blocked()
        assert (impatient._started, room.inside) == (2, 3)
        free.set()
    assert results == [True] * 3
    assert impatient._started == 2


def test_one_that_hangs_keeps_nobody() -> None:
    """The process ends, whatever becomes of the thread."""
    program = """
        import threading, trio
        from contextlib import nullcontext
        from revcrypt.fuse.threads import Threads

        async def main():
            with trio.move_on_after(0.1):
                await Threads(1, nullcontext).run(threading.Event().wait)
            print("at its end")

        trio.run(main)
    """
    words = [sys.executable, "-c", dedent(program)]
    output = subprocess.run(words, check=True, timeout=60, capture_output=True, text=True)
    assert output.stdout == "at its end\n"
