"""What clients hear of failures, and that the daemon outlives all of them."""

import errno
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pyfuse3
import pytest

from revcrypt import errors
from revcrypt.errors import DataError, RevcryptError
from revcrypt.fuse.operations import Operations
from tests.view.trees import FakeView

ROOT = pyfuse3.ROOT_INODE
CTX = pyfuse3.RequestContext()


@pytest.fixture(autouse=True)
def _kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take all entries of a listing, as a kernel with room for them does."""
    monkeypatch.setattr(pyfuse3, "readdir_reply", lambda *_: True)


ERRNOS: dict[Exception, int] = {
    errors.BadNameError("x"): errno.ENOENT,
    errors.MalformedError("x"): errno.EIO,
    errors.AuthenticationError("x"): errno.EIO,
    errors.SourceChangedError("x"): errno.EIO,
    errors.StaleNodeError("x"): errno.ESTALE,
    errors.NoAttributeError("x"): errno.ENODATA,
    FileNotFoundError(errno.ENOENT, "x"): errno.ENOENT,
    PermissionError(errno.EACCES, "x"): errno.EACCES,
    OSError(errno.ENAMETOOLONG, "x"): errno.ENAMETOOLONG,
    OSError(errno.EIO, "x"): errno.EIO,
    OSError(errno.EMFILE, "x"): errno.EMFILE,
    OSError(errno.ENOSYS, "x"): errno.EIO,
    MemoryError(): errno.ENOMEM,
    OSError("without an errno"): errno.EIO,
}
"""Exceptions that can happen without a mistake in the program."""

MISTAKES: list[Exception] = [
    RuntimeError("x"),
    KeyError("x"),
    AssertionError("x"),
    UnicodeDecodeError("ascii", b"x", 0, 1, "x"),
    RevcryptError("x"),
    errors.UserError("x"),
]


def test_every_data_error_has_an_errno() -> None:
    """A new kind of damage cannot be forgotten in the table above."""
    assert set(DataError.__subclasses__()) <= {type(error) for error in ERRNOS}


@pytest.mark.parametrize("error", ERRNOS, ids=repr)
async def test_failures_become_errnos(
    ops: Operations,
    view: FakeView,
    error: Exception,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each failure has one errno, and only damage is worth a line in the log."""
    await ops.lookup(ROOT, b"a", CTX)
    view.errors["list_xattrs"] = error
    with caplog.at_level(logging.INFO), pytest.raises(pyfuse3.FUSEError) as raised:
        await ops.listxattr(10, CTX)
    assert raised.value.errno == ERRNOS[error]
    is_damage = isinstance(error, DataError) and ERRNOS[error] == errno.EIO
    messages = [(r.levelname, r.getMessage()) for r in caplog.records]
    assert messages == ([("WARNING", "cipher/a: x")] if is_damage else [])


