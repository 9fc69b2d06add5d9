"""The cache of names: right whatever was forgotten, and bounded."""

from pathlib import Path
from random import Random

import pytest

from revcrypt.view import name_cache
from revcrypt.view.reverse import ReverseView
from tests.view.trees import at, find, picture, reverse_view

DIRECTORIES = 30
NAMES = 5
SMALL = 100


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return more directories, with long names too, than the cache may hold."""
    monkeypatch.setattr(name_cache, "MAX_NAMES", SMALL)
    for number in range(DIRECTORIES):
        directory = tmp_path / f"dir {number}"
        directory.mkdir()
        for name in [f"{number}", f"{number}" + "long" * 50, *"abc"]:
            (directory / name).write_text(f"{number} {name}")
    return tmp_path


def kept(view: ReverseView) -> int:
    """Return how many names the cache holds."""
    return sum(len(names.shown) + 1 for names in view._names._directories.values())


def test_names_are_right_after_eviction(tree: Path) -> None:
    """Forgotten names are computed or looked for again, in whatever order."""
    with reverse_view(tree) as view:
        paths = list(picture(view))
        assert len(paths) == 1 + DIRECTORIES * (1 + NAMES + 2)
        Random(4).shuffle(paths)
        for path in paths:
            assert find(view, path)[0].shown_path() == path


def test_what_is_gone_is_not_found(tree: Path) -> None:
    """A cached name does not bring back a file that was deleted."""
    with reverse_view(tree) as view:
        for name in ("0", "0" + "long" * 50):
            path = at(view, f"dir 0/{name}".encode()).shown_path()
            find(view, path)
            (tree / "dir 0" / name).unlink()
            with pytest.raises(FileNotFoundError):
                find(view, path)


def test_a_long_name_that_is_new_is_found(tree: Path) -> None:
    """A hashed name that was made after a listing is looked for in the directory."""
    with reverse_view(tree) as other, reverse_view(tree) as view:
        directory = at(view, b"dir 1")
        view.entries(directory)
        (tree / "dir 1" / ("new " * 50)).touch()
        shown = at(other, b"dir 1/" + b"new " * 50).shown_name
        assert view.lookup(directory, shown)[0].backing_name == b"new " * 50
        assert view.lookup(directory, shown + b".name")[1].size == 278


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("by_lookup", [False, True])
def test_the_cache_is_bounded(tree: Path, *, known: bool, by_lookup: bool) -> None:
    """No more names are kept than allowed, besides those of the latest directories.

    Also if a little of each directory was known before it was listed, and if the parent
    is looked at in between, as a walk through a tree does.
    """
    with reverse_view(tree) as view, reverse_view(tree) as other:
        nodes = [at(other, b"dir %d" % number) for number in range(DIRECTORIES)]
        view.entries(view.root)
        if known:
            for node in nodes:
                view.lookup(node, at(other, node.backing_name + b"/a").shown_name)
        for node in nodes:
            if by_lookup:
                view.lookup(view.root, node.shown_name)
            view.entries(node)
        assert kept(view) <= SMALL + NAMES + 1


def test_names_of_deleted_files_are_forgotten(tmp_path: Path) -> None:
    """A directory that files come and go in does not make the cache grow for ever."""
    with reverse_view(tmp_path) as view:
        for round_ in range(4):
            files = [tmp_path / f"{round_} {number}" for number in range(600)]
            for file in files:
                file.touch()
            assert len(view.entries(view.root)) == 601
            for file in files:
                file.unlink()
        view.entries(view.root)
        assert kept(view) <= 1200


def test_what_nobody_knows_is_dropped(tree: Path) -> None:
    """A directory that the kernel has forgotten takes its names with it."""
    with reverse_view(tree) as view:
        nodes = [at(view, b"dir %d" % number) for number in range(5)]
        before = kept(view)
        for node in nodes:
            view.entries(node)
        assert kept(view) == before + 5 * (NAMES + 1)
        for node in nodes:
            view.forget(node)
        assert kept(view) == before
        assert len(view.entries(nodes[0])) == NAMES + 2


def test_what_nobody_knows_is_dropped_after_a_rename(tree: Path) -> None:
    """Names are not kept for paths that a directory, or one above it, has had."""
    (tree / "above").mkdir()
    (tree / "dir 0").rename(tree / "above" / "below")
    with reverse_view(tree) as view:
        above = at(view, b"above")
        [below] = [
            view.child(above, child)[0]
            for child in view.entries(above)
            if child.content is None
        ]
        view.entries(below)
        (tree / "above").rename(tree / "renamed")
        above.move_to(at(view, b"renamed"))
        assert view.entries(below)
        view.forget(below)
        view.forget(above)
        assert len(view._names._directories) == 1, "the root's"
