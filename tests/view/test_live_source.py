"""Files that change while they are read (design, "Live files")."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from errno import EBADF, EIO, EOPNOTSUPP
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revcrypt.errors import SourceChangedError
from revcrypt.view import mounts
from revcrypt.view.nodes import OpenFile
from revcrypt.view.reverse_file import KEPT_BLOCKS
from tests.view.trees import at, cipher_size, reverse_view, seal, unseal

EVERYTHING = 1 << 24


@contextmanager
def opened(path: Path) -> Iterator[OpenFile]:
    """Open the ciphertext of a file."""
    with reverse_view(path.parent) as view:
        file = view.open(at(view, os.fsencode(path.name)))
        try:
            yield file
        finally:
            file.close()


@contextmanager
def cipher_path(path: Path) -> Iterator[bytes]:
    with reverse_view(path.parent) as view:
        yield at(view, os.fsencode(path.name)).shown_path()


def fill(path: Path, byte: int, size: int) -> None:
    """Overwrite a file in place with *size* equal bytes."""
    with open(path, "r+b") as file:
        file.write(bytes([byte]) * size)


def append(path: Path, data: bytes) -> None:
    with open(path, "ab") as file:
        file.write(data)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a file of two blocks and a bit."""
    path = tmp_path / "file"
    path.write_bytes(b"\1" * 9000)
    return path


@pytest.mark.parametrize("size", [1, 4096, 9000])
def test_the_size_is_frozen_when_a_file_is_opened(path: Path, size: int) -> None:
    """What is appended after opening is not served, in no block and not by a byte."""
    os.truncate(path, size)
    with opened(path) as file, cipher_path(path) as shown:
        append(path, b"more" * 5000)
        assert file.size == cipher_size(size)
        assert file.read(0, EVERYTHING, nowait=False) == seal(b"\1" * size, shown)
        assert file.read(file.size, EVERYTHING, nowait=False) == b""
        assert file.attrs().size == cipher_size(size + 20_000)


