"""Name files and headers that are lost, and what puts them right (sections 3.5, 4.4)."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from revcrypt.errors import ExitCode
from tests.rescue.running import Command
from tests.rescue.trees import (
    BIG,
    LONG,
    Tree,
    assert_same,
    tree_at,
    write_copy,
)
from tests.view.trees import find, forward_view

XS, YS = "x" * 200, "y" * 200


@pytest.fixture
def copy(plain: Path, tmp_path: Path) -> Path:
    """The cipherdir that was pulled from `plain`, with two more long names."""
    for name in (XS, YS):
        (plain / name).write_text(f"this is {name}")
    path = tmp_path / "copy"
    write_copy(plain, path)
    return path


def in_copy(copy: Path, path: str) -> Path:
    """Return where the copy has a plain path."""
    with forward_view(copy) as view:
        return copy / os.fsdecode(find(view, os.fsencode(path))[0].backing_path())


def name_file(copy: Path, path: str) -> Path:
    entry = in_copy(copy, path)
    return entry.with_name(entry.name + ".name")


def write(path: Path, data: bytes) -> None:
    """Replace the content of a file, and nothing else of it."""
    status = path.stat()
    path.chmod(0o600)
    path.write_bytes(data)
    path.chmod(status.st_mode)
    os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))


def unlink(path: Path) -> None:
    """Remove a file, and leave the time of its directory as it is."""
    times = path.parent.stat().st_mtime_ns
    path.unlink()
    os.utime(path.parent, ns=(times, times))


def without(tree: Tree, path: str) -> Tree:
    """Return a tree without a path and what is below it."""
    gone = os.fsencode(path)
    entries = {
        other: entry
        for other, entry in tree.entries.items()
        if other != gone and not other.startswith(gone + b"/")
    }
    return tree._replace(entries=entries)


# Name files


def test_swapped_name_files(
    plain: Path, copy: Path, dest: Path, restore: Command, command: Command
) -> None:
    """Two name files that hold each other's names still name the right files."""
    first, second = name_file(copy, XS), name_file(copy, YS)
    names = first.read_bytes(), second.read_bytes()
    write(first, names[1])
    write(second, names[0])
    said = restore(copy, dest)
    assert_same(tree_at(dest), tree_at(plain))
    lines = said.stderr.splitlines()
    assert len(lines) == 2
    assert all(line.endswith("; put right") for line in lines)
    command("verify", "-j1", copy, status=ExitCode.FINDINGS)


def test_a_moved_name_file(plain: Path, copy: Path, dest: Path, restore: Command) -> None:
    """A name is found in whichever name file it is, if only one has lost its own."""
    first, second = name_file(copy, XS), name_file(copy, YS)
    write(second, first.read_bytes())
    unlink(first)
    said = restore(copy, dest, status=ExitCode.FINDINGS)
    lines = said.stderr.splitlines()
    assert [line.endswith("; put right") for line in sorted(lines)].count(True) == 1
    assert_same(tree_at(dest), without(tree_at(plain), YS))


