"""A source whose owner swaps things under the view."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from revcrypt.errors import SourceError, StaleNodeError
from revcrypt.view.nodes import Child, Node, View
from revcrypt.view.reverse import ReverseView
from revcrypt.view.source import Source
from tests.view.trees import (
    PLAINTEXT,
    at,
    content,
    find,
    forward_view,
    reverse_view,
    unseal,
)

SECRET = b"the secret"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a tree, with another of the same names and secret content beside it."""
    for root, text in (("tree", b"harmless"), ("secret", SECRET)):
        (tmp_path / root / "dir" / "sub").mkdir(parents=True)
        (tmp_path / root / "dir" / "file").write_bytes(text)
        (tmp_path / root / "dir" / "sub" / "file").write_bytes(text)
        os.symlink(text, tmp_path / root / "dir" / "link")
        os.setxattr(tmp_path / root / "dir" / "file", "user.text", text)
    return tmp_path / "tree"


Nodes = dict[str, Node]
Swap = Callable[[Path], None]
Show = Callable[..., AbstractContextManager[View]]


def look_up(view: ReverseView) -> Nodes:
    """Return what is known before anything is swapped."""
    names = ["dir", "dir/file", "dir/link", "dir/sub/file"]
    return {name: at(view, name.encode()) for name in names}


def close_directories(view: ReverseView, nodes: Nodes) -> None:
    """Close the descriptors that lead to where the nodes were."""
    for found in nodes.values():
        node: Node | None = found
        while node is not None:
            view.forget(node)
            node = node.parent


USES: dict[str, Callable[[ReverseView, Nodes], object]] = {
    "open": lambda view, nodes: content(view, nodes["dir/file"]),
    "open below": lambda view, nodes: content(view, nodes["dir/sub/file"]),
    "stat": lambda view, nodes: view.attrs(nodes["dir"]),
    "stat in it": lambda view, nodes: view.attrs(nodes["dir/file"]),
    "readlink": lambda view, nodes: view.readlink(nodes["dir/link"]),
    "list attributes": lambda view, nodes: view.list_xattrs(nodes["dir/file"]),
    "get attribute": lambda view, nodes: view.get_xattr(
        nodes["dir/file"], view._volume.names.encrypt_xattr(b"user.text")
    ),
    "list": lambda view, nodes: view.entries(nodes["dir"]),
    "look up": lambda view, nodes: view.lookup(
        nodes["dir"], nodes["dir/file"].shown_name
    ),
    "child": lambda view, nodes: view.child(nodes["dir"], Child(b"shown", b"file")),
}


def swap_for_link(directory: Path) -> None:
    directory.rename(directory.parent / "away")
    os.symlink(directory.parent.parent / "secret" / "dir", directory)


def swap_for_directory(directory: Path) -> None:
    directory.rename(directory.parent / "away")
    (directory.parent.parent / "secret" / "dir").rename(directory)


def swap_for_link_to_itself(directory: Path) -> None:
    directory.rename(directory.parent.parent / "away")
    os.symlink("../away", directory)


both_swaps = pytest.mark.parametrize(
    "swap", [swap_for_link, swap_for_directory, swap_for_link_to_itself]
)


@both_swaps
@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_swapped_directory_is_not_entered(
    tree: Path, use: Callable[[ReverseView, Nodes], object], swap: Swap
) -> None:
    """A directory that gives way to a link or another one is stale, for every use."""
    with reverse_view(tree) as view:
        nodes = look_up(view)
        use(view, nodes)
        close_directories(view, nodes)
        swap(tree / "dir")
        with pytest.raises(StaleNodeError):
            use(view, nodes)


@both_swaps
def test_an_open_directory_leads_to_its_old_place(tree: Path, swap: Swap) -> None:
    """What the view still has open shows what it showed before, or nothing."""
    with reverse_view(tree) as view:
        nodes = look_up(view)
        before = view.readlink(nodes["dir/link"])
        swap(tree / "dir")
        assert unseal(content(view, nodes["dir/file"])) == b"harmless"
        assert view.readlink(nodes["dir/link"]) == before
        with pytest.raises(StaleNodeError):
            view.entries(nodes["dir"])


