"""Patterns as in `.gitignore`: what git says is right."""

import re
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from revcrypt.errors import FilterError
from revcrypt.view.gitignore import GitIgnore, Line
from tests.counts import Counted
from tests.view.oracles import Git, needs_git
from tests.view.patterns import Patterns, Tree

Verdict = tuple[bool, str] | None

LISTS = 500
ENTRIES = 150
# Until 2025, git took a `**` right after the literal beginning of a pattern with slashes
# for a name of its own, against its manual.
_DIFFERS = re.compile(rb"!?[^*?[\\]*[^*?[\\/]\*\*")
_REFUSED = "an empty range|a slash in brackets|a backslash with nothing to escape"
"""Why patterns are refused that match something in git: nobody means what they say."""


def numbered(patterns: Sequence[bytes]) -> list[Line]:
    return [Line(str(number), text) for number, text in enumerate(patterns, 1)]


def ignore(*patterns: bytes) -> GitIgnore:
    return GitIgnore(numbered(patterns))


def decide(ignore: GitIgnore, path: bytes, *, is_dir: bool = False) -> Verdict:
    """Ask about one entry; of the reason, keep only which pattern it was."""
    decision = ignore.decide(path, is_dir=is_dir)
    return decision and (decision[0], decision[1].partition(":")[0])


def verdicts(ignore: GitIgnore, tree: Tree) -> dict[bytes, Verdict]:
    """Walk a tree from the top; what is in a hidden directory is never asked about."""
    found: dict[bytes, Verdict] = {}
    for path, is_dir in tree.is_dir.items():
        above = found.get(path.rpartition(b"/")[0])
        if above is not None and above[0]:
            found[path] = above
        else:
            found[path] = decide(ignore, path, is_dir=is_dir)
    return found


def refusal(pattern: bytes) -> str | None:
    """Say why a pattern is an error, if it is one."""
    try:
        ignore(pattern)
    except FilterError as error:
        return str(error)
    return None


class Lines:
    """Makes lines of `.gitignore`."""

    def __init__(self, random: Random, tree: Tree) -> None:
        self._patterns = Patterns(random, tree)

    def line(self) -> bytes:
        """Return a line, maybe one that matches nothing."""
        line = self._line()
        while _DIFFERS.match(line) and b"/" in line.strip(b" \r").rstrip(b"/"):
            line = self._line()
        return line

    def _line(self) -> bytes:
        starts = {b"": 80, b"!": 20, b"#": 3, b"\\#": 3, b"\\!": 3, b" ": 2}
        ends = {b"": 80, b" ": 5, b"\\ ": 3, b"\\  ": 2, b"\\\\ ": 1, b" \r": 2, b"\\": 2}
        ends |= {b"\t": 2, b"\r": 2, b"\x85": 2, b"\xa0": 2, b"\\\r": 1, b"\t/ ": 1}
        one_of = self._patterns.one_of
        return one_of(starts) + self._patterns.pattern() + one_of(ends)


@needs_git
@pytest.mark.parametrize("seed", [1, 2])
def test_git_says_the_same(tmp_path: Path, seed: int, counted: Counted) -> None:
    """Of random lists, the same line decides about the same entries as in git.

    A line that is refused matches nothing in git, but for what nobody means.
    """
    random = Random(seed)
    tree = Tree(tmp_path, random, ENTRIES)
    git, lines = Git(tree), Lines(random, tree)
    pairs = decided = refused = 0
    while pairs < LISTS * ENTRIES:
        patterns = []
        for _ in range(random.choice([1, 2, 4, 8])):
            line = lines.line()
            reason = refusal(line)
            if reason is None:
                patterns.append(line)
                continue
            refused += 1
            if not re.search(_REFUSED, reason):
                assert not any(git.verdicts([line]).values()), reason
        expected = git.verdicts(patterns)
        assert verdicts(ignore(*patterns), tree) == expected, patterns
        pairs += len(expected)
        decided += sum(verdict is not None for verdict in expected.values())
    counted("pairs of gitignore patterns and paths", pairs)
    print(f"{pairs} pairs, {decided} of them decided by a pattern; {refused} refused")
    assert pairs >= 5000
    # Otherwise, hardly anything has been compared.
    assert decided > pairs / 20
    assert refused > LISTS / 20


