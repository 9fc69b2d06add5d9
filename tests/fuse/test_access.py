"""Who is answered at all, and what the kernel may not answer for us."""

import errno
import inspect
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pyfuse3
import pytest
from pyfuse3 import EntryAttributes, FUSEError

from revcrypt.fuse.access import EVERYBODY, Access
from revcrypt.fuse.entries import TIMEOUT
from revcrypt.fuse.operations import Operations
from tests.fuse.callers import caller
from tests.view.trees import FakeFile, FakeView, fake_attrs, find, reverse_view

ROOT = pyfuse3.ROOT_INODE
INODE = 10
ARGUMENTS = {"inode": INODE, "parent_inode": ROOT, "name": b"a", "flags": os.O_RDONLY}
LIMITED = Access(users=frozenset({7}), groups=frozenset({8}))

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become others")


ALLOWED, STRANGER = caller(7, 9), caller(9, 9)
QUESTIONS = [
    name
    for name, handler in vars(Operations).items()
    if inspect.isfunction(handler) and not name.startswith("_")
    if "ctx" in inspect.signature(handler).parameters
]


@pytest.fixture
def view() -> FakeView:
    """A view with one file, whose inode the kernel knows."""
    return FakeView({b"a": FakeFile(b"content", fake_attrs(INODE, size=7))})


async def known(view: FakeView, access: Access) -> Operations:
    """Return the operations of a view whose file somebody with access has looked up."""
    ops = Operations(view, access=access)
    await ops.lookup(ROOT, b"a", ALLOWED)
    return ops


# Who it is


@pytest.mark.parametrize(
    ("access", "uid", "gid", "permitted"),
    [
        (Access(), 9, 9, False),
        (Access(users=frozenset({7})), 7, 9, True),
        (Access(users=frozenset({7})), 9, 7, False),
        (Access(users=frozenset({6, 7})), 6, 9, True),
        (Access(groups=frozenset({8})), 9, 8, True),
        (Access(groups=frozenset({8})), 8, 9, False),
        (Access(groups=frozenset({0})), 9, 9, False),
        (LIMITED, 7, 9, True),
        (LIMITED, 9, 8, True),
        (LIMITED, 9, 9, False),
        (LIMITED, 0, 0, True),
        (LIMITED, os.geteuid(), 9, True),
    ],
)
def test_users_and_groups(access: Access, uid: int, gid: int, permitted: bool) -> None:
    """One of the users, a member of one of the groups, root, or who serves the view."""
    assert access.permits(caller(uid, gid)) is permitted


@pytest.fixture
def member() -> Iterator[int]:
    """The number of a process of no user of this machine, which is in group 8, too."""
    command = ["cat"]
    ids = {"user": 9, "group": 9, "extra_groups": [10, 8]}
    with subprocess.Popen(command, stdin=subprocess.PIPE, **ids) as process:
        yield process.pid


@needs_root
def test_supplementary_groups(member: int) -> None:
    """A group counts that is only one of several of the process."""
    assert LIMITED.permits(caller(9, 9, member))
    assert not Access(groups=frozenset({11})).permits(caller(9, 9, member))
    assert not Access(users=frozenset({8, 10})).permits(caller(9, 9, member))


def test_process_that_is_gone() -> None:
    """Of whom nobody can tell the groups, he is in none."""
    with subprocess.Popen(["true"]) as process:
        process.wait()
    assert not LIMITED.permits(caller(9, 9, process.pid))
    assert not LIMITED.permits(caller(9, 9, 0))


# What is refused


def test_all_questions_are_known() -> None:
    """What is tested below is all that the kernel asks for somebody."""
    expected = "lookup getattr readlink listxattr getxattr statfs opendir open".split()
    assert sorted(QUESTIONS) == sorted(expected)


@pytest.mark.parametrize("name", QUESTIONS)
async def test_strangers_are_refused(view: FakeView, name: str) -> None:
    """Whoever has no access gets EACCES for everything, and the view is not touched."""
    ops = await known(view, LIMITED)
    handler = getattr(ops, name)
    parameters = [word for word in inspect.signature(handler).parameters if word != "ctx"]
    words = [ARGUMENTS[word] for word in parameters]
    await handler(*words, ALLOWED)
    touched = "lookup attrs readlink list_xattrs get_xattr statvfs entries open".split()
    view.errors = {method: RuntimeError("was touched") for method in touched}
    with pytest.raises(FUSEError) as caught:
        await handler(*words, STRANGER)
    assert caught.value.errno == errno.EACCES


async def test_who_has_opened_may_read(view: FakeView) -> None:
    """A handle is proof enough: the kernel does not say who reads through it."""
    ops = await known(view, LIMITED)
    info = await ops.open(INODE, os.O_RDONLY, ALLOWED)
    assert await ops.read(info.fh, 0, 7) == b"content"


@pytest.mark.parametrize("name", QUESTIONS)
async def test_without_limits_everybody_is_answered(view: FakeView, name: str) -> None:
    """Where nobody is named, it is for the kernel to say who gets in."""
    ops = await known(view, EVERYBODY)
    handler = getattr(ops, name)
    parameters = inspect.signature(handler).parameters
    await handler(*(ARGUMENTS.get(word, STRANGER) for word in parameters))


# What the kernel may remember


async def listing(
    ops: Operations, inode: int, monkeypatch: pytest.MonkeyPatch
) -> dict[bytes, EntryAttributes]:
    """Return what is told of the entries of a directory."""
    entries: dict[bytes, EntryAttributes] = {}

    def reply(_: object, name: bytes, entry: EntryAttributes, next_id: int) -> bool:
        entries[name] = entry
        return True

    monkeypatch.setattr(pyfuse3, "readdir_reply", reply)
    handle = await ops.opendir(inode, ALLOWED)
    await ops.readdir(handle, 0, None)
    return entries


@pytest.mark.parametrize("limited", [True, False])
async def test_the_kernel_asks_at_the_root(
    limited: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It remembers nothing of the root and its entries where it matters who asks.

    Every path leads through there. Below, and where it does not matter, it remembers.
    """
    (tmp_path / "directory").mkdir()
    (tmp_path / "directory" / "file").touch()
    with reverse_view(tmp_path) as view:
        [top] = [child.shown_name for child in view.entries(view.root) if child[1]]
        directory, _ = find(view, top)
        [below] = [child.shown_name for child in view.entries(directory) if child[1]]
        ops = Operations(view, access=LIMITED if limited else EVERYBODY)
        at_root = 0 if limited else TIMEOUT
        assert (await ops.getattr(ROOT, ALLOWED)).attr_timeout == at_root
        entry = await ops.lookup(ROOT, top, ALLOWED)
        assert entry.entry_timeout == at_root
        assert (await ops.lookup(entry.st_ino, below, ALLOWED)).entry_timeout == TIMEOUT
        found = await listing(ops, ROOT, monkeypatch)
        assert {found[name].entry_timeout for name in (top, b"gocryptfs.diriv")} == {
            at_root
        }
        found = await listing(ops, entry.st_ino, monkeypatch)
        assert found[below].entry_timeout == TIMEOUT