def test_a_link_is_looked_up_as_a_link(tree: Path) -> None:
    """Looked up anew, a directory that gave way to a link is a link, to nowhere."""
    with reverse_view(tree) as view:
        swap_for_link(tree / "dir")
        node = at(view, b"dir")
        assert view.attrs(node).mode == 0o120777
        with pytest.raises((StaleNodeError, NotADirectoryError)):
            view.entries(node)
        with pytest.raises((StaleNodeError, NotADirectoryError)):
            view.child(node, Child(b"shown", b"file"))


def by_file(path: Path) -> None:
    path.write_bytes(SECRET)


def by_link(path: Path) -> None:
    path.symlink_to(path.parent.parent.parent / "secret" / "dir" / "file")


def by_directory(path: Path) -> None:
    path.mkdir()


def by_fifo(path: Path) -> None:
    os.mkfifo(path)


both_views = pytest.mark.parametrize("show", [reverse_view, forward_view])


@both_views
@pytest.mark.parametrize("replace", [by_file, by_link, by_directory, by_fifo])
def test_a_replaced_file_is_not_used(tree: Path, replace: Swap, show: Show) -> None:
    """A file that gives way to anything between lookup and open is stale."""
    with show(tree, PLAINTEXT) as view:
        node, _ = find(view, b"dir/file")
        (tree / "dir" / "file").rename(tree / "away")
        replace(tree / "dir" / "file")
        with pytest.raises(StaleNodeError):
            view.attrs(node)
        with pytest.raises(StaleNodeError if replace is by_file else PermissionError):
            view.open(node)
        with pytest.raises(StaleNodeError):
            view.list_xattrs(node)


@both_views
@pytest.mark.parametrize("replace", [by_link, by_directory, by_fifo])
def test_a_reused_inode_number_opens_nothing(
    tree: Path, replace: Swap, show: Show
) -> None:
    """Where a link gets the number of the file it replaced, it is still not followed."""
    with show(tree, PLAINTEXT) as view:
        node, _ = find(view, b"dir/file")
        (tree / "dir" / "file").unlink()
        replace(tree / "dir" / "file")
        with pytest.raises((StaleNodeError, PermissionError)):
            view.open(node)


@both_views
@pytest.mark.parametrize("replace", [by_link, by_directory, by_fifo])
def test_a_reused_inode_number_is_another_object(
    tree: Path, replace: Swap, show: Show
) -> None:
    """What has its number, but is of another kind, is stale; the kernel would say EIO."""
    with show(tree, PLAINTEXT) as view:
        node, _ = find(view, b"dir/file")
        (tree / "dir" / "file").unlink()
        replace(tree / "dir" / "file")
        # As ext4 does it now and then.
        node.source_inode = os.lstat(tree / "dir" / "file").st_ino
        with pytest.raises(StaleNodeError):
            view.attrs(node)


def test_a_config_that_becomes_a_link_is_not_followed(tree: Path) -> None:
    """The config is shown in clear, so nothing else may take its place."""
    config = tree / ".gocryptfs.reverse.conf"
    config.write_text("the config")
    with reverse_view(tree) as view:
        config.unlink()
        config.symlink_to("../secret/dir/file")
        node, attrs = view.lookup(view.root, b"gocryptfs.conf")
        assert (content(view, node), attrs.size) == (b"the config", 10)


def test_a_config_that_is_a_link_is_not_shown(tree: Path) -> None:
    """Nor may a link be there from the start."""
    (tree / ".gocryptfs.reverse.conf").symlink_to("../secret/dir/file")
    with pytest.raises(OSError, match="not a regular file"), reverse_view(tree):
        pass


def test_the_root_stays_where_it_was_opened(tree: Path) -> None:
    """A root that is swapped for a link is still the directory that was named."""
    with reverse_view(tree) as view:
        tree.rename(tree.parent / "away")
        os.symlink("secret", tree)
        assert unseal(content(view, at(view, b"dir/file"))) == b"harmless"


@pytest.mark.parametrize("name", ["absent", "dir/file", "dir/link"])
def test_a_source_that_is_no_directory_is_refused(tree: Path, name: str) -> None:
    """A missing directory, a file or a dangling link is an error with a hint."""
    with pytest.raises(SourceError) as error:
        Source(os.fsencode(tree / name))
    assert error.value.hint