DAMAGES: dict[str, Callable[[Path], None]] = {
    "missing": unlink,
    "empty": lambda path: write(path, b""),
    "cut": lambda path: write(path, path.read_bytes()[:-1]),
    "flipped": lambda path: write(path, path.read_bytes().swapcase()),
    "another's": lambda path: write(path, name_file(path.parent, YS).read_bytes()),
    "huge": lambda path: write(path, b"A" * 1_000_000),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_lost_name(
    damage: str, plain: Path, copy: Path, dest: Path, restore: Command
) -> None:
    """A file without its name is told of, and only salvaged, under its cipher name."""
    entry = in_copy(copy, XS).name
    DAMAGES[damage](name_file(copy, XS))
    said = restore(copy, dest, status=ExitCode.FINDINGS)
    assert entry in said.stderr
    assert_same(tree_at(dest), without(tree_at(plain), XS))
    salvaged = dest.with_name("salvaged")
    restore("--salvage", copy, salvaged, status=ExitCode.FINDINGS)
    assert (salvaged / entry).read_text() == f"this is {XS}"
    assert_same(without(tree_at(salvaged), entry), without(tree_at(plain), XS))
    [_, line] = Path(f"{salvaged}.salvage.txt").read_text().splitlines()
    assert line.startswith(f"{entry}: its .name file ")


def test_a_directory_that_has_lost_its_name(
    plain: Path, copy: Path, dest: Path, restore: Command
) -> None:
    """What is below it is told of with it, and salvaged below its cipher name."""
    entry = in_copy(copy, f"{LONG} dir").name
    unlink(name_file(copy, f"{LONG} dir"))
    restore(copy, dest, status=ExitCode.FINDINGS)
    assert_same(tree_at(dest), without(tree_at(plain), f"{LONG} dir"))
    salvaged = dest.with_name("salvaged")
    said = restore("--salvage", copy, salvaged, status=ExitCode.FINDINGS)
    assert said.stderr.count(entry) == 1
    assert "problems that were not put right: 1" in said.stderr
    assert (salvaged / entry / LONG).read_text() == "below long names"


def test_a_name_file_that_is_left_over(
    plain: Path, copy: Path, dest: Path, restore: Command
) -> None:
    """A name without its entry tells that something is missing."""
    unlink(in_copy(copy, XS))
    said = restore(copy, dest, status=ExitCode.FINDINGS)
    assert "there is no entry of this name" in said.stderr
    assert_same(tree_at(dest), without(tree_at(plain), XS))


# Headers


HEADERS: dict[str, Callable[[bytes], bytes]] = {
    "zeroed": lambda _: bytes(18),
    "another version": lambda header: b"\0\3" + header[2:],
    "another id": lambda header: header[:17] + bytes([header[17] ^ 1]),
    "random": lambda _: b"an 18 byte header!",
}


@pytest.mark.parametrize("damage", HEADERS)
@pytest.mark.parametrize(
    "path",
    ["big", "documents/report.odt", f"{LONG} dir/{LONG}"],
    ids=["one name", "two names", "long name"],
)
def test_a_lost_header(
    path: str,
    damage: str,
    plain: Path,
    copy: Path,
    dest: Path,
    restore: Command,
    command: Command,
) -> None:
    """The header follows from path or nonces, so a file without it is whole."""
    file = in_copy(copy, path)
    data = file.read_bytes()
    write(file, HEADERS[damage](data[:18]) + data[18:])
    said = restore(copy, dest)
    assert said.stderr.count("; put right") == len(said.stderr.splitlines()) == 1
    assert_same(tree_at(dest), tree_at(plain))
    assert "header" in command("verify", "-j1", copy, status=ExitCode.FINDINGS).stdout


def test_another_header_before_blocks_of_its_own(
    copy: Path, dest: Path, restore: Command
) -> None:
    """A header that fits the blocks, but not the path, is no header to put right."""
    write(in_copy(copy, XS), in_copy(copy, YS).read_bytes())
    said = restore(copy, dest, status=ExitCode.FINDINGS)
    assert "the content of another file" in said.stderr
    assert not (dest / XS).exists()


def test_a_lost_header_and_a_lost_block(copy: Path, dest: Path, restore: Command) -> None:
    """The header is put right by any block that authenticates under its id."""
    file = in_copy(copy, "big")
    data = bytearray(file.read_bytes())
    data[:100] = bytes(100)
    write(file, bytes(data))
    restore("--salvage", copy, dest, status=ExitCode.FINDINGS)
    assert (dest / "big").read_bytes() == bytes(4096) + BIG[4096:]
    report = Path(f"{dest}.salvage.txt").read_text().splitlines()
    assert report[1:] == ["big: from byte 0 on, 4096 are zeros"]
