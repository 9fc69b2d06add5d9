"""Restoring what is damaged: nothing wrong, or with --salvage what is left."""

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from revcrypt.errors import ExitCode
from tests.rescue.running import Command, findings, summary
from tests.rescue.trees import BIG, REPORT, assert_same, in_copy, tree_at

BLOCK = 4128
LAST = 18 + 73 * BLOCK
"""Where the last of the 74 blocks of `BIG` begins."""


@pytest.fixture
def big(plain: Path, copy: Path) -> Path:
    """The encrypted form of the file `big`."""
    return in_copy(plain, copy, "big")


def damage(path: Path, *offsets: int) -> None:
    """Change one bit at each of some offsets, and hide it in the times."""
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    with open(path, "r+b") as file:
        for offset in offsets:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ 4]))
    os.utime(path, ns=times)


def cut(path: Path, size: int) -> None:
    """Cut a file."""
    os.truncate(path, size)


def zeroed(data: bytes, *ranges: tuple[int, int]) -> bytes:
    """Return *data* with zeros in ranges, each from an offset on for some bytes."""
    found = bytearray(data)
    for start, size in ranges:
        found[start : start + size] = bytes(size)
    return bytes(found)


Range = tuple[int, int]
Case = tuple[Callable[[Path], None], list[Range], list[Range], int]

CASES: dict[str, Case] = {
    # how it is damaged; where findings see it in the ciphertext; what is lost of the
    # plaintext, as offset and size; and how long the file is then
    "first block": (
        lambda path: damage(path, 100),
        [(18, BLOCK)],
        [(0, 4096)],
        300_000,
    ),
    "one block": (
        lambda path: damage(path, 18 + 3 * BLOCK + 50),
        [(18 + 3 * BLOCK, BLOCK)],
        [(3 * 4096, 4096)],
        300_000,
    ),
    "two in a row": (
        lambda path: damage(path, 18 + 3 * BLOCK, 18 + 5 * BLOCK - 1),
        [(18 + 3 * BLOCK, 2 * BLOCK)],
        [(3 * 4096, 2 * 4096)],
        300_000,
    ),
    "two apart": (
        lambda path: damage(path, 18 + 3 * BLOCK, 18 + 9 * BLOCK),
        [(18 + 3 * BLOCK, BLOCK), (18 + 9 * BLOCK, BLOCK)],
        [(3 * 4096, 4096), (9 * 4096, 4096)],
        300_000,
    ),
    "last block": (
        lambda path: damage(path, LAST + 20),
        [(LAST, 992 + 32)],
        [(73 * 4096, 992)],
        300_000,
    ),
    "cut in the last block": (
        lambda path: cut(path, LAST + 532),
        [(LAST, 532)],
        [(73 * 4096, 500)],
        73 * 4096 + 500,
    ),
    "cut in a nonce": (
        lambda path: cut(path, 18 + BLOCK + 10),
        [(18 + BLOCK, 10), (18 + BLOCK, 10)],
        [(4096, 1)],
        4097,
    ),
    "a stub": (lambda path: cut(path, 40), [(0, 40)], [], 0),
}


@pytest.mark.parametrize("case", CASES)
def test_not_salvaged(
    case: str, plain: Path, copy: Path, big: Path, dest: Path, restore: Command
) -> None:
    """A damaged file is not restored, each damage is located, and all else is there."""
    apply, located, _, _ = CASES[case]
    apply(big)
    said = restore("--json", copy, dest, status=ExitCode.FINDINGS)
    found = findings(said.stdout)
    assert {finding["path"] for finding in found} == {"big"}
    assert {finding["cipher_path"] for finding in found} == {str(big.relative_to(copy))}
    assert [(f["offset"], f["size"]) for f in found] == located
    wanted = tree_at(plain)
    del wanted.entries[b"big"]
    assert_same(tree_at(dest), wanted)
    assert not dest.with_name("dest.salvage.txt").exists()


@pytest.mark.parametrize("case", CASES)
def test_salvaged(case: str, copy: Path, big: Path, dest: Path, restore: Command) -> None:
    """With --salvage, what authenticates is there, and a report says what does not."""
    apply, _, lost, size = CASES[case]
    apply(big)
    restore("--salvage", copy, dest, status=ExitCode.FINDINGS)
    assert (dest / "big").read_bytes() == zeroed(BIG[:size], *lost)
    title, *lines = dest.with_name("dest.salvage.txt").read_text().splitlines()
    assert title == "What revcrypt could not bring back, by plain path:"
    if lost:
        zeros = [f"big: from byte {start} on, {size} are zeros" for start, size in lost]
        assert lines == zeros
    else:
        [line] = lines
        assert re.fullmatch("big: [0-9]+ bytes are no file of a reverse view; .*", line)