@pytest.mark.parametrize("error", MISTAKES, ids=repr)
async def test_mistakes_are_eio_with_a_traceback(
    ops: Operations,
    view: FakeView,
    error: Exception,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What was not foreseen is EIO for that request, and all is told in the log."""
    view.errors["lookup"] = error
    with pytest.raises(pyfuse3.FUSEError) as raised:
        await ops.lookup(ROOT, b"a", CTX)
    assert raised.value.errno == errno.EIO
    assert_traceback(caplog)


def assert_traceback(caplog: pytest.LogCaptureFixture) -> None:
    [record] = caplog.records
    assert record.levelname == "ERROR"
    assert "Traceback (most recent call last):\n" in record.getMessage()


async def opened(ops: Operations) -> int:
    await ops.lookup(ROOT, b"a", CTX)
    return (await ops.open(10, 0, CTX)).fh


async def do_read(ops: Operations) -> object:
    return await ops.read(await opened(ops), 0, 7)


async def do_release(ops: Operations) -> object:
    return await ops.release(await opened(ops))


async def do_open(ops: Operations) -> object:
    await ops.lookup(ROOT, b"a", CTX)
    return await ops.open(10, 0, CTX)


async def do_readdir(ops: Operations) -> object:
    handle = await ops.opendir(ROOT, CTX)
    await ops.readdir(handle, 0, None)
    return await ops.releasedir(handle)


async def do_forget(ops: Operations) -> object:
    await ops.lookup(ROOT, b"a", CTX)
    return await ops.forget([(10, 1)])


Call = Callable[[Operations], Awaitable[object]]
REPLIES: dict[str, tuple[str, Call]] = {
    "lookup": ("view.lookup", lambda ops: ops.lookup(ROOT, b"a", CTX)),
    "getattr": ("view.attrs", lambda ops: ops.getattr(ROOT, CTX)),
    "readlink": ("view.readlink", lambda ops: ops.readlink(ROOT, CTX)),
    "listxattr": ("view.list_xattrs", lambda ops: ops.listxattr(ROOT, CTX)),
    "getxattr": ("view.get_xattr", lambda ops: ops.getxattr(ROOT, b"user.a", CTX)),
    "opendir": ("view.entries", lambda ops: ops.opendir(ROOT, CTX)),
    "readdir": ("view.child", do_readdir),
    "open": ("view.open", do_open),
    "read": ("file.read", do_read),
    "statfs": ("view.statvfs", lambda ops: ops.statfs(CTX)),
}
SILENT: dict[str, tuple[str, Call]] = {
    "forget": ("view.forget", do_forget),
    "release": ("file.close", do_release),
}
"""Handlers whose failure no client would hear of."""


def break_(view: FakeView, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make one method of the view, or of its file, fail."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a mistake")

    target, name = method.split(".")
    monkeypatch.setattr(view if target == "view" else view.files[b"a"], name, fail)


@pytest.mark.parametrize(("method", "call"), REPLIES.values(), ids=REPLIES)
async def test_no_handler_ends_the_daemon(
    ops: Operations,
    view: FakeView,
    method: str,
    call: Call,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A mistake in any handler is EIO once, and the next request is answered."""
    with monkeypatch.context() as broken:
        break_(view, method, broken)
        with pytest.raises(pyfuse3.FUSEError) as raised:
            await call(ops)
    assert raised.value.errno == errno.EIO
    assert_traceback(caplog)
    await call(ops)


@pytest.mark.parametrize(("method", "call"), SILENT.values(), ids=SILENT)
async def test_no_clean_up_ends_the_daemon(
    ops: Operations,
    view: FakeView,
    method: str,
    call: Call,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A mistake while something is released is logged, and the daemon lives on."""
    with monkeypatch.context() as broken:
        break_(view, method, broken)
        # An errno would be all right too, but nothing else.
        with suppress(pyfuse3.FUSEError):
            await call(ops)
    assert_traceback(caplog)
    await call(ops)


@pytest.mark.parametrize("error", [OSError(errno.EIO, "x"), OSError(errno.ESTALE, "x")])
async def test_errors_of_the_source_s_filesystem_pass(
    ops: Operations, view: FakeView, error: OSError
) -> None:
    """statfs tells the source's own errno."""
    view.errors["statvfs"] = error
    with pytest.raises(pyfuse3.FUSEError) as raised:
        await ops.statfs(CTX)
    assert raised.value.errno == error.errno


@pytest.mark.parametrize(
    "call",
    [
        lambda ops: ops.getattr(99, CTX),
        lambda ops: ops.lookup(99, b"a", CTX),
        lambda ops: ops.open(99, 0, CTX),
        lambda ops: ops.read(99, 0, 10),
        lambda ops: ops.readdir(99, 0, None),
    ],
    ids="getattr lookup open read readdir".split(),
)
async def test_unknown_numbers_are_refused(ops: Operations, call: Call) -> None:
    """A node or handle that the kernel cannot know is an error, not the end."""
    with pytest.raises(pyfuse3.FUSEError):
        await call(ops)
    await ops.release(99)
    await ops.releasedir(99)
    await ops.forget([(99, 1)])


CHANGES = (
    "setattr write mknod mkdir unlink rmdir symlink rename link create "
    "setxattr removexattr"
).split()


@pytest.mark.parametrize("name", CHANGES)
async def test_nothing_can_be_changed(ops: Operations, name: str) -> None:
    """Whatever would change something is refused as on a read-only filesystem."""
    with pytest.raises(pyfuse3.FUSEError) as raised:
        await getattr(ops, name)(ROOT, b"a", CTX)
    assert raised.value.errno == errno.EROFS
