"""Clients that behave badly, or come all at once."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from tests.faults.place import Place, lines, plain_source
from tests.support import forget_names, read_at, snapshot

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.faults,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop what is cached"),
]

READERS = 64
LARGE = 8000
"""Lines: 2 MB."""
# Reads a little of a file, says so, and then does what the test wants.
READER = """
import os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
os.read(fd, 10_000)
print("reading", flush=True)
while os.pread(fd, 10_000, 0):
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
"""
LISTER = """
import os, sys
entries = os.scandir(sys.argv[1])
next(entries)
print("listing", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A large file, and many small ones."""
    with plain_source(tmp_path_factory.mktemp("clients")) as (mounts, source):
        (source / "large").write_bytes(lines(READERS, LARGE))
        (source / "many").mkdir()
        for number in range(READERS):
            (source / "many" / f"{number}").write_bytes(lines(number, number))
        yield Place(mounts, source)


def test_many_readers_of_many_files(place: Place) -> None:
    """All read their own at the same time, and each gets it."""
    place.forget()
    with ThreadPoolExecutor(READERS) as pool:
        found = list(pool.map(place.read, [f"many/{n}" for n in range(READERS)]))
    assert found == [lines(number, number) for number in range(READERS)]


@pytest.mark.parametrize("flags", [0, os.O_DIRECT], ids=["cached", "direct"])
def test_many_readers_of_one_file(place: Place, flags: int) -> None:
    """All read the same in pieces, each in an order of its own, past any cache."""
    path = place.view / "large"
    expected = path.read_bytes()
    pieces = [(start, 131_072) for start in range(0, len(expected), 131_072)]

    def read(number: int) -> bool:
        fd = os.open(path, os.O_RDONLY | flags)
        try:
            mine = Random(number).sample(pieces, len(pieces))
            return all(
                os.pread(fd, size, start) == expected[start : start + size]
                for start, size in mine
            )
        finally:
            os.close(fd)

    with ThreadPoolExecutor(READERS) as pool:
        assert all(pool.map(read, range(READERS)))


def test_files_that_are_never_closed(place: Place) -> None:
    """However many files a client keeps open, others read, and see what is new."""
    fds = [os.open(place.view / "many" / "7", os.O_RDONLY) for _ in range(2000)]
    try:
        fds += [os.open(path, os.O_RDONLY) for path in (place.view / "many").iterdir()]
        assert place.told["open_files"] == len(fds)
        assert place.read("large") == lines(READERS, LARGE)
        (place.source / "many" / "new").write_bytes(lines(1, 7))
        (place.source / "many" / "new").replace(place.source / "many" / "7")
        forget_names(place.view)
        assert place.read("many/7") == lines(1, 7)
        assert place.unseal(os.pread(fds[0], 10_000, 0)) == lines(7, 7)
    finally:
        for fd in fds:
            os.close(fd)
    place.wait_until_closed()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_reader_that_dies(place: Place, number: signal.Signals) -> None:
    """What it had open is closed, and the next reader is none the worse."""
    words = [sys.executable, "-c", READER, place.view / "large"]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == b"reading\n"
        assert place.told["open_files"] == 1
        reader.send_signal(number)
    assert reader.returncode == -number
    assert place.read("large") == lines(READERS, LARGE)
    assert place.told["open_files"] == 0


def test_a_reader_that_stops(place: Place) -> None:
    """One who reads nothing more keeps nobody from it."""
    words = [sys.executable, "-c", READER, place.view / "large"]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == b"reading\n"
        reader.send_signal(signal.SIGSTOP)
        try:
            assert place.read("large") == lines(READERS, LARGE)
        finally:
            reader.kill()


def test_listings_that_are_never_read_to_their_end(place: Place) -> None:
    """Neither does one who stops in the middle of a directory, or dies there."""
    words = [sys.executable, "-c", LISTER, place.view / "many"]
    before = snapshot(place.view / "many")
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as lister:
        assert lister.stdout is not None
        assert lister.stdout.readline() == b"listing\n"
        assert place.told["open_directories"] == 1
        assert snapshot(place.view / "many") == before
        lister.kill()
    assert place.told["open_directories"] == 0


@pytest.mark.parametrize("size", [1, 4095, 4128, 1 << 20, 1 << 30])
def test_reads_of_any_size(place: Place, size: int) -> None:
    """A read of a gigabyte gets what there is, and one of a byte a byte."""
    path = place.view / "large"
    expected = path.read_bytes()
    for offset in (0, 17, len(expected) - 1, len(expected), 1 << 40):
        assert read_at(path, offset, size) == expected[offset : offset + size]