def test_a_report_that_is_wrong_by_now(
    copy: Path, big: Path, dest: Path, restore: Command
) -> None:
    """When everything is whole, an earlier report goes, and nothing else of its name."""
    good = big.read_bytes()
    times = big.stat().st_atime_ns, big.stat().st_mtime_ns
    damage(big, 5000)
    report = dest.with_name("dest.salvage.txt")
    restore("--salvage", copy, dest, status=ExitCode.FINDINGS)
    assert report.exists()
    big.write_bytes(good)
    os.utime(big, ns=times)
    restore(copy, dest)
    assert not report.exists()
    report.write_text("a file of the user's")
    restore(copy, dest)
    assert report.read_text() == "a file of the user's"


def test_old_file_stays(copy: Path, big: Path, dest: Path, restore: Command) -> None:
    """An older file is not lost because its newer version is damaged."""
    dest.mkdir()
    (dest / "big").write_text("from an older backup")
    before = tree_at(dest).entries[b"big"]
    damage(big, 5000)
    restore(copy, dest, status=ExitCode.FINDINGS)
    assert before.content == b"from an older backup"
    assert tree_at(dest).entries[b"big"] == before


def test_better_copy_later(
    plain: Path, copy: Path, big: Path, dest: Path, restore: Command
) -> None:
    """What was salvaged is replaced when the same command finds the file whole."""
    good = big.read_bytes()
    times = big.stat().st_atime_ns, big.stat().st_mtime_ns
    damage(big, 5000)
    before = time.time_ns()
    restore("--salvage", copy, dest, status=ExitCode.FINDINGS)
    assert (dest / "big").stat().st_size == len(BIG)
    assert before - 10**9 < (dest / "big").stat().st_mtime_ns <= time.time_ns()
    big.write_bytes(good)
    os.utime(big, ns=times)
    os.utime(copy, ns=(0, plain.stat().st_mtime_ns))
    assert restore("--salvage", copy, dest) == ("", "")
    assert_same(tree_at(dest), tree_at(plain))


def test_several_names(plain: Path, copy: Path, dest: Path, restore: Command) -> None:
    """All names of a damaged file are missing and told of; salvaged, it has them all."""
    damage(in_copy(plain, copy, "documents/report.odt"), 5000)
    said = restore("--json", copy, dest, status=ExitCode.FINDINGS)
    names = {"documents/report.odt", "links/second name"}
    assert {finding["path"] for finding in findings(said.stdout)} == names
    assert not any(os.path.lexists(dest / name) for name in names)

    # Nor does one name get what is there of old under another.
    for name in names:
        (dest / name).write_text(f"old {name}")
    restore(copy, dest, status=ExitCode.FINDINGS)
    assert {(dest / name).read_text() for name in names} == {f"old {n}" for n in names}

    restore("--salvage", copy, dest, status=ExitCode.FINDINGS)
    first, second = (dest / name for name in names)
    assert first.samefile(second)
    assert first.read_bytes() == zeroed(REPORT, (4096, 4096))
    assert tree_at(dest).links == tree_at(plain).links


def test_link_target(plain: Path, copy: Path, dest: Path, restore: Command) -> None:
    """A link whose target is lost is not there, with --salvage or without."""
    link = in_copy(plain, copy, "links/absolute")
    target = os.readlink(link)
    link.unlink()
    link.symlink_to(target[:20] + ("A" if target[20] != "A" else "B") + target[21:])
    for options in ((), ("--salvage",)):
        said = restore("--json", *options, copy, dest, status=ExitCode.FINDINGS)
        [finding] = findings(said.stdout)
        assert (finding["kind"], finding["path"]) == ("link", "links/absolute")
        assert not os.path.lexists(dest / "links" / "absolute")


