"""Files that change while they are read: old or new blocks, or an error."""

import os
from collections.abc import Callable, Iterator
from errno import EIO
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.faults.place import BLOCK, Place, lines, plain_source
from tests.mount.processes import wait_until_quiet

pytestmark = [pytest.mark.fuse, pytest.mark.faults]

PIECE = 50_000
"""Bytes of a read, which cuts blocks."""
SIZES = {"small": 100, "large": 3000}
"""Lines: one file that the kernel is handed as it is opened, and one that it is not."""
MOMENTS = ("told", "opened", "begun", "ending")
"""After its size was asked for, after opening, after the first piece, before the last."""
STATES = ("quiet", "busy")
"""Whether it had changed before, just now."""


class Case(NamedTuple):
    """A file, and what it may look like afterwards."""

    path: Path
    old: bytes
    new: bytes


def _replacement(case: Case) -> Path:
    path = case.path.with_name(f"{case.path.name} replacement")
    path.write_bytes(case.new)
    return path


def cut(case: Case) -> None:
    os.truncate(case.path, len(case.new))


def write(case: Case) -> None:
    """Make it longer, or another one in place."""
    with open(case.path, "r+b") as file:
        file.write(case.new)


def replace(case: Case) -> None:
    os.replace(_replacement(case), case.path)


def delete(case: Case) -> None:
    case.path.unlink()


def move(case: Case) -> None:
    case.path.rename(case.path.with_name(f"{case.path.name} moved"))


def move_directory(case: Case) -> None:
    case.path.parent.rename(case.path.parent.with_name(f"{case.path.parent.name} moved"))


def close_to_others(case: Case) -> None:
    case.path.chmod(0)


def link(case: Case) -> None:
    """Give it a second name, by which its ids become others."""
    os.link(case.path, case.path.with_name(f"{case.path.name} linked"))


def make_directory(case: Case) -> None:
    case.path.unlink()
    case.path.mkdir()


def make_link(case: Case) -> None:
    case.path.unlink()
    case.path.symlink_to("nowhere")


def make_fifo(case: Case) -> None:
    case.path.unlink()
    os.mkfifo(case.path)


class Fault(NamedTuple):
    """What happens; the new content, made of the old one; and what who was told gets."""

    do: Callable[[Case], None]
    make_new: Callable[[bytes], bytes]
    told: str
    """What a reader gets who opens after, whenever he has asked for the size."""
    opened: str = "old"
    """What a reader gets who has opened before."""


def same(old: bytes) -> bytes:
    return old


def another(old: bytes) -> bytes:
    return lines(10**8 + int(old[5:14]), len(old) // 256 + 7)


def _rewritten(old: bytes) -> bytes:
    return lines(int(old[5:14]), len(old) // 256, version=1)


FAULTS = {
    "truncated": Fault(cut, lambda old: old[: len(old) // 2], "new", "old or EIO"),
    "emptied": Fault(cut, lambda _: b"", "new", "old or EIO"),
    "grown": Fault(write, lambda old: old + lines(int(old[5:14]), 50), "old or new"),
    "overwritten": Fault(write, _rewritten, "new", "old or new blocks"),
    "replaced": Fault(replace, another, "new"),
    "deleted": Fault(delete, same, "gone"),
    "renamed": Fault(move, same, "gone"),
    "below a renamed directory": Fault(move_directory, same, "gone"),
    "made unreadable": Fault(close_to_others, same, "old"),
    "given a second name": Fault(link, same, "old"),
    "replaced by a directory": Fault(make_directory, same, "directory"),
    "replaced by a symlink": Fault(make_link, same, "gone"),
    "replaced by a FIFO": Fault(make_fifo, lambda _: b"", "new"),
}
CASES = list(product(FAULTS, MOMENTS, SIZES, STATES))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A view in which each case has a file."""
    with plain_source(tmp_path_factory.mktemp("files")) as (mounts, source):
        for number, case in enumerate(CASES):
            path = source / " ".join(case) / "file"
            path.parent.mkdir()
            path.write_bytes(lines(number, SIZES[case[2]]))
        wait_until_quiet(path)
        yield Place(mounts, source)


def read(path: Path, moment: str, happen: Callable[[], None]) -> tuple[bytes, str]:
    """Read a file, which meets a fault; return what was got, and how it ended."""
    pieces: list[bytes] = []
    try:
        size = path.stat().st_size
        if moment == "told":
            happen()
        # A FIFO would have us wait for a writer.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return b"", "gone"
    try:
        if moment == "opened":
            happen()
        while piece := os.read(fd, PIECE):
            got = sum(map(len, pieces)) + len(piece)
            if moment == "begun" and not pieces:
                happen()
            if moment == "ending" and got - len(piece) <= size - 2 * PIECE < got:
                happen()
            pieces.append(piece)
    except IsADirectoryError:
        return b"", "directory"
    except OSError as error:
        if error.errno != EIO:
            raise
        return b"".join(pieces), "EIO"
    finally:
        os.close(fd)
    return b"".join(pieces), "whole"


@pytest.mark.parametrize(("fault", "moment", "size", "state"), CASES)
def test_read(place: Place, fault: str, moment: str, size: str, state: str) -> None:
    """Whenever it happens, each block is an old or a new one, or there is an error."""
    path = place.source / f"{fault} {moment} {size} {state}" / "file"
    shown = place.view / path.relative_to(place.source)
    old = path.read_bytes()
    case = Case(path, old, FAULTS[fault].make_new(old))
    if state == "busy":
        os.utime(path)
    happened: list[bool] = []

    def happen() -> None:
        happened.append(True)
        FAULTS[fault].do(case)

    sealed, end = read(shown, moment, happen)
    if not happened:
        happen()  # So little was to be read that there was no such moment.
    expected = FAULTS[fault].told if moment == "told" else FAULTS[fault].opened
    check(place, case, sealed, end, expected)
    # Whoever opens it now has what there is now, as far as he was told of it.
    sealed, end = read(shown, "", lambda: None)
    check(place, case, sealed, end, FAULTS[fault].told)


def check(place: Place, case: Case, sealed: bytes, end: str, expected: str) -> None:
    """Check that what a reader got is as *expected*, and nothing else."""
    if end == "EIO":
        assert "EIO" in expected
        # The last block may have been cut.
        sealed = sealed[: 18 + (len(sealed) - 18) // 4128 * 4128]
    plain = place.unseal(sealed)
    if end == "EIO" or expected == "old or new blocks":
        assert end == "EIO" or len(plain) in (len(case.old), len(case.new))
        for start in range(0, len(plain), BLOCK):
            block = plain[start : start + BLOCK]
            assert block in (case.old[start:][:BLOCK], case.new[start:][:BLOCK])
        return
    if end in ("gone", "directory"):
        assert expected == end
        return
    assert end == "whole"
    allowed = {"old": [case.old], "new": [case.new]}
    assert plain in allowed.get(expected, [case.old, case.new])
