"""Ordered rules: examples of what they mean, and what is no rule."""

import pytest

from revcrypt.errors import FilterError
from revcrypt.view.filter_rules import FilterRules
from revcrypt.view.gitignore import Line
from tests.view.rule_lists import parse

DIRECTORIES = [b"dir", b"dir/sub", b"dir/sub/keep", b"other"]
FILES = [
    b"a.txt",
    b"dir/a.txt",
    b"dir/b",
    b"dir/sub/a.txt",
    b"dir/sub/keep/b",
    b"other/b",
]


def seen(*rules: bytes) -> list[str]:
    """Return what is shown of a small tree."""
    filters = parse(*rules)
    found = {""}
    for path in sorted(DIRECTORIES + FILES):
        decision = filters.decide(path, is_dir=path in DIRECTORIES)
        if decision.shown and path.rpartition(b"/")[0].decode() in found:
            found.add(path.decode())
    return sorted(found - {""})


EVERYTHING = sorted(path.decode() for path in DIRECTORIES + FILES)


@pytest.mark.parametrize(
    ("rules", "hidden"),
    [
        ("- *.txt", "a.txt dir/a.txt dir/sub/a.txt"),
        ("exclude /*.txt", "a.txt"),
        ("- sub/", "dir/sub dir/sub/a.txt dir/sub/keep dir/sub/keep/b"),
        ("- b/", ""),
        ("- /other/***", "other other/b"),
        ("- /other/**", "other/b"),
        ("- /dir/**/b", "dir/sub/keep/b"),
        ("- /dir**/b", "dir/b dir/sub/keep/b"),
        ("- ?.t[wx]t", "a.txt dir/a.txt dir/sub/a.txt"),
        ("- sub/a.txt", "dir/sub/a.txt"),
        ("+ /dir/a.txt|- a.txt", "a.txt dir/sub/a.txt"),
        ("- a.txt|+ /dir/a.txt", "a.txt dir/a.txt dir/sub/a.txt"),
        ("# - *|; - *||  |include *|- *", ""),
    ],
)
def test_the_first_rule_that_matches_decides(rules: str, hidden: str) -> None:
    """Patterns and their order mean what the documentation says."""
    shown = seen(*rules.encode().split(b"|"))
    assert shown == [path for path in EVERYTHING if path not in hidden.split()]


@pytest.mark.parametrize(
    ("rules", "visible"),
    [
        # An include that is higher up may match below.
        ("+ *.txt|- *", "a.txt dir dir/a.txt dir/sub dir/sub/a.txt dir/sub/keep other"),
        ("+ /dir/sub/***|- *", "dir dir/sub dir/sub/a.txt dir/sub/keep dir/sub/keep/b"),
        ("+ /*/sub/a.txt|- *", "dir dir/sub dir/sub/a.txt other"),
        ("+ /dir/**/b|- *", "dir dir/sub dir/sub/keep dir/sub/keep/b"),
        ("+ /dir**keep|- *", "dir dir/sub dir/sub/keep"),
        # One that is lower down does if it names the place.
        ("- *|+ /dir/b", "dir"),
        ("- /*|+ /dir/b", "dir dir/b"),
        ("- /*|+ /dir/sub/keep/", "dir dir/sub dir/sub/keep dir/sub/keep/b"),
        ("- /*|+ /dir/sub/keep/|- keep/b", "dir dir/sub dir/sub/keep"),
        ("- /*|+ /*/sub/a.txt", "dir dir/sub dir/sub/a.txt other"),
        ("- /*|+ /dir/s**", "dir dir/sub dir/sub/a.txt dir/sub/keep dir/sub/keep/b"),
        ("- sub/|+ /dir/sub/keep/***|- /*", "dir dir/sub dir/sub/keep dir/sub/keep/b"),
        # It does not if it is about more than something in the directory.
        ("- sub/|+ /dir/***|- /*", "dir dir/a.txt dir/b"),
        ("- sub/|+ /dir/**|- /*", "dir dir/a.txt dir/b"),
        ("- sub/|+ /dir/**.txt|- /*", "dir dir/a.txt"),
        ("- /*/|+ b", "a.txt"),
        ("- /*/|+ dir/b", "a.txt"),
    ],
)
def test_directories_stay_visible_for_what_is_below(rules: str, visible: str) -> None:
    """A directory that is left out stays where an include may match below, else empty."""
    assert " ".join(seen(*rules.encode().split(b"|"))) == visible


def test_the_reason_is_told() -> None:
    """A decision names the rule that has made it, with its place."""
    filters = FilterRules([Line("f:1", b"+ /a/***"), Line("f:7", b"- *")])
    assert filters.decide(b"a/b", is_dir=False).rule == "f:1: + /a/***"
    assert filters.decide(b"b", is_dir=False).rule == "f:7: - *"
    assert filters.decide(b"b/c", is_dir=False).rule == "f:7: - *"
    assert parse(b"- x").decide(b"y", is_dir=False).rule is None


@pytest.mark.parametrize(
    "line",
    [
        *[b"-  a", b"+  /a", b"exclude  a"],
        *[b". file", b": .rsync-filter", b"merge file", b"dir-merge .f", b"H x", b"S x"],
        *[b"P x", b"R x", b"hide x", b"!", b"clear", b"-! x", b"-/ x", b"+s x", b"-,r x"],
        *[b"-x", b"-_x", b"-\tx", b"+", b"- ", b"exclude", b"exclude:x", b"x", b"*.tmp"],
        *[b"- /", b"- //", b"- a//b", b"- ./a", b"+ ../a", b"- [a", b"- [b-a]", b"- *\\"],
        *[b"- a\0b", b"- a\rb", b"\xef\xbb\xbf- a", b"- a[[:x:]]", b"- [/]", b"- *a\\/b"],
    ],
)
def test_what_is_no_rule_is_refused(line: bytes) -> None:
    """A line that says something else is an error, which names its place."""
    with pytest.raises(FilterError) as caught:
        FilterRules([Line("file:1", b"- fine"), Line("file:2", line)])
    assert str(caught.value).startswith("file:2: ")
    assert caught.value.hint


@pytest.mark.parametrize("line", [b"  - a", b"\t- a", b"- a\r", b"exclude a"])
def test_blanks_in_front_do_not_matter(line: bytes) -> None:
    """Rules may be indented, and lines may end as on Windows."""
    assert not parse(line).decide(b"a", is_dir=False).shown


def test_blanks_at_the_end_are_of_the_pattern() -> None:
    """As in rsync, a pattern with a blank at its end is about such a name."""
    assert not parse(b"- a ").decide(b"a ", is_dir=False).shown
    assert parse(b"- a ").decide(b"a", is_dir=False).shown


def test_deep_trees_are_no_problem() -> None:
    """A path of thousands of directories can be asked about at once."""
    path = b"/".join([b"d"] * 5000)
    rules = parse(b"- /x", b"+ *.txt", b"- *")
    assert rules.decide(path + b"/a.txt", is_dir=False).shown
    assert rules.decide(path, is_dir=True).shown
    assert not rules.decide(path + b"/a", is_dir=False).shown
    assert rules.decide(path[:-2] + b"/a.txt", is_dir=False).shown
