"""Memory after the kernel has forgotten most of what it knew."""

import gc
import time

import pyfuse3
import pytest
import trio
from trio.testing import MockClock

from revcrypt.fuse import operations
from revcrypt.fuse.live import RELIED_ON
from revcrypt.fuse.operations import Operations
from tests.view.trees import FakeFile, FakeView, fake_attrs

ROOT = pyfuse3.ROOT_INODE
CTX = pyfuse3.RequestContext()
NAMES = [b"%d" % number for number in range(100)]

# pytest-trio looks for a clock among what a test itself asks for.


@pytest.fixture
def view() -> FakeView:
    """A view of many files, all of the past."""
    files = [FakeFile(b"", fake_attrs(10 + number)) for number in range(len(NAMES))]
    return FakeView(dict(zip(NAMES, files)))


@pytest.fixture
def collected(
    ops: Operations,
    nursery: trio.Nursery,
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> list[int]:
    """What is still remembered, each time that garbage is looked for."""
    left: list[int] = []

    def collect() -> None:
        recents = ops._live._quiet, ops._live._changing
        left.append(sum(len(recent._new) + len(recent._old) for recent in recents))

    monkeypatch.setattr(time, "monotonic", autojump_clock.current_time)
    monkeypatch.setattr(gc, "collect", collect)
    nursery.start_soon(ops.give_back)
    return left


async def look_at_all(ops: Operations) -> list[tuple[int, int]]:
    """Look up all files, and return what forgets them."""
    return [((await ops.lookup(ROOT, name, CTX)).st_ino, 1) for name in NAMES]


async def test_when_nobody_relies_on_it(
    ops: Operations, collected: list[int], autojump_clock: MockClock
) -> None:
    """What was told a moment ago goes first, and then what it has kept, once."""
    await ops.forget(await look_at_all(ops))
    assert ops._live._quiet
    await trio.sleep(RELIED_ON - 0.1)
    await ops.forget(await look_at_all(ops))
    await trio.sleep(60)
    assert collected == [len(NAMES), 0]
    collected.clear()
    await ops.forget(await look_at_all(ops))
    await trio.sleep(60)
    assert collected == [0]


async def test_not_for_a_few(
    ops: Operations, collected: list[int], autojump_clock: MockClock
) -> None:
    """When the kernel forgets one file or another, nothing happens."""
    for name, forgotten in zip(NAMES, await look_at_all(ops)):
        await ops.forget([forgotten])
        await ops.lookup(ROOT, name, CTX)
    await trio.sleep(60)
    assert collected == []


async def test_not_among_many(
    ops: Operations,
    collected: list[int],
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """To look for garbage among all that is known again would take long."""
    monkeypatch.setattr(operations, "FEW", len(NAMES))
    await ops.forget(await look_at_all(ops))
    await look_at_all(ops)
    await trio.sleep(60)
    assert collected == []
