"""The guard: what nobody has foreseen is logged once, counted, and survived."""

import errno
import json
import logging
import os
import socket

import pyfuse3
import pytest

from revcrypt.errors import AuthenticationError
from revcrypt.fuse import status
from revcrypt.fuse.access import Access
from revcrypt.fuse.loop import EagerTrio
from revcrypt.fuse.mistakes import Mistakes
from revcrypt.fuse.operations import Operations
from tests.fuse.callers import caller
from tests.view.trees import FakeView

ROOT = pyfuse3.ROOT_INODE
CTX = pyfuse3.RequestContext()
SECRET = b"a plain name"


async def fails(ops: Operations, number: int = errno.EIO) -> None:
    """Ask for something, which must fail."""
    with pytest.raises(pyfuse3.FUSEError) as raised:
        await ops.lookup(ROOT, b"a", CTX)
    assert raised.value.errno == number


async def test_the_same_mistake_is_logged_once(
    ops: Operations, view: FakeView, caplog: pytest.LogCaptureFixture
) -> None:
    """A mistake in every request does not fill the log; another one is told, too."""
    for _ in range(1000):
        view.errors["lookup"] = KeyError("x")
        await fails(ops)
    assert len(caplog.records) == 1
    view.errors["lookup"] = RuntimeError("x")
    await fails(ops)
    assert len(caplog.records) == 2
    assert ops.mistakes.count == 1001
    del view.errors["lookup"]
    await ops.lookup(ROOT, b"a", CTX)


def test_there_is_an_end_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """However many different mistakes there are, all are counted."""
    mistakes = Mistakes()
    for number in range(1000):
        mistakes.note(f"request {number}", RuntimeError())
    assert len(caplog.records) < 1000
    assert mistakes.count == 1000


async def test_a_traceback_has_no_plain_names(
    ops: Operations, view: FakeView, caplog: pytest.LogCaptureFixture
) -> None:
    """The message of an exception is for --debug; what helps to find a bug is not."""
    view.errors["lookup"] = KeyError(SECRET)
    await fails(ops)
    [record] = caplog.records
    assert "lookup failed" in record.getMessage()
    assert "KeyError" in record.getMessage()
    assert 'trees.py", line' in record.getMessage()
    assert SECRET.decode() not in record.getMessage()
    with caplog.at_level(logging.DEBUG):
        await fails(ops)
    assert SECRET.decode() in caplog.records[-1].getMessage()


async def test_failing_to_tell_of_a_failure(
    ops: Operations, view: FakeView, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where even the path for the log cannot be had, the answer is an errno."""
    view.errors["lookup"] = AuthenticationError("x")

    def fail(_: object) -> bytes:
        raise RuntimeError("x")

    monkeypatch.setattr(view, "cipher_path", fail)
    await fails(ops)
    assert ops.mistakes.count == 1


def test_looking_ahead_ends_nothing(
    ops: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake in what is done between two requests is noted, and not repeated."""

    def fail() -> None:
        raise RuntimeError("x")

    monkeypatch.setattr(ops.ahead, "_steps", iter(fail, None))
    assert ops.ahead.step()
    assert ops.mistakes.count == 1
    assert not ops.ahead.step()


def test_mounts_that_cannot_be_read_are_read_again() -> None:
    """Without a descriptor left, the loop goes on, and tries again with each request."""
    outcomes = iter([OSError(errno.EMFILE, "x"), OSError(errno.EMFILE, "x"), None])
    looks = []

    def look() -> None:
        looks.append(True)
        outcome = next(outcomes)
        if outcome is not None:
            raise outcome

    news, sender = socket.socketpair()
    requests, client = socket.socketpair()
    with news, sender, requests, client:
        eager = EagerTrio(news.fileno(), look)
        eager._poll.register(requests.fileno())
        client.send(b"request")
        sender.send(b"!", socket.MSG_OOB)
        assert eager._has_request(requests.fileno(), 0)
        news.recv(1, socket.MSG_OOB)
        for _ in range(4):
            assert eager._has_request(requests.fileno(), 0)
    assert len(looks) == 3
    assert eager.mistakes.count == 2


async def test_what_is_counted(ops: Operations, view: FakeView) -> None:
    """Requests by kind, errors by errno, content by bytes, and what is open now."""
    await ops.lookup(ROOT, b"a", CTX)
    info = await ops.open(10, os.O_RDONLY, CTX)
    await ops.opendir(ROOT, CTX)
    await ops.read(info.fh, 2, 3)
    with pytest.raises(pyfuse3.FUSEError):
        await ops.lookup(ROOT, b"b", CTX)
    with pytest.raises(pyfuse3.FUSEError):
        await ops.open(10, os.O_RDWR, CTX)
    view.errors["attrs"] = KeyError("x")
    with pytest.raises(pyfuse3.FUSEError):
        await ops.getattr(10, CTX)
    told = json.loads(await ops.getxattr(ROOT, status.ATTRIBUTE, caller(0, 0)))
    requests = {"getattr": 1, "getxattr": 1, "lookup": 2, "open": 2}
    requests |= {"opendir": 1, "read": 1}
    assert told["requests"] == requests
    assert told["errors"] == {"ENOENT": 1, "EIO": 1, "EROFS": 1}
    assert (told["failures"], told["mistakes"]) == (1, 1)
    assert told["content_bytes"] == 3
    assert told["since"] <= told["last_read"]
    assert (told["known_entries"], told["open_files"]) == (2, 1)
    assert told["open_directories"] == 1


async def test_strangers_are_no_failures(view: FakeView) -> None:
    """Who is kept out cannot make the last pull look bad."""
    ops = Operations(view, access=Access(users=frozenset({7})))
    for _ in range(3):
        with pytest.raises(pyfuse3.FUSEError):
            await ops.lookup(ROOT, b"a", caller(9, 9))
    assert (ops.tally.refused, ops.tally.failures) == (3, 0)
    view.errors["lookup"] = PermissionError(errno.EACCES, "x")
    with pytest.raises(pyfuse3.FUSEError):
        await ops.lookup(ROOT, b"a", caller(7, 9))
    assert ops.tally.failures == 1
