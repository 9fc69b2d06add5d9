"""Ordered rules: what rsync says is right, but for what may be below a directory."""

import re
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from revcrypt.view.filter_rules import FilterRules
from tests.counts import Counted
from tests.view.oracles import Rsync, needs_rsync
from tests.view.patterns import NAMES, Tree
from tests.view.rule_lists import Rules, is_wild, parse

ENTRIES = 150
LISTS = 100


def shown(rules: FilterRules, tree: Tree) -> set[bytes]:
    """Walk a tree from the top, into what is shown."""
    found = {b""}
    for path, is_dir in tree.is_dir.items():
        parent = path.rpartition(b"/")[0]
        if parent in found and rules.decide(path, is_dir=is_dir).shown:
            found.add(path)
    return found - {b""}


PAIRS = "pairs of rsync filters and paths"


@needs_rsync
def test_rsync_matches_the_same(tmp_path: Path, counted: Counted) -> None:
    """Random patterns match the same entries as in rsync, one by one."""
    random = Random(1)
    tree = Tree(tmp_path / "tree", random, ENTRIES)
    rsync, rules = Rsync(tree, tmp_path), Rules(random, tree)
    matched = 0
    for _ in range(LISTS):
        pattern = rules.pattern()
        filters = parse(b"+ " + pattern, b"- *")
        ours = {
            path
            for path, is_dir in tree.is_dir.items()
            if str(filters.decide(path, is_dir=is_dir).rule).startswith("0:")
        }
        assert ours == rsync.matches(pattern), pattern
        matched += len(ours)
    print(f"{LISTS * ENTRIES} pairs of a pattern and a path, {matched} of them match")
    counted(PAIRS, LISTS * ENTRIES)
    assert matched > LISTS


@needs_rsync
@pytest.mark.parametrize("seed", [1, 2])
def test_rsync_copies_the_same(tmp_path: Path, seed: int, counted: Counted) -> None:
    """Where no include may match below what is left out, rsync copies what is shown."""
    random = Random(seed)
    tree = Tree(tmp_path / "tree", random, ENTRIES)
    rsync, rules = Rsync(tree, tmp_path), Rules(random, tree)
    hidden = 0
    for _ in range(LISTS):
        lines = rules.agreeing()
        expected = rsync.shown(lines)
        assert shown(parse(*lines), tree) == expected, lines
        hidden += len(tree.is_dir) - len(expected)
    print(f"{LISTS * ENTRIES} pairs of a list and a path, {hidden} of them left out")
    counted(PAIRS, LISTS * ENTRIES)
    assert LISTS < hidden < LISTS * ENTRIES / 2


class Meaning:
    """What a list of rules means, going by the paths that rsync says each one matches."""

    def __init__(self, rules: Sequence[bytes], rsync: Rsync) -> None:
        self._rules = rules
        self._matches = [rsync.matches(rule[2:]) for rule in rules]
        self._named = [named(rule, rsync) for rule in rules]

    def left_out(self, path: bytes) -> list[tuple[int, bytes]]:
        """Return what has left out a path: rules, and the directories they are about."""
        above = self.left_out(path.rpartition(b"/")[0]) if path else []
        for number, rule in enumerate(self._rules):
            if path not in self._matches[number]:
                continue
            if rule.startswith(b"-"):
                return [*above, (number, path)]
            if self.counts(number, above):
                return []
        return above

    def counts(self, include: int, left_out: list[tuple[int, bytes]]) -> bool:
        """Tell whether an include counts below what is left out."""
        return all(
            include < number or place in self._named[include] - self._matches[include]
            for number, place in left_out
        )

    def may_be_shown_for_others(self, left_out: list[tuple[int, bytes]]) -> bool:
        """Tell whether there is any include that counts below."""
        rules = enumerate(self._rules)
        return any(self.counts(i, left_out) for i, rule in rules if rule.startswith(b"+"))


def named(rule: bytes, rsync: Rsync) -> set[bytes]:
    """Return the directories above what an anchored rule is about."""
    found: set[bytes] = set()
    pattern = rule[2:].removesuffix(b"/")
    names = pattern.split(b"/")
    for end in range(2, len(names) if pattern.startswith(b"/") else 0):
        if b"**" in names[end - 1]:
            break
        above = b"/".join(names[:end])
        if is_wild(pattern) and not is_wild(above):
            above = re.sub(rb"\\(.)", rb"\1", above)
        found |= rsync.matches(above + b"/")
    return found


@needs_rsync
def test_any_list_means_what_it_says(tmp_path: Path) -> None:
    """Of random lists, the right entries are left out, and directories shown for others.

    Which patterns match what, rsync says; how the rules work together is said above.
    """
    random = Random(1)
    tree = Tree(tmp_path / "tree", random, ENTRIES)
    rsync, rules = Rsync(tree, tmp_path), Rules(random, tree)
    pool = [rules.places()[-1] for _ in range(25)]
    pool += [word + rules.pattern() for word in (b"- ", b"- ", b"+ ") for _ in range(20)]
    left_out = reopened = 0
    for _ in range(4 * LISTS):
        lines = random.sample(pool, random.choice([2, 3, 5, 8]))
        meaning = Meaning(lines, rsync)
        seen = shown(parse(*lines), tree)
        for path, is_dir in tree.is_dir.items():
            by = meaning.left_out(path)
            if not by:
                assert path in seen, (lines, path)
                continue
            left_out += 1
            if path in seen:
                assert is_dir, (lines, path)
                assert meaning.may_be_shown_for_others(by), (lines, path)
                reopened += 1
    pairs = 4 * LISTS * ENTRIES
    print(f"{pairs} pairs, {left_out} left out, {reopened} of these shown for others")
    assert left_out > reopened > 100


def instance(random: Random, pattern: bytes) -> bytes:
    """Return a path that *pattern* may match."""
    path = b""
    for char in pattern.strip(b"/"):
        some = b"".join(
            random.choices([b"a", b"b", b"x.tmp", b"/"], k=random.randint(0, 2))
        )
        path += {b"*": some, b"?": b"a"}.get(bytes([char]), bytes([char]))
    names = [name for name in path.split(b"/") if name]
    above = random.choices(NAMES, k=random.choice([0, 0, 1, 3]))
    return b"/".join([*above, *names] or [b"a"])


def test_no_directory_hides_what_is_shown(tmp_path: Path) -> None:
    """Wherever something is shown, all directories above it are shown."""
    random = Random(1)
    (tmp_path / "tree").mkdir()
    rules = Rules(random, Tree(tmp_path / "tree", random, ENTRIES))
    found = 0
    for _ in range(1500):
        lines = [*rules.some(b"+ ", b"- "), rules.places()[-1], b"- *"]
        filters = parse(*lines)
        includes = [line[2:] for line in lines if line.startswith(b"+")]
        for path in [instance(random, random.choice(includes)) for _ in range(8)]:
            if not filters.decide(path, is_dir=False).shown:
                continue
            found += 1
            names = path.split(b"/")
            for end in range(1, len(names)):
                above = b"/".join(names[:end])
                assert filters.decide(above, is_dir=True).shown, (lines, path, above)
    print(f"{found} paths shown")
    assert found > 1500
