"""Shell patterns, byte by byte as git and rsync read them."""

import os
import re
from pathlib import Path
from random import Random

import pytest

from revcrypt.view import glob
from tests.view.oracles import Git, Rsync, needs_git, needs_rsync
from tests.view.patterns import CLASSES, Patterns, Tree

ALL_BYTES = [bytes([number]) for number in range(1, 256) if number != ord("/")]


def matches(pattern: bytes, name: bytes) -> bool:
    regex = glob.translate(glob.parse(glob.from_bytes(pattern)))
    return re.fullmatch(regex, glob.from_bytes(name)) is not None


class ByteTree(Tree):
    """A flat tree with a file for every byte that a name can have."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, Random(1), 0)
        for byte in ALL_BYTES:
            self.is_dir[b"x" + byte] = False
            Path(os.fsdecode(self.root + b"/x" + byte)).touch()


def all_brackets(tree: Tree) -> list[bytes]:
    """Return bracket expressions of all kinds."""
    brackets = [b"[[:%b:]]" % name for name in CLASSES]
    brackets += [b"[![:%b:]x]" % name for name in CLASSES]
    brackets += b"[]] [!]] []-a] []-] [-a] [a-] [!-] [--0] [^a-c] [a^] [a!] [\\]]".split()
    brackets += b"[\\a-\\c] [A-\\]] [[-] [a-c-e] [[:digit:]-z] [[:x] [[:] [[a]".split()
    patterns = Patterns(Random(1), tree)
    for byte in ALL_BYTES:
        try:
            glob.parse(glob.from_bytes(text := patterns.brackets(byte)))
        except ValueError:
            continue
        brackets.append(text)
    return brackets


@needs_git
def test_git_reads_brackets_the_same(tmp_path: Path) -> None:
    """Brackets match exactly the bytes that they do in git.

    Only, git's `[:space:]` lacks the vertical tab and the form feed.
    """
    tree = ByteTree(tmp_path / "tree")
    git = Git(tree)
    compared = 0
    for brackets in all_brackets(tree):
        verdicts = git.verdicts([b"x" + brackets])
        excluded = {path for path, verdict in verdicts.items() if verdict}
        ours = {path for path in tree.is_dir if matches(b"x" + brackets, path)}
        if b":space:" in brackets:
            excluded -= {b"x\v", b"x\f"}
            ours -= {b"x\v", b"x\f"}
        assert ours == excluded, brackets
        compared += 1
    assert compared > 200


@needs_rsync
def test_rsync_reads_brackets_the_same(tmp_path: Path) -> None:
    """Brackets match exactly the bytes that they do in rsync."""
    tree = ByteTree(tmp_path / "tree")
    rsync = Rsync(tree, tmp_path)
    for brackets in all_brackets(tree)[::5]:
        ours = {path for path in tree.is_dir if matches(b"x" + brackets, path)}
        assert ours == rsync.matches(b"x" + brackets), brackets


@pytest.mark.parametrize(
    ("pattern", "names", "others"),
    [
        (b"*", [b"", b"a", b"\n", b"\xff\n"], [b"a/b"]),
        (b"**", [b"", b"a/b", b"\n/\n"], []),
        (b"***", [b"a/b"], []),
        (b"?", [b"a", b"\n", b"\xe9"], [b"", b"/", b"ab", b"\xc3\xa9"]),
        (b"a*b*c", [b"abc", b"abbcbc", b"abcc"], [b"ab", b"acb", b"ab/c"]),
        (b"a**b*c", [b"a/b/bc", b"abc"], [b"ab/c", b"a/c"]),
        (b"a*/b", [b"a/b", b"ac/b"], [b"a/c/b", b"ab"]),
        (b"*a*/*b*/**c", [b"xax/xbx/y/c", b"a/b/c"], [b"a/c", b"a/x/b/c"]),
        (b"\\*\\?\\[", [b"*?["], [b"aa["]),
        (b"a.b+", [b"a.b+"], [b"axb", b"a.bb"]),
        (b"[!a]", [b"b", b"\n", b"\xff"], [b"a", b"", b"/"]),
        (b"[+-0]", [b"+", b".", b"0"], [b"/", b"1"]),
        (b"[\n]", [b"\n"], [b"n"]),
        (b"a\nb", [b"a\nb"], [b"ab"]),
    ],
)
def test_patterns_match_whole_names(
    pattern: bytes, names: list[bytes], others: list[bytes]
) -> None:
    """A pattern matches a name as a whole, newlines and all, and no slash unasked."""
    found = [name for name in names + others if matches(pattern, name)]
    assert found == names


@pytest.mark.parametrize(
    "pattern",
    [b"", b".", b"..", b"a/./b", b"a//b", b"/a", b"a/", b"\\.", b"[", b"[a", b"[!]"],
)
def test_what_never_matches_is_an_error(pattern: bytes) -> None:
    """A pattern that no name can have is found out."""
    with pytest.raises(ValueError, match=r"an empty name|an opening bracket"):
        glob.parse(glob.from_bytes(pattern))


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("pattern", "name", "other"),
    [
        (b"*a" * 40 + b"b", b"a" * 254 + b"b", b"a" * 255),
        (b"*a?" * 40 + b"b", b"a" * 254 + b"b", b"a" * 255),
        (b"**a" * 40 + b"b", b"a/" * 2000 + b"ab", b"a/" * 2000),
        (b"**/a" * 40 + b"/b", b"/a" * 2000 + b"/b", b"/a" * 2000),
        (b"*[ab]*[!c]" * 20 + b"d", b"ab" * 127 + b"d", b"ab" * 127),
        (b"**a*b" * 20 + b"c", b"ab/aab/" * 500 + b"abc", b"ab/aab/" * 500),
    ],
)
def test_no_name_takes_for_ever(pattern: bytes, name: bytes, other: bytes) -> None:
    """Whoever may create files cannot make a pattern with many stars try them all."""
    assert matches(pattern, name)
    assert not matches(pattern, other)


def test_stars_between_stars_miss_nothing() -> None:
    """Patterns with several stars match what trying everything would find."""
    random = Random(1)
    found = 0
    for _ in range(10_000):
        pattern = b"".join(random.choices([b"a", b"b", b"?", b"*", b"**", b"/"], k=7))
        name = b"".join(random.choices([b"a", b"b", b"/"], k=random.randint(1, 9)))
        try:
            ours = matches(pattern, name)
        except ValueError:
            continue  # Two slashes in a row.
        stars = re.sub(rb"\*{2,}", b"+", pattern)
        naive = {b"*": b"[^/]*", b"+": b".*", b"?": b"[^/]"}
        regex = b"".join(
            naive.get(stars[i : i + 1], stars[i : i + 1]) for i in range(len(stars))
        )
        assert ours == (re.fullmatch(regex, name) is not None), (pattern, name)
        found += ours
    assert found > 250
