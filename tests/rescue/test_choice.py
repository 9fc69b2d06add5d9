"""Restoring only what PATHs name."""

import inspect
import os
import shutil
import sys
from pathlib import Path

import pytest

from revcrypt.errors import ExitCode, UsageError
from revcrypt.rescue.walk import Choice, clean_path
from tests.rescue.running import Command, findings
from tests.rescue.trees import in_copy, tree_at, write_copy
from tests.support import Entry

LETTER = "documents/letter.txt"
OLD = "documents/old"
OLD_LETTER = "documents/old/letter.txt"


def assert_restored(paths: set[str], plain: Path, dest: Path) -> None:
    """Check that these paths, what leads to them, and nothing else is as in the source.

    The root's own attributes are no part of it.
    """
    leading = {str(parent) for path in paths for parent in Path(path).parents} - {"."}
    names = {os.fsencode(path) for path in paths | leading}
    original, restored = tree_at(plain).entries, tree_at(dest).entries
    wanted: dict[bytes, Entry] = {path: original[path] for path in names}
    del restored[b""]
    assert restored == wanted


PATTERNS: dict[str, tuple[list[str], set[str]]] = {
    # what is asked for, and what comes
    "a file": ([LETTER], {LETTER}),
    "a file far below": ([OLD_LETTER], {OLD_LETTER}),
    "as others write it": (["/documents//old/./letter.txt"], {OLD_LETTER}),
    "a directory": ([OLD], {OLD, OLD_LETTER}),
    "with a slash": ([f"{OLD}/"], {OLD, OLD_LETTER}),
    "an empty directory": (["empty"], {"empty"}),
    "several": ([LETTER, "big", "big"], {LETTER, "big"}),
    "one in another": ([OLD_LETTER, OLD], {OLD, OLD_LETTER}),
    "names in one directory": (["documents/*.odt"], {"documents/report.odt"}),
    "names everywhere": (["**/letter.txt"], {LETTER, OLD_LETTER}),
    "names below": (["documents/**/letter.txt"], {LETTER, OLD_LETTER}),
    "one level": (["*/letter.txt"], {LETTER}),
    "a directory by pattern": (["*/o?d"], {OLD, OLD_LETTER}),
    "no directory of the pattern": (["b*"], {"big"}),
    "a pattern inside": (["**/letter.txt", "documents/old"], {LETTER, OLD, OLD_LETTER}),
    # As a pattern it would find nothing.
    "literally": (["documents/what [1]*?.txt"], {"documents/what [1]*?.txt"}),
    "a class": (["documents/what [0-9].txt"], {"documents/what 1.txt"}),
    "escaped": (["documents/what \\[1]*.txt"], {"documents/what [1]*?.txt"}),
    "a symlink": (["links/absolute"], {"links/absolute"}),
    "a dash": (["odd/-rf"], {"odd/-rf"}),
    "a newline": (["odd/new\nline"], {"odd/new\nline"}),
    "no UTF-8": (["odd/\udcff not UTF-8"], {"odd/\udcff not UTF-8"}),
    "a second name only": (["links/second name"], {"links/second name"}),
    "a FIFO": (["special/fifo"], {"special/fifo"}),
}


@pytest.mark.parametrize("name", PATTERNS)
def test_patterns(
    name: str, plain: Path, copy: Path, dest: Path, restore: Command
) -> None:
    """What a path or pattern names is restored with what leads there, and no more."""
    patterns, paths = PATTERNS[name]
    said = restore("--", copy, dest, *patterns)
    assert said.stderr == ""
    assert_restored(paths, plain, dest)


@pytest.mark.parametrize("pattern", [".", "/", "**", "*"])
def test_everything(
    pattern: str, plain: Path, copy: Path, dest: Path, restore: Command
) -> None:
    """The root, and patterns that everything fits, mean everything."""
    restore(copy, dest, pattern)
    everything = {path.relative_to(plain).as_posix() for path in plain.rglob("*")}
    assert_restored(everything - {".gocryptfs.reverse.conf"}, plain, dest)


def test_links_among_chosen(
    plain: Path, copy: Path, dest: Path, restore: Command
) -> None:
    """Names of one file are one file again where several of them are chosen."""
    restore(copy, dest, "links", "documents/report.odt")
    assert tree_at(dest).links == tree_at(plain).links