def test_an_empty_file_stays_empty(path: Path) -> None:
    """A file that was empty when it was opened never shows as much as a header."""
    os.truncate(path, 0)
    with opened(path) as file:
        append(path, b"more")
        assert (file.size, file.read(0, EVERYTHING, nowait=False)) == (0, b"")


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_block_served_authenticates(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Disjoint reads in any order make whole blocks, though the file changes between."""
    size = data.draw(st.integers(1, 40_000), "size")
    total = cipher_size(size)
    cuts = data.draw(st.lists(st.integers(0, total), max_size=30), "cuts")
    pieces = list(pairwise(sorted({0, *cuts, total})))
    order = data.draw(st.permutations(pieces), "order")
    path = tmp_path_factory.mktemp("torn") / "file"
    path.write_bytes(bytes(size))
    served = {}
    with opened(path) as file:
        for state, (start, end) in enumerate(order):
            fill(path, state, size)
            served[start] = file.read(start, end - start, nowait=False)
    plain = unseal(b"".join(served[start] for start, _ in pieces))
    assert len(plain) == size
    for start in range(0, size, 4096):
        block = plain[start : start + 4096]
        assert len(set(block)) == 1, "a block comes from two states of the file"


def test_what_was_cut_is_from_the_state_that_was_cut(path: Path) -> None:
    """A cut block is finished as it was begun; the blocks behind it are up to date."""
    with opened(path) as file:
        head = file.read(0, 3000, nowait=False)
        fill(path, 2, 9000)
        rest = file.read(3000, EVERYTHING, nowait=False)
    assert unseal(head + rest) == b"\1" * 4096 + b"\2" * 4904


def test_kept_blocks_are_few(tmp_path: Path) -> None:
    """However many blocks are cut, only a small number is kept."""
    path = tmp_path / "file"
    path.write_bytes(bytes(300 * 4096))
    with opened(path) as file:
        for block in range(299):
            file.read(18 + block * 4128 + 100, 4128, nowait=False)
        assert len(file._kept) == KEPT_BLOCKS


@pytest.mark.parametrize("left", [0, 1, 4096, 8999])
def test_a_file_that_has_become_shorter_is_an_error(path: Path, left: int) -> None:
    """Bytes that are gone are an error, never zeros and never a short file."""
    with opened(path) as file:
        os.truncate(path, left)
        with pytest.raises(SourceChangedError):
            file.read(0, EVERYTHING, nowait=False)
        with pytest.raises(SourceChangedError):
            file.read(file.size - 1, 1, nowait=False)
        with pytest.raises(BlockingIOError):
            file.read(0, EVERYTHING, nowait=True)
        assert file.size == cipher_size(9000)


def test_what_is_left_of_a_shorter_file_can_be_read(path: Path) -> None:
    """Blocks that are still there authenticate."""
    with opened(path) as file, cipher_path(path) as shown:
        os.truncate(path, 5000)
        head = file.read(0, 18 + 4128, nowait=False)
        assert head == seal(b"\1" * 9000, shown)[: 18 + 4128]


@pytest.mark.parametrize("size", [1, 4096, 5000, 9000])
def test_freezing_serves_a_prefix(path: Path, size: int) -> None:
    """A file frozen at a size it had once shows exactly what it showed then."""
    with opened(path) as file, cipher_path(path) as shown:
        file.freeze(cipher_size(size))
        assert file.size == cipher_size(size)
        assert file.read(0, EVERYTHING, nowait=False) == seal(b"\1" * size, shown)


def test_a_file_without_a_name_can_be_read(path: Path) -> None:
    """An open file outlives its name, content and attributes."""
    with opened(path) as file, cipher_path(path) as shown:
        path.unlink()
        assert file.read(0, EVERYTHING, nowait=False) == seal(b"\1" * 9000, shown)
        assert (file.attrs().size, file.attrs().nlink) == (cipher_size(9000), 0)


def test_equal_stamps_mean_equal_bytes(path: Path) -> None:
    """The stamp stays while nothing changes, and changes with content, size or ids."""
    (path.parent / "other").write_bytes(path.read_bytes())

    def stamp(name: str = "file") -> object:
        with opened(path.parent / name) as file:
            return file.stamp

    first = stamp()
    assert first == stamp()
    assert first != stamp("other")
    os.utime(path, ns=(5, 5))
    touched = stamp()
    os.link(path, path.parent / "second name")
    linked = stamp()
    append(path, b"more")
    assert len({first, touched, linked, stamp()}) == 4


@pytest.mark.parametrize(
    ("seconds", "quiet"), [(0, False), (1.9, False), (3, True), (-1.9, False), (-3, True)]
)
def test_a_file_is_quiet_some_time_after_its_last_change(
    path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, *, quiet: bool
) -> None:
    """Two seconds are within one tick of the coarsest clock, also in the future."""
    now = path.stat().st_ctime_ns + int(seconds * 1e9)
    monkeypatch.setattr(time, "time_ns", lambda: now)
    with opened(path) as file:
        assert file.quiet is quiet


def test_nowait_does_not_wait_for_another_reader(path: Path) -> None:
    """While one thread reads, another that must not wait is told so."""
    with opened(path) as file:
        with file._lock, pytest.raises(BlockingIOError):
            file.read(0, 100, nowait=True)
        assert len(file.read(0, 100, nowait=False)) == 100


@pytest.mark.parametrize("count", [0, 1, 4095, None])
def test_nowait_takes_all_or_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch, count: int | None
) -> None:
    """What is only partly cached, or unknown to be, counts as not cached."""

    real = os.preadv

    def preadv(fd: int, buffers: list[memoryview], offset: int, flags: int = 0) -> int:
        if flags != os.RWF_NOWAIT:
            return real(fd, buffers, offset, flags)
        if count is None:
            raise OSError(EOPNOTSUPP, "not on this filesystem")
        return count

    monkeypatch.setattr(os, "preadv", preadv)
    monkeypatch.setattr(mounts, "_PAGED", ())
    with opened(path) as file, cipher_path(path) as shown:
        with pytest.raises(BlockingIOError):
            file.read(18, 4128, nowait=True)
        sealed = seal(b"\1" * 9000, shown)
        assert file.read(18, 4128, nowait=False) == sealed[18 : 18 + 4128]


@pytest.mark.parametrize("nowait", [False, True])
def test_a_broken_disk_is_an_error(
    path: Path, monkeypatch: pytest.MonkeyPatch, *, nowait: bool
) -> None:
    """An error of the source is passed on, with its errno."""

    def broken(*_: object) -> int:
        raise OSError(EIO, "broken disk")

    monkeypatch.setattr(os, "preadv", broken)
    with opened(path) as file, pytest.raises(OSError, match=f"Errno {EIO}"):
        file.read(0, 100, nowait=nowait)


def test_a_read_may_return_less(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short count in the middle of a file is not taken for its end."""
    counts = []
    preadv = os.preadv

    def short(fd: int, buffers: list[memoryview], offset: int) -> int:
        counts.append(preadv(fd, [buffers[0][:700]], offset))
        return counts[-1]

    monkeypatch.setattr(os, "preadv", short)
    with opened(path) as file, cipher_path(path) as shown:
        assert file.read(0, EVERYTHING, nowait=False) == seal(b"\1" * 9000, shown)
    assert counts == [700] * 12 + [600]


def test_a_closed_file_reads_nothing(path: Path) -> None:
    """A late read fails, and does not read whatever has got the descriptor since."""
    with reverse_view(path.parent) as view:
        file = view.open(at(view, b"file"))
        file.close()
        with open(path, "rb"), pytest.raises(OSError, match=f"Errno {EBADF}"):
            file.read(0, 100, nowait=False)


def test_threads_share_a_file(tmp_path: Path) -> None:
    """Many threads that read one open file all get the right bytes."""
    path = tmp_path / "file"
    path.write_bytes(Random(1).randbytes(300_000))
    total = cipher_size(300_000)
    random = Random(2)
    slices = [(random.randrange(total), random.randrange(1, 70_000)) for _ in range(150)]
    with opened(path) as file, cipher_path(path) as shown, ThreadPoolExecutor(4) as pool:
        sealed = seal(path.read_bytes(), shown)
        pieces = list(pool.map(lambda s: file.read(*s, nowait=False), slices))
    assert pieces == [sealed[start : start + length] for start, length in slices]