@pytest.mark.parametrize(
    ("pattern", "matches", "others"),
    [
        (b"a", [b"a", b"b/a"], [b"a/b", b"ab"]),
        (b"/a", [b"a"], [b"b/a"]),
        (b"a/b", [b"a/b"], [b"c/a/b", b"a/b/c"]),
        (b"*.o", [b".o", b"b/a.o"], [b"o", b"a.o/b"]),
        (b"a/*", [b"a/b"], [b"a", b"a/b/c"]),
        (b"a/**", [b"a/b", b"a/b/c"], [b"a", b"b/a/c"]),
        (b"**/a", [b"a", b"b/c/a"], [b"a/b"]),
        (b"a/**/b", [b"a/b", b"a/c/d/b"], [b"b", b"c/a/b", b"a/cb"]),
        (b"**", [b"a", b"a/b"], []),
        (b"a**/b", [b"a/b", b"acd/b"], [b"a/c/b", b"ac/d/b"]),
        (b"a/**b", [b"a/b", b"a/cb"], [b"a/c/b"]),
        (b"a\\ ", [b"a "], [b"a", b"a\\ "]),
        (b"a  ", [b"a"], [b"a  "]),
        (b"a\t", [b"a\t"], [b"a"]),
        (b"a\r", [b"a"], [b"a\r"]),
        (b"\\#a", [b"#a"], [b"a"]),
        (b"\\!a", [b"!a"], [b"a"]),
        (b"a?b", [b"a\nb", b"a\xffb"], [b"a/b", b"ab", b"a\xc3\xa9b"]),
        (b"[!a]", [b"b", b"\n", b"\xff"], [b"a", b"/"]),
        (b"\xc3\xa9", [b"\xc3\xa9"], [b"\xe9", b"\xc3\x89"]),
    ],
)
def test_patterns_match_as_in_the_manual(
    pattern: bytes, matches: list[bytes], others: list[bytes]
) -> None:
    """A pattern hides what the manual says, and nothing else."""
    paths = matches + others
    hidden = [path for path in paths if decide(ignore(pattern), path)]
    assert hidden == matches


def test_a_slash_at_the_end_is_for_directories() -> None:
    """`a/` is about a directory only; a symlink to one is none."""
    assert decide(ignore(b"a/"), b"b/a", is_dir=True) == (True, "1")
    assert decide(ignore(b"a/"), b"b/a", is_dir=False) is None


def test_the_last_pattern_decides() -> None:
    """A later pattern overrules an earlier one, either way."""
    rules = ignore(b"*.log", b"!keep*", b"# a comment", b"", b"  ", b"keep-not.*")
    assert decide(rules, b"a.log") == (True, "1")
    assert decide(rules, b"keep.log") == (False, "2")
    assert decide(rules, b"keep-not.log") == (True, "6")
    assert decide(rules, b"a.txt") is None


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        (b"/", "an empty name"),
        (b"!", "an empty name"),
        (b"a//b", "an empty name"),
        (b"a//", "an empty name"),
        (b"./a", "an empty name, “.” or “..”"),
        (b"../a", "an empty name, “.” or “..”"),
        (b"a[b", "an opening bracket without a closing one"),
        (b"a[]", "an opening bracket without a closing one"),
        (b"a[\\]", "an opening bracket without a closing one"),
        (b"a[b/c]", "a slash in brackets"),
        (b"a[z-a]", "an empty range z-a"),
        (b"a[[:letter:]]", "an unknown class"),
        (b"a[!\x01-\xff\\\x01\\\x00-\x01]", "a NUL byte"),
        (b"a\\", "a backslash with nothing to escape"),
        (b"a\\/b", "a backslash with nothing to escape"),
        (b"a\0b", "a NUL byte"),
    ],
)
def test_what_never_matches_is_refused(pattern: bytes, reason: str) -> None:
    """A pattern that would leave nothing out is an error that names its place."""
    with pytest.raises(FilterError) as caught:
        GitIgnore([Line("list:1", b"fine"), Line("list:2", pattern)])
    assert str(caught.value).startswith("list:2: ")
    assert reason in str(caught.value)
    assert caught.value.hint


def test_an_empty_list_decides_nothing() -> None:
    """Where there are only comments, no pattern is about anything."""
    assert decide(ignore(b"", b"# x", b" ", b"\r"), b"# x") is None
