"""A daemon that runs out of something, and gets it back."""

import os
import re
import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from errno import ECONNABORTED, EIO, ENOMEM, ENOTCONN
from functools import partial
from pathlib import Path

import pytest

from tests.faults.place import DiskPlace, Place, lines, plain_source
from tests.mount.processes import assert_broken

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.faults,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can give limits back"),
]

FILES = 64
FEW = 8
READERS = 64


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Files in directories of their own."""
    with plain_source(tmp_path_factory.mktemp("limits")) as (mounts, source):
        for number in range(FILES):
            (source / f"{number}").mkdir()
            (source / f"{number}" / "file").write_bytes(lines(number, 500))
        yield Place(mounts, source)


@contextmanager
def limited(pid: int, kind: int, most: int) -> Iterator[None]:
    """Let a process have no more meanwhile."""
    _, hard = resource.prlimit(pid, kind)
    before = resource.prlimit(pid, kind, (most, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, kind, before)


def test_no_descriptors_left(place: Place) -> None:
    """What is open goes on, what is not says so, and all is well when some are closed."""
    has = len(os.listdir(f"/proc/{place.pid}/fd"))
    opened: dict[int, int] = {}
    with limited(place.pid, resource.RLIMIT_NOFILE, has + 40):
        with pytest.raises(OSError, match="Too many open files"):
            open_all(place, opened)
        assert 5 < len(opened) < 40
        for number, fd in opened.items():
            sealed = b"".join(iter(partial(os.read, fd, 50_000), b""))
            assert place.unseal(sealed) == lines(number, 500)
        # There may be one left for a directory, but then none for what is in it.
        for number in range(FILES):
            with suppress(OSError):
                listed = os.listdir(place.view / f"{number}")
                assert listed == ["file"], "it must not look empty"
        for fd in opened.values():
            os.close(fd)
        place.wait_until_closed()
        for number in range(FILES):
            assert place.read(f"{number}/file") == lines(number, 500)


def open_all(place: Place, opened: dict[int, int]) -> None:
    """Open all files, and note which."""
    for number in range(FILES):
        opened[number] = os.open(place.view / f"{number}" / "file", os.O_RDONLY)


def test_no_descriptor_for_news_of_mounts(tmp_path: Path) -> None:
    """A mount that appears meanwhile is seen as soon as there is one again."""
    with plain_source(tmp_path) as (mounts, source):
        (source / "below").mkdir()
        (source / "below" / "file").touch()
        place = Place(mounts, source)
        assert os.listdir(place.view / "below") == ["file"]
        has = {int(name) for name in os.listdir(f"/proc/{place.pid}/fd")}
        with limited(place.pid, resource.RLIMIT_NOFILE, max(has) + 1):
            mounts.mount("-t", "tmpfs", "none", source / "below")
            with suppress(OSError):
                assert os.listdir(place.view / "below") == []
        assert os.listdir(place.view / "below") == []
        assert place.told["mistakes"], "it was not read at first, and that was noted"


def test_no_memory_left(tmp_path: Path) -> None:
    """Who needs memory that is not there gets an error; the view serves, or is broken."""
    with plain_source(tmp_path) as (mounts, backing):
        for number in range(FEW):
            (backing / f"{number}").write_bytes(lines(number, 500))
        # Reads of such a disk need threads, and so memory.
        place = DiskPlace(mounts, backing)
        assert place.read("0") == lines(0, 500)
        status = Path(f"/proc/{place.pid}/status").read_text()
        [kib] = re.findall(r"^VmSize:\s+(\d+) kB", status, re.MULTILINE)

        def read(number: int) -> int:
            number %= FEW
            try:
                assert place.read(f"{number}") == lines(number, 500)
            except OSError as error:
                return error.errno or 0
            return 0

        with (
            limited(place.pid, resource.RLIMIT_AS, int(kib) * 1024),
            ThreadPoolExecutor(READERS) as pool,
        ):
            errors = set(pool.map(read, range(READERS)))
        # Where it cannot even take a request, it ends, and leaves what looks broken.
        assert errors - {0} <= {EIO, ENOMEM, ENOTCONN, ECONNABORTED}
        assert errors != {0}
        if errors & {ENOTCONN, ECONNABORTED}:
            assert_broken(place.view)
        else:
            assert all(read(number) == 0 for number in range(FEW))
