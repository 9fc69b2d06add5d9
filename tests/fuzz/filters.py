"""Filter files: patterns as of git, rules as of rsync.

What is before the first NUL of an input is a path, and what is behind it is the file.
"""

import re
from collections.abc import Iterator, Sequence

from revcrypt.errors import FilterError
from revcrypt.view import glob
from revcrypt.view.filter_rules import FilterRules
from revcrypt.view.gitignore import GitIgnore, Line
from tests.fuzz.target import Target

FEW_STARS = 3
"""More make a search that tries all places too slow."""
SHORT = 60


def split(data: bytes) -> tuple[list[bytes], list[Line]]:
    """Return a path and those above it, and the lines of a file."""
    path, _, content = data.partition(b"\0")
    names = [name for name in path.split(b"/")[:8] if name not in (b"", b".", b"..")]
    paths = [b"/".join(names[:end]) for end in range(1, len(names) + 1)]
    lines = content.split(b"\n")[:64]
    return paths, [Line(f"file:{n}", line) for n, line in enumerate(lines, 1)]


def agrees(regex: re.Pattern[str], path: str) -> None:
    """Check that a regular expression finds what a search of all places finds.

    Only the first place is tried where any other would do: that is what bounds the time.
    """
    if regex.pattern.count("(?>") > FEW_STARS or len(path) > SHORT:
        return
    everywhere = regex.pattern.replace("(?>", "(?:")
    assert bool(regex.fullmatch(path)) == bool(re.fullmatch(everywhere, path))


def patterns(data: bytes) -> None:
    paths, lines = split(data)
    try:
        ignore = GitIgnore(lines)
    except FilterError as error:
        check(error)
        return
    for path in paths:
        shown = glob.from_bytes(path)
        for rule in ignore._rules:
            agrees(rule.regex, shown)
        for is_dir in (True, False):
            verdicts = [
                rule for rule in map(only, lines) if rule.decide(path, is_dir=is_dir)
            ]
            # The last line that is about a path decides, whatever else there is.
            wanted = verdicts[-1].decide(path, is_dir=is_dir) if verdicts else None
            assert ignore.decide(path, is_dir=is_dir) == wanted


def only(line: Line) -> GitIgnore:
    return GitIgnore([line])


def rules(data: bytes) -> None:
    paths, lines = split(data)
    try:
        known = FilterRules(lines)
    except FilterError as error:
        check(error)
        return
    for path in paths:
        for rule in known._rules:
            for shown in (glob.from_bytes(path), glob.from_bytes(path + b"/")):
                agrees(rule.regex, "/" + shown)
    for is_dir in (True, False):
        for path in reversed(paths):
            decision = known.decide(path, is_dir=is_dir)
            assert FilterRules(lines).decide(path, is_dir=is_dir) == decision
            if decision.shown and not decision.left_out:
                # Nobody gets to what is in a directory that is not shown.
                check_above(known, path)


def check_above(known: FilterRules, path: bytes) -> None:
    while b"/" in path:
        path, _, _ = path.rpartition(b"/")
        assert known.decide(path, is_dir=True).shown


def check(error: FilterError) -> None:
    assert str(error).startswith("file:")
    assert error.hint is not None


NAMES: Sequence[bytes] = (b"home/me/Documents/a.txt", b"a/b/c", b"x.o", b"dir/[a]/ b")


def seeds(*files: bytes) -> Iterator[bytes]:
    for name in NAMES:
        for file in files:
            yield name + b"\0" + file


TARGETS = [
    Target(
        "gitignore files",
        "the last line that is about a path decides; quick matching finds what a search "
        "of all places finds",
        patterns,
        lambda: seeds(
            b"*.o\n!x.o\n/home/*/\n# no\n",
            b"a/**/c\n**/b/**\ndir/\\[a\\]/\\ b\n",
            b"[!a-c]*[[:alpha:]].?\n*a*b*c*\n",
        ),
        1,
    ),
    Target(
        "rule files",
        "a decision is the same in every order of questions; what is above something "
        "that is shown is shown",
        rules,
        lambda: seeds(
            b"+ /home/*/Documents/***\n+ /etc/***\n- *\n",
            b"- *.tmp\n+ /a/b/c\n- /a/\n; no\n",
            b"include */\nexclude [a]/**/b?\n- **\n",
        ),
        1,
    ),
]
