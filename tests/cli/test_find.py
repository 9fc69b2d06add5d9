"""`revcrypt find`: patterns on plain names."""

import os
import shutil
from pathlib import Path

import pytest

from revcrypt.errors import ExitCode
from tests.cli.refusals import checked
from tests.cli.rescuing import Case, rescue
from tests.cli.terminal import Terminal
from tests.support import REVCRYPT
from tests.view.trees import ALL_FEATURES

ODD = b"odd\n\x1b \xff.txt"
LONG = b"long " * 40 + b".txt"
FILES = [
    b"a.txt",
    b"docs/a.txt",
    b"docs/a.txt.d/inside",
    b"docs/b.odt",
    b"docs/deep/er/c.txt",
    b"docs/deep/er/" + ODD,
    b"other/!bang.txt",
    b"other/#hash.txt",
    b"other/docs/d.txt",
    b"other/trailing ",
    b"other/[x].txt",
]
CASES = {
    b"a.txt": [b"a.txt", b"docs/a.txt"],
    b"/a.txt": [b"a.txt"],
    b"*.odt": [b"docs/b.odt"],
    b"docs": [b"docs", b"other/docs"],
    b"docs/": [b"docs", b"other/docs"],
    b"a.txt/": [],
    b"a.txt.d/": [b"docs/a.txt.d"],
    b"docs/*": [b"docs/a.txt", b"docs/a.txt.d", b"docs/b.odt", b"docs/deep"],
    b"docs/**/c.txt": [b"docs/deep/er/c.txt"],
    b"**/docs/*.txt": [b"docs/a.txt", b"other/docs/d.txt"],
    b"docs/deep/**": [
        b"docs/deep/er",
        b"docs/deep/er/c.txt",
        b"docs/deep/er/" + ODD,
    ],
    b"?.txt": [b"a.txt", b"docs/a.txt", b"docs/deep/er/c.txt", b"other/docs/d.txt"],
    b"[!a].txt": [b"docs/deep/er/c.txt", b"other/docs/d.txt"],
    # What has a meaning at the start of a line of .gitignore has none here.
    b"!bang.txt": [b"other/!bang.txt"],
    b"#hash.txt": [b"other/#hash.txt"],
    b"trailing ": [b"other/trailing "],
    rb"\[x].txt": [b"other/[x].txt"],
    b"*\xff*": [b"docs/deep/er/" + ODD],
    ODD: [b"docs/deep/er/" + ODD],
    b"missing": [],
}
"""What each pattern finds, by hand from gitignore(5); in the order of names."""


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A copy of a tree with names of all kinds."""
    case = Case(tmp_path_factory.mktemp("find"))
    for file in FILES:
        path = case.plain / os.fsdecode(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file)
    case.pull()
    return case


@pytest.mark.parametrize("pattern", CASES, ids=repr)
def test_patterns(pattern: bytes, case: Case) -> None:
    """A pattern finds what it would match as a line of .gitignore, and nothing else."""
    said = rescue("find", "-0", case.passphrase, case.copy, pattern)
    assert said.nul_lines == CASES[pattern]
    assert said.stderr == ""


@pytest.mark.parametrize("names", ALL_FEATURES)
def test_all_kinds_of_names(names: str, tmp_path: Path) -> None:
    """However names are encrypted, the plain ones are what is found."""
    case = Case(tmp_path, ALL_FEATURES[names])
    (case.plain / "dir").mkdir()
    for name in (b"dir/" + LONG, b"dir/b.txt", b"a.txt"):
        (case.plain / os.fsdecode(name)).touch()
    case.pull()
    said = rescue("find", case.passphrase, case.copy, "*.txt")
    assert said.lines == [b"a.txt", b"dir/b.txt", b"dir/" + LONG]


def test_long(case: Case) -> None:
    """-l says as much about what was found as `ls -l` does."""
    found = rescue("find", "-l", case.passphrase, case.copy, "/docs/*.odt").lines
    assert found == rescue("ls", "-l", case.passphrase, case.copy, "docs/b.odt").lines
    assert found[0].split()[4] == b"%d" % len(b"docs/b.odt")


def test_impossible_pattern(case: Case) -> None:
    """A pattern that cannot match anything is refused before anything is asked for."""
    for pattern in ("ends with a backslash\\", "[unclosed", ""):
        words = ("find", "--passfile=/missing", case.copy, pattern)
        checked(rescue(*words, status=ExitCode.USAGE).stderr)


def test_damage(case: Case, tmp_path: Path) -> None:
    """What is damaged is told, and the search goes on."""
    copy = tmp_path / "copy"
    shutil.copytree(case.copy, copy)
    entry = copy / case.cipher(b"docs/a.txt").relative_to(case.copy)
    entry.rename(entry.with_name("A" + entry.name[1:]))
    words = ("find", case.passphrase, copy, "a.txt")
    said = rescue(*words, status=ExitCode.FINDINGS)
    assert said.lines == [b"a.txt"]
    assert "its name does not decrypt" in said.stderr


def test_terminal(case: Case) -> None:
    """On a terminal, no name can do harm."""
    terminal = Terminal()
    words = [*REVCRYPT, "find", case.passphrase, str(case.copy), "odd*"]
    assert terminal.run(words, []) == ExitCode.OK
    assert terminal.shown == "docs/deep/er/odd\\x0a\\x1b \\xff.txt\n"
