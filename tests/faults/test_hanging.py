"""A disk that hangs: who needs it waits, everybody else goes on."""

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.place import DiskPlace, lines, plain_source
from tests.support import snapshot

pytestmark = [
    pytest.mark.fuse,
    pytest.mark.faults,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop what is cached"),
]

MANY = 32
"""Readers that wait at the same time."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DiskPlace]:
    """Files on a disk that can hang."""
    with plain_source(tmp_path_factory.mktemp("hanging")) as (mounts, backing):
        for number in range(MANY):
            (backing / f"file {number}").write_bytes(lines(number, 1000))
        (backing / "small").write_bytes(lines(MANY, 10))
        (backing / "well").mkdir()
        for number in range(5):
            (backing / "well" / f"{number}").write_bytes(lines(number, 100))
        yield DiskPlace(mounts, backing)


@contextmanager
def reader(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Let another process read a file."""
    with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as process:
        yield process


@pytest.mark.parametrize("name", ["small", "file 1"])
def test_others_go_on(place: DiskPlace, name: str) -> None:
    """While a read waits, others read, list and look; then it gets what it has read."""
    content = (place.view / name).read_bytes()
    well = snapshot(place.view / "well")
    place.forget()
    with place.disk.hanging("read", name), ThreadPoolExecutor() as pool:
        waiting = pool.submit(Path.read_bytes, place.view / name)
        place.disk.wait_for("read", name)
        assert snapshot(place.view / "well") == well
        assert (place.view / "file 2").read_bytes()
        assert name in os.listdir(place.view)
        assert (place.view / name).stat().st_size == len(content)
        assert place.told["open_files"] == 1
        assert not waiting.done()
        place.disk.heal()
        assert waiting.result() == content