@pytest.mark.parametrize(
    ("asked", "suggested"),
    [
        ("documents/leter.txt", "documents/letter.txt"),
        ("documnets/old", "documents"),
        ("/srv/data/documents/letter.txt", "documents/letter.txt"),
        ("data/documents/old", "documents/old"),
        ("zzz", None),
        ("documents/letter.txt/below", None),
        ("documents/*.docx", None),
        ("gocryptfs.conf", None),
    ],
)
def test_missing(
    asked: str,
    suggested: str | None,
    plain: Path,
    copy: Path,
    dest: Path,
    restore: Command,
) -> None:
    """What is not there is told with what may be meant; the rest is restored."""
    said = restore("--json", copy, dest, asked, "big", status=ExitCode.FINDINGS)
    [finding] = findings(said.stdout)
    assert (finding["kind"], finding["path"]) == ("missing", asked.lstrip("/"))
    hint = f"did you mean {suggested}?" if suggested else "in the backup"
    assert finding["text"].endswith(hint)
    assert_restored({"big"}, plain, dest)


@pytest.mark.parametrize("path", ["..", "../outside", "documents/../../outside", "/.."])
def test_leading_out(path: str, copy: Path, dest: Path, restore: Command) -> None:
    """A path that leads out of the backup is refused before anything is done."""
    said = restore(copy, dest, path, status=ExitCode.USAGE)
    assert "leads out of the backup" in said.stderr
    assert not dest.exists()


def test_only_what_is_needed_is_read(
    plain: Path, copy: Path, dest: Path, restore: Command
) -> None:
    """Damage elsewhere is no concern of somebody who asks for one file."""
    in_copy(plain, copy, "big").write_bytes(b"damaged")
    in_copy(plain, copy, "documents/report.odt").write_bytes(b"damaged")
    assert restore(copy, dest, LETTER) == ("", "")
    assert_restored({LETTER}, plain, dest)


def test_attributes_of_what_was_there(
    plain: Path, copy: Path, dest: Path, restore: Command
) -> None:
    """One file restored into a directory of mine leaves that as it is, and its files."""
    dest.mkdir(mode=0o750)
    os.utime(dest, ns=(0, 12345))
    (dest / "documents").mkdir()
    (dest / "documents" / "mine").write_text("mine")
    restore(copy, dest, LETTER)
    assert dest.stat().st_mode == 0o40750
    assert (dest / "documents" / "mine").read_text() == "mine"
    assert (dest / LETTER).read_text() == (plain / LETTER).read_text()


# Without a backup


@pytest.mark.parametrize(
    ("path", "clean"),
    [(b"", b""), (b"/", b""), (b"./a", b"a"), (b"a//b/.", b"a/b"), (b"a/...", b"a/...")],
)
def test_clean_path(path: bytes, clean: bytes) -> None:
    """However a path is written, it is the one from the root."""
    assert clean_path(path) == clean


def test_clean_path_refused() -> None:
    """There is nothing above the root."""
    with pytest.raises(UsageError):
        clean_path(b"a/../b")


@pytest.mark.parametrize(
    ("pattern", "inside", "outside"),
    [
        (b"a/b/c", [b"a", b"a/b"], [b"b", b"a/b/c", b"a/bb", b"aa"]),
        (b"a/*/c", [b"a", b"a/x", b"a/b"], [b"b"]),
        (b"**/c", [b"a", b"a/b"], []),
        (b"a/[x", [b"a"], [b"b"]),
    ],
)
def test_leads_to(pattern: bytes, inside: list[bytes], outside: list[bytes]) -> None:
    """Only directories in which something may be named are looked into."""
    choice = Choice([pattern])
    assert [path for path in inside if not choice.leads_to(path)] == []
    assert [path for path in outside if choice.leads_to(path)] == []


def test_unused() -> None:
    """A choice knows which of its patterns have found nothing."""
    choice = Choice([b"a", b"b*", b"c"])
    assert choice.takes(b"a")
    assert choice.takes(b"bb")
    assert not choice.takes(b"d")
    assert choice.unused == {b"c"}
    assert Choice().is_all
    assert not choice.is_all


def test_deep_below(tmp_path: Path, dest: Path, restore: Command, config: Path) -> None:
    """A pattern finds what is deeper than the interpreter lets functions call each other.

    What the tests do themselves needs some depth, too, so the limit is lower meanwhile.
    """
    plain, copy = tmp_path / "deep", tmp_path / "deep copy"
    levels = 300
    (plain / "/".join(["d"] * levels)).mkdir(parents=True)
    (plain / "/".join(["d"] * levels) / "leaf").write_text("found")
    shutil.copy(config, plain / ".gocryptfs.reverse.conf")
    write_copy(plain, copy)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + levels // 2)
    try:
        said = restore(copy, dest, "**/leaf")
    finally:
        sys.setrecursionlimit(limit)
    assert said.stderr == ""
    assert tree_at(dest).entries[b"d/" * levels + b"leaf"].content == b"found"
