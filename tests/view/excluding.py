"""Views that leave things out, and what can be seen of them."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from errno import EIO
from pathlib import Path
from stat import S_ISDIR

import pytest

from revcrypt.format.config import Features
from revcrypt.view.exclude import Exclude, literal_path
from revcrypt.view.filter_rules import FilterRules
from revcrypt.view.gitignore import GitIgnore, Line
from revcrypt.view.nodes import Attrs, Child, Node, join
from revcrypt.view.reverse import ReverseView
from tests.view.trees import ENCRYPTED, reverse_view


def excluding_view(
    directory: Path, exclude: Exclude, features: Features = ENCRYPTED
) -> AbstractContextManager[ReverseView]:
    """Show *directory* encrypted, and not all of it."""
    return reverse_view(directory, features, exclude)


def make_tree(tmp_path: Path) -> Path:
    """Make a tree with places to mount on, and names to leave out."""
    tree = tmp_path / "tree"
    for name in ("bad", "dir/bad", "dir/file", "dir/sub/file", "other/file"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(name)
    return tree


def paths(*names: bytes) -> dict[bytes, str]:
    """Return paths to leave out, as `Exclude` has them."""
    return {literal_path(name): f"exclude={os.fsdecode(name)}" for name in names}


def ignore(*patterns: bytes) -> GitIgnore:
    """Understand lines of `.gitignore`."""
    return GitIgnore([Line("list", pattern) for pattern in patterns])


def rules(*lines: bytes) -> FilterRules:
    """Understand ordered rules."""
    return FilterRules([Line("rules", line) for line in lines])


def seen(view: ReverseView) -> set[str]:
    """Return the paths of all that is shown of the source, from the root on.

    A virtual file that belongs to an entry, as `.name` files do, counts as `PATH@name`,
    one that belongs to a directory as `PATH/@diriv`, and the config as `@conf`. Listing
    and lookup must agree.
    """
    return {os.fsdecode(path) for path in _below(view, view.root)}


def _below(view: ReverseView, directory: Node) -> Iterator[bytes]:
    path = directory.backing_path()
    for child in view.entries(directory):
        found = show(view, directory, child)
        if found is None:
            continue
        node, attrs = found
        if child.content is not None or not child.backing_name:
            virtual = b"@" + child.shown_name.rpartition(b".")[2]
            yield join(path, child.backing_name + virtual)
            continue
        yield join(path, child.backing_name)
        if S_ISDIR(attrs.mode):
            yield from _below(view, node)


def show(view: ReverseView, parent: Node, child: Child) -> tuple[Node, Attrs] | None:
    """Return an entry of a listing, or None if it is hidden there and from lookup."""
    try:
        node, attrs = view.child(parent, child)
    except FileNotFoundError:
        with pytest.raises(FileNotFoundError):
            view.lookup(parent, child.shown_name)
        return None
    _, looked_up = view.lookup(parent, child.shown_name)
    assert looked_up.inode == attrs.inode
    return node, attrs


def break_stat(
    view: ReverseView, monkeypatch: pytest.MonkeyPatch, broken: bytes = b""
) -> list[bytes]:
    """Note whose status is asked for, and let that of one name be an error."""
    asked: list[bytes] = []
    stat_entry = view.source.stat_entry

    def stat(parent: Node, name: bytes) -> os.stat_result:
        asked.append(name)
        if name == broken:
            raise OSError(EIO, "Input/output error")
        return stat_entry(parent, name)

    monkeypatch.setattr(view.source, "stat_entry", stat)
    return asked
