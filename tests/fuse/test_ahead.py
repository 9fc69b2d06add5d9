"""What is looked at before a client asks for it, and when that is used."""

import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from stat import S_ISDIR

import pyfuse3
import pytest

from revcrypt.fuse.ahead import MAX_DIRECTORY_SIZE, STEP, Ahead, Listing
from revcrypt.fuse.entries import AHEAD
from revcrypt.fuse.operations import Operations
from revcrypt.view import mounts
from revcrypt.view.nodes import Node, NodeTable, View
from revcrypt.view.reverse import ReverseView
from tests.clock import later
from tests.view.trees import reverse_view

__all__ = ["later"]

pytestmark = pytest.mark.usefixtures("later")

CTX = pyfuse3.RequestContext()
NAMES = [b"ccc", b"a", b"ddd", b"bb", b"e"]
FILES = 2 * STEP + 1

Walker = Callable[[list[Node]], list[Node]]
ORDERS: dict[str, Walker] = {
    "as listed": lambda nodes: nodes,
    "sorted": lambda nodes: sorted(nodes, key=lambda node: node.shown_name),
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return five directories, two levels deep, with some files in each."""
    for name in NAMES:
        for directory in (name, name + b"/" + name):
            path = tmp_path / directory.decode()
            path.mkdir()
            for number in range(FILES):
                (path / f"file {number}").write_bytes(bytes(number))
    return tmp_path


@pytest.fixture
def view(source: Path) -> Iterator[ReverseView]:
    with reverse_view(source) as view:
        yield view


@pytest.fixture
def ops(view: ReverseView) -> Operations:
    return Operations(view)


@pytest.fixture
def nodes(ops: Operations) -> NodeTable:
    return ops._nodes


@pytest.fixture
def ahead(ops: Operations) -> Ahead:
    return ops.ahead


def report(view: View, ahead: Ahead, node: Node) -> list[Node]:
    """Do what is done when all of *node* is reported; return the directories in it."""
    found = [view.child(node, child) for child in view.entries(node)]
    directories = [
        ahead._nodes.remember(child) for child, attrs in found if S_ISDIR(attrs.mode)
    ]
    ahead.listed(node, directories)
    return directories


def steps(ahead: Ahead) -> int:
    """Let it look at everything that it wants to; return how often it has."""
    return sum(1 for _ in iter(ahead.step, False))


def names(listing: Listing | None) -> list[bytes]:
    assert listing is not None
    return [child.shown_name for child in listing.children]


@pytest.mark.parametrize("order", ORDERS)
def test_a_walk_finds_everything_at_hand(
    view: ReverseView, ahead: Ahead, order: str
) -> None:
    """From the second directory on, in depth, each is listed before it is opened."""
    hits = []

    def walk(node: Node) -> None:
        listing = ahead.opened(node)
        hits.append(listing is not None)
        if listing is not None:
            assert names(listing) == [child.shown_name for child in view.entries(node)]
            assert len(listing.found) == len(listing.children)
            for child, found in zip(listing.children, listing.found, strict=True):
                assert found is not None
                node_now, attrs_now = view.child(node, child)
                assert (found[0].inode, found[1]) == (node_now.inode, attrs_now)
                assert found[2].st_ino == node_now.inode
        directories = report(view, ahead, node)
        steps(ahead)
        for directory in ORDERS[order](directories):
            walk(directory)

    walk(view.root)
    # The root is the first, and what order it will be is not known at once.
    assert len(hits) == 11
    assert sum(hits) >= 9


def test_who_walks_in_no_order_is_left_alone(view: ReverseView, ahead: Ahead) -> None:
    """Nothing is looked at for a client that cannot be foreseen."""
    directories = report(view, ahead, view.root)
    for directory in (directories[1], directories[0], directories[3]):
        ahead.opened(directory)
        ahead.listed(directory, [])
        assert steps(ahead) == 0


def begun(view: ReverseView, ahead: Ahead) -> Node:
    """Let it look at a directory ahead; return that one."""
    [first, *_] = report(view, ahead, view.root)
    assert steps(ahead) > 2
    return first


def test_a_request_in_between_finds_what_is_there_so_far(
    view: ReverseView, ahead: Ahead
) -> None:
    [first, *_] = report(view, ahead, view.root)
    assert ahead.step()
    assert ahead.step()
    listing = ahead.opened(first)
    assert listing is not None
    assert len(listing.found) == STEP < len(listing.children)
    assert steps(ahead) == 0, "nothing is looked at twice"


def test_only_what_is_fresh_counts(
    view: ReverseView, ahead: Ahead, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = begun(view, ahead)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + AHEAD)
    assert ahead.opened(first) is None


def test_only_a_directory_that_has_not_changed_counts(
    view: ReverseView, ahead: Ahead, source: Path
) -> None:
    first = begun(view, ahead)
    (source / first.backing_name.decode() / "new").touch()
    assert ahead.opened(first) is None


def test_what_changed_a_moment_ago_is_not_looked_at(
    view: ReverseView, ahead: Ahead, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its times would not tell that it has changed once more."""
    directories = report(view, ahead, view.root)
    attrs = view.attrs(directories[0])
    monkeypatch.setattr(time, "time_ns", lambda: attrs.ctime_ns + 1_000_000_000)
    steps(ahead)
    assert ahead.opened(directories[0]) is None


def test_another_directory_gets_nothing(view: ReverseView, ahead: Ahead) -> None:
    directories = report(view, ahead, view.root)
    steps(ahead)
    assert ahead.opened(directories[1]) is None
    assert ahead.opened(directories[0]) is None, "it was let go"


def test_no_other_disk_is_touched(
    view: ReverseView, ahead: Ahead, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that hangs would stop everybody, though nobody has asked for it."""
    mount = b"file 0"
    monkeypatch.setattr(view, "may_wait", lambda child: child.backing_name == mount)
    first = begun(view, ahead)
    touched = []
    monkeypatch.setattr(view, "child", lambda *args: touched.append(args))
    listing = ahead.opened(first)
    assert listing is not None
    place = [child.backing_name for child in listing.children].index(mount)
    assert len(listing.found) == place
    assert not touched


def test_a_mount_is_such_a_disk(
    view: ReverseView, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the view knows of mounts tells what is not looked at."""
    [child, *_] = view.entries(view.root)
    assert not view.may_wait(child)
    mountinfo = tmp_path / "mountinfo"
    mountpoint = bytes(source / child.backing_name.decode())
    mountinfo.write_bytes(b"36 35 0:50 / %b rw - nfs4 host:/ rw\n" % mountpoint)
    monkeypatch.setattr(mounts, "MOUNTINFO", str(mountinfo))
    view.mounts.refresh()
    assert view.may_wait(child)


def test_a_huge_directory_is_not_looked_at(
    view: ReverseView, ahead: Ahead, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Listing it takes long, and a client might ask for something else meanwhile."""
    real = view.attrs
    monkeypatch.setattr(
        view, "attrs", lambda node: real(node)._replace(size=MAX_DIRECTORY_SIZE + 1)
    )
    [first, *_] = report(view, ahead, view.root)
    steps(ahead)
    assert ahead.opened(first) is None


def test_what_is_forgotten_is_left_alone(
    view: ReverseView, ahead: Ahead, nodes: NodeTable
) -> None:
    """It is not held in memory for a walk that may never go on."""
    [first, *_] = report(view, ahead, view.root)
    ahead.opened(first)
    ahead.listed(first, [])
    for child in view.entries(view.root):
        nodes.forget(view.child(view.root, child)[0].inode, 1)
    ahead.listed(first, [])
    assert steps(ahead) == 0


def test_errors_are_left_to_who_asks(
    view: ReverseView, ahead: Ahead, source: Path
) -> None:
    [first, *_] = report(view, ahead, view.root)
    old = source / first.backing_name.decode()
    old.rename(source / "elsewhere")
    assert steps(ahead) == 1
    assert ahead.opened(first) is None


def test_a_mistake_ends_nothing(
    view: ReverseView,
    ahead: Ahead,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It happens in the loop that all requests come through."""

    def broken(*_: object) -> None:
        raise KeyError("a bug")

    report(view, ahead, view.root)
    monkeypatch.setattr(view, "entries", broken)
    assert steps(ahead) == 1
    assert "looking ahead" in caplog.text


class Buffer(dict[bytes, tuple[int, int, int]]):
    """What was reported: inode, size and mode by name."""

    def reply(
        self, _: object, name: bytes, entry: pyfuse3.EntryAttributes, __: int
    ) -> bool:
        self[name] = entry.st_ino, entry.st_size, entry.st_mode
        return True


@pytest.mark.parametrize("taken", [0, 1, 2, 3, 100])
async def test_listings_are_the_same_with_and_without(
    source: Path, monkeypatch: pytest.MonkeyPatch, taken: int
) -> None:
    """Whatever was looked at ahead, and what has gone since, a client sees one truth."""
    pictures = [await picture(source, monkeypatch, steps) for steps in (0, taken)]
    assert pictures[0] == pictures[1]
    assert len(pictures[0]) == 11
    assert all(one != other for one, other in pairwise(pictures[0]))


async def picture(
    source: Path, monkeypatch: pytest.MonkeyPatch, taken: int
) -> list[dict[bytes, tuple[int, int, int]]]:
    """Return all listings, with *taken* steps ahead after each."""
    listings, directories = [], [pyfuse3.ROOT_INODE]
    with reverse_view(source) as view:
        ops = Operations(view)
        while directories:
            buffer = Buffer()
            monkeypatch.setattr(pyfuse3, "readdir_reply", buffer.reply)
            handle = await ops.opendir(directories.pop(0), CTX)
            await ops.readdir(handle, 0, None)
            await ops.releasedir(handle)
            for dots in (b".", b".."):
                del buffer[dots]
            listings.append(dict(buffer))
            inner = [inode for inode, _, mode in buffer.values() if S_ISDIR(mode)]
            directories = inner + directories
            for _ in range(taken):
                ops.ahead.step()
    return listings


def test_nothing_is_opened_for_what_was_forgotten(
    view: ReverseView, ahead: Ahead, nodes: NodeTable
) -> None:
    """What the kernel has forgotten would be kept for ever, so it is not begun."""
    ahead.opened(view.root)
    directories = report(view, ahead, view.root)
    kept = len(view.source._dir_fds)
    following = ahead._next
    assert following in directories
    for node in directories:
        assert nodes.forget(node.inode, 1) is node
    assert steps(ahead) == 0
    assert ahead._listing is None
    assert len(view.source._dir_fds) <= kept
    assert following not in view.source._dir_fds