def test_swapped_links(plain: Path, copy: Path, dest: Path, restore: Command) -> None:
    """A link that has the target of another one is only there if it is salvaged."""
    first, second = (in_copy(plain, copy, f"links/{n}") for n in ("absolute", "escaping"))
    spare = first.with_name("spare")
    for old, new in ((first, spare), (second, first), (spare, second)):
        old.rename(new)
    said = restore("--json", copy, dest, status=ExitCode.FINDINGS)
    assert {finding["kind"] for finding in findings(said.stdout)} == {"misplaced"}
    assert not os.path.lexists(dest / "links" / "absolute")
    restore("--salvage", copy, dest, status=ExitCode.FINDINGS)
    assert os.readlink(dest / "links" / "escaping") == "/etc/passwd"


def test_attribute(plain: Path, copy: Path, dest: Path, restore: Command) -> None:
    """A damaged attribute is left out and told of, and nothing else is."""
    damaged = in_copy(plain, copy, "documents/report.odt")
    long, _ = sorted(
        (name for name in os.listxattr(damaged) if name.startswith("user.")),
        key=lambda name: -len(os.getxattr(damaged, name)),
    )
    os.setxattr(damaged, long, bytes(len(os.getxattr(damaged, long))))
    said = restore("--json", copy, dest, status=ExitCode.FINDINGS)
    [finding] = findings(said.stdout)
    assert finding["kind"] == "xattr"
    assert finding["path"] in ("documents/report.odt", "links/second name")
    wanted = tree_at(plain)
    del wanted.entries[b"documents/report.odt"].xattrs["user.comment"]
    del wanted.entries[b"links/second name"].xattrs["user.comment"]
    assert_same(tree_at(dest), wanted)


def test_lost_name(plain: Path, copy: Path, dest: Path, restore: Command) -> None:
    """What has lost its name is left out; salvaged, it has its encrypted name."""
    directory = next(path for path in plain.iterdir() if path.name.endswith(" dir"))
    [inside] = directory.iterdir()
    entry = in_copy(plain, copy, str(inside.relative_to(plain)))
    entry.with_name(entry.name + ".name").unlink()
    said = restore("--json", copy, dest, status=ExitCode.FINDINGS)
    [finding] = findings(said.stdout)
    assert (finding["kind"], finding["path"]) == ("name-file", None)
    assert os.listdir(dest / directory.name) == []
    restore("--salvage", copy, dest, status=ExitCode.FINDINGS)
    [salvaged] = (dest / directory.name).iterdir()
    assert salvaged.name == entry.name
    assert salvaged.read_bytes() == inside.read_bytes()


def test_counted(copy: Path, big: Path, dest: Path, restore: Command) -> None:
    """The summary counts a salvaged file with its zeros, and what was found."""
    whole = summary(restore("--json", copy, dest.with_name("other")).stdout)
    damage(big, 18 + 3 * BLOCK, 18 + 9 * BLOCK)
    salvaged = restore("--json", "--salvage", copy, dest, status=ExitCode.FINDINGS)
    assert summary(salvaged.stdout) == whole | {"findings": 2}


@pytest.mark.parametrize("jobs", ["-j1", "-j3"])
def test_report_of_many(
    jobs: str, plain: Path, copy: Path, dest: Path, restore: Command
) -> None:
    """The report is in order, whoever comes first, and no name can do harm in it."""
    for name in ("odd/new\nline", "big", "odd/-rf"):
        damage(in_copy(plain, copy, name), 48)
    said = restore(jobs, "--salvage", copy, f"{dest}/", status=ExitCode.FINDINGS)
    assert dest.with_name("dest.salvage.txt").read_text().splitlines()[1:] == [
        "big: from byte 0 on, 4096 are zeros",
        "odd/-rf: from byte 0 on, 3 are zeros",
        "odd/new\\x0aline: from byte 0 on, 8 are zeros",
    ]
    assert len(said.stderr.splitlines()) == 4  # and the summary


@pytest.mark.parametrize("make", ["file", "fifo"])
def test_lost_names_take_nobodys_place(
    make: str, copy: Path, dest: Path, restore: Command
) -> None:
    """An entry without a name that is called like a file does not replace that file."""
    intruder = copy / "big"
    if make == "file":
        intruder.touch()
    else:
        os.mkfifo(intruder)
    said = restore("--salvage", copy, dest, status=ExitCode.FINDINGS)
    assert "its name does not decrypt" in said.stderr
    assert (dest / "big").read_bytes() == BIG
    assert (dest / "big.lost").is_file() == (make == "file")
    assert (dest / "big.lost").is_fifo() == (make == "fifo")
