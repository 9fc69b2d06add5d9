"""Restoring to where something is already, or where nothing must be restored."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from revcrypt.errors import ExitCode
from tests.rescue.running import Command, findings
from tests.rescue.trees import assert_same, in_copy, tree_at, write_copy
from tests.rescue.untouched import unchanged, without


def link_to_directory(path: Path, outside: Path) -> None:
    """Have a directory lead somewhere else."""
    path.symlink_to(outside)


def make_directory(path: Path, _: Path) -> None:
    """Have a directory where something else should be."""
    path.mkdir()
    (path / "mine").write_text("mine")


def make_file(path: Path, _: Path) -> None:
    """Have a file where a directory should be."""
    path.write_text("mine")


def look(path: Path) -> object:
    """Return what is at a path."""
    if path.is_symlink():
        return path.readlink()
    return tree_at(path) if path.is_dir() else path.read_text()


IN_THE_WAY: dict[str, tuple[str, Callable[[Path, Path], None]]] = {
    "link instead of a directory": ("documents", link_to_directory),
    "link instead of one below": ("documents/old", link_to_directory),
    "file instead of a directory": ("documents", make_file),
    "directory instead of a file": ("big", make_directory),
    "directory instead of a symlink": ("links/absolute", make_directory),
    "directory instead of a FIFO": ("special/fifo", make_directory),
}


@pytest.mark.parametrize("jobs", ["-j1", "-j2"])
@pytest.mark.parametrize("case", IN_THE_WAY)
def test_in_the_way(
    case: str,
    jobs: str,
    plain: Path,
    copy: Path,
    dest: Path,
    outside: Path,
    restore: Command,
) -> None:
    """What is in the way stays, is told of once, is never followed; the rest is there."""
    path, put = IN_THE_WAY[case]
    (dest / path).parent.mkdir(parents=True)
    put(dest / path, outside)
    before = look(dest / path)
    with unchanged(outside):
        words = (jobs, "--json", copy, dest)
        said = restore(*words, status=ExitCode.FINDINGS)
    [finding] = [f for f in findings(said.stdout) if f["path"] == path]
    assert finding["kind"] == "destination"
    assert look(dest / path) == before
    assert_same(without(tree_at(dest), path), without(tree_at(plain), path))


@pytest.mark.parametrize("path", ["documents/letter.txt", "big", "links/relative"])
def test_link_instead_of_file(
    path: str, plain: Path, copy: Path, dest: Path, outside: Path, restore: Command
) -> None:
    """A link in the place of a file is replaced, what it leads to is not touched."""
    (dest / path).parent.mkdir(parents=True)
    (dest / path).symlink_to(outside / Path(path).name)
    with unchanged(outside):
        restore(copy, dest)
    assert_same(tree_at(dest), tree_at(plain))


def test_restored_link_is_not_followed(
    plain: Path, copy: Path, dest: Path, outside: Path, restore: Command
) -> None:
    """A link from one backup does not lead what comes from the next one anywhere."""
    (plain / "documents").rename(plain / "moved")
    (plain / "documents").symlink_to(outside)
    other = copy.with_name("other")
    write_copy(plain, other)
    restore(other, dest)
    with unchanged(outside):
        restore(copy, dest, status=ExitCode.FINDINGS)
    assert (dest / "documents").readlink() == outside


@pytest.mark.parametrize("make", ["link", "fifo"])
def test_report_in_the_way(
    make: str, plain: Path, copy: Path, dest: Path, outside: Path, restore: Command
) -> None:
    """The report of a salvage is a new file; what waits in its place stays there."""
    taken = dest.with_name("dest.salvage.txt")
    if make == "link":
        taken.symlink_to(outside / "big")
    else:
        os.mkfifo(taken)
    os.truncate(in_copy(plain, copy, "big"), 10_000)
    with unchanged(outside):
        restore("--salvage", copy, dest, status=ExitCode.FINDINGS)
    report = dest.with_name("dest.salvage-2.txt")
    assert report.lstat().st_mode == 0o100600
    assert report.read_text().splitlines()[1].startswith("big: from byte 8192 on, ")
    assert taken.is_symlink() or taken.is_fifo()


def test_into_here(
    plain: Path,
    copy: Path,
    dest: Path,
    restore: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The report is next to the destination also where that is called `.`."""
    os.truncate(in_copy(plain, copy, "big"), 10_000)
    dest.mkdir()
    monkeypatch.chdir(dest)
    restore("--salvage", copy, ".", status=ExitCode.FINDINGS)
    assert dest.with_name("dest.salvage.txt").exists()
    assert not any("salvage" in name for name in os.listdir(dest))


# Where it must not be


@pytest.mark.parametrize("where", ["same", "inside", "far inside", "around", "by a link"])
def test_overlap(where: str, copy: Path, tmp_path: Path, restore: Command) -> None:
    """Nothing is restored into the backup, nor around it."""
    link = tmp_path / "link"
    link.symlink_to(copy)
    dest = {
        "same": copy,
        "inside": copy / "new",
        "far inside": copy / "new" / ".." / "other" / "new",
        "around": tmp_path,
        "by a link": link / "new",
    }[where]
    with unchanged(copy):
        said = restore(copy, dest, status=ExitCode.DESTINATION)
    assert "overlap" in said.stderr
    assert "hint" in said.stderr


def test_no_directory(copy: Path, dest: Path, restore: Command) -> None:
    """A file is no destination, and one that cannot be made is told of."""
    dest.write_text("mine")
    for path in (dest, dest / "below"):
        said = restore(copy, path, status=ExitCode.DESTINATION)
        assert "Not a directory" in said.stderr or "File exists" in said.stderr
        assert "hint" in said.stderr
    assert dest.read_text() == "mine"


def test_neighbour(plain: Path, copy: Path, restore: Command) -> None:
    """A directory whose name only begins like that of the backup is no part of it."""
    dest = copy.with_name("copy restored")
    restore(copy, dest)
    assert_same(tree_at(dest), tree_at(plain))
