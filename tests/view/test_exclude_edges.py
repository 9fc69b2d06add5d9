"""What is left out of a reverse view: errors, reasons, and what the options say."""

import os
from errno import EIO, ENOENT
from pathlib import Path

import pytest

from revcrypt.errors import FilterError
from revcrypt.format.config import Features
from revcrypt.view.exclude import Exclude, literal_path, parse_size
from tests.view.excluding import (
    break_stat,
    excluding_view,
    ignore,
    make_tree,
    paths,
    rules,
    seen,
    show,
)
from tests.view.trees import ALL_FEATURES, at, reverse_view


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a tree with places to mount on, and names to exclude."""
    return make_tree(tmp_path)


@pytest.mark.parametrize("features", ALL_FEATURES.values(), ids=ALL_FEATURES)
def test_an_excluded_path_is_never_touched(
    tree: Path, monkeypatch: pytest.MonkeyPatch, features: Features
) -> None:
    """Nobody asks for the status of what is excluded by its path: its disk may hang."""
    exclude = Exclude(paths=paths(b"/bad"), caches=True, nodump=True, if_present=[b"no"])
    with excluding_view(tree, exclude, features) as view:
        assert at(view, b"dir/bad").inode
        asked = break_stat(view, monkeypatch)
        [child] = [c for c in view.entries(view.root) if c.backing_name == b"bad"]
        assert show(view, view.root, child) is None
        assert b"bad" not in asked
        assert view.lookup(view.root, at(view, b"dir").shown_name)
        assert b"dir" in asked


@pytest.mark.parametrize(
    ("exclude", "is_hidden"),
    [
        (Exclude(), False),
        (Exclude(ignore=ignore(b"other")), False),
        (Exclude(rules=rules(b"+ bad", b"- *")), False),
        (Exclude(ignore=ignore(b"bad")), True),
        (Exclude(ignore=ignore(b"bad/")), True),
        (Exclude(rules=rules(b"- bad/")), True),
        (Exclude(rules=rules(b"+ bad/", b"- *")), True),
        (Exclude(special=True, larger_than=0, nodump=True), False),
    ],
)
def test_what_cannot_be_looked_at_is_hidden_or_an_error(
    tree: Path, monkeypatch: pytest.MonkeyPatch, exclude: Exclude, is_hidden: bool
) -> None:
    """An entry without a status is hidden if it would be as anything; else an error."""
    with excluding_view(tree, exclude) as view:
        [child] = [c for c in view.entries(view.root) if c.backing_name == b"bad"]
        break_stat(view, monkeypatch, b"bad")
        expected = FileNotFoundError if is_hidden else OSError
        with pytest.raises(expected) as listed:
            view.child(view.root, child)
        with pytest.raises(expected) as looked_up:
            view.lookup(view.root, child.shown_name)
    errno = ENOENT if is_hidden else EIO
    assert (listed.value.errno, looked_up.value.errno) == (errno, errno)


def test_an_error_is_that_of_one_entry(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others of a directory are shown although one of them cannot be looked at."""
    with excluding_view(tree, Exclude(ignore=ignore(b"file"))) as view:
        break_stat(view, monkeypatch, b"bad")
        for child in view.entries(view.root):
            if child.backing_name != b"bad":
                assert show(view, view.root, child) is not None


def test_a_marker_that_cannot_be_looked_at_hides_nothing_silently(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is unknown whether a directory is marked, its entries are errors."""
    with excluding_view(tree, Exclude(if_present=[b".nobackup"])) as view:
        children = [child for child in view.entries(view.root) if child.backing_name]
        break_stat(view, monkeypatch, b".nobackup")
        for child in children:
            with pytest.raises(OSError, match="Input/output error"):
                view.child(view.root, child)


def test_several_markers_stay(tree: Path) -> None:
    """Every marker stays visible, so that a restored directory is marked, too."""
    for name in (".nobackup", ".skip"):
        (tree / "dir" / name).touch()
    exclude = Exclude(if_present=[b".nobackup", b".skip", b".absent"])
    with excluding_view(tree, exclude) as view:
        shown = {path for path in seen(view) if path.startswith("dir/")}
    assert shown == {"dir/.nobackup", "dir/.skip", "dir/@diriv"}


def test_the_reason_is_told(tree: Path) -> None:
    """A verdict names the rule that has decided."""
    os.mkfifo(tree / "dir" / "fifo")
    (tree / "other" / ".nobackup").touch()
    exclude = Exclude(
        paths=paths(b"/bad/"),
        ignore=ignore(b"dir/bad", b"!file"),
        rules=rules(b"- sub"),
        special=True,
        larger_than=7,
        if_present=[b".nobackup"],
    )
    expected = {
        b"bad": (True, "exclude=/bad/"),
        b"dir/bad": (True, "list: dir/bad"),
        b"dir/sub": (True, "rules: - sub"),
        b"dir/file": (True, "exclude-larger-than"),
        b"dir/fifo": (True, "exclude-special"),
        b"dir": (False, None),
        b"other/file": (True, "exclude-larger-than"),
        b"other/.nobackup": (False, None),
    }
    with reverse_view(tree) as plain, excluding_view(tree, exclude) as view:
        for path, verdict in expected.items():
            parent, _, name = path.rpartition(b"/")
            assert view.judge(at(plain, parent), name)[0] == verdict, path


@pytest.mark.parametrize("path", [b"a", b"/a", b"a/", b"./a", b"//a//", b"/./a/."])
def test_paths_are_from_the_root(path: bytes) -> None:
    """Slashes and dots around the names of a path change nothing."""
    assert literal_path(path) == b"a"
    assert literal_path(path + b"/b*\\ ") == b"a/b*\\ "


@pytest.mark.parametrize("path", [b"", b"/", b".", b"./", b"..", b"a/../b", b"/../a"])
def test_paths_are_in_the_source(path: bytes) -> None:
    """The root itself, and what leads out of it, is no path to exclude."""
    with pytest.raises(FilterError) as caught:
        literal_path(path)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "size"),
    [
        *[
            ("0", 0),
            ("10", 10),
            ("10B", 10),
            ("1K", 1024),
            ("1k", 1024),
            ("500K", 512_000),
        ],
        *[("2M", 2 << 20), ("3g", 3 << 30), ("1T", 1 << 40), ("1KiB", 1024)],
        *[("1MB", 1 << 20), (" 7 ", 7)],
    ],
)
def test_sizes_have_units(text: str, size: int) -> None:
    """Units are powers of 1024, however they are written."""
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    ["", "K", "1.5K", "-1", "1 K", "1X", "0x10", "1KK", "ten", "٣", "9" * 5000],
)
def test_what_is_no_size_is_refused(text: str) -> None:
    """Anything else is an error, not some other size."""
    with pytest.raises(FilterError):
        parse_size(text)
