"""Files on filesystems that cannot tell whether a read would have to wait."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from revcrypt.view import mounts
from revcrypt.view.pages import are_in_memory, are_told
from tests.clock import later
from tests.view.trees import at, content, reverse_view

__all__ = ["later"]

pytestmark = pytest.mark.usefixtures("later")

CONTENT = bytes(range(256)) * 400
"""25 pages."""
PAGE = 4096

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")


@pytest.fixture
def in_memory() -> Iterator[Path]:
    """A file on tmpfs."""
    with TemporaryDirectory(dir="/dev/shm") as directory:
        path = Path(directory, "file")
        path.write_bytes(CONTENT)
        yield path


@pytest.fixture
def overlaid(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A file as an overlay shows it, and the file that it comes from."""
    for name in ("lower", "below", "merged"):
        (tmp_path / name).mkdir()
    path, merged = tmp_path / "lower" / "file", tmp_path / "merged"
    path.write_bytes(CONTENT)
    layers = f"ro,lowerdir={tmp_path}/lower:{tmp_path}/below"
    mount = ["mount", "-t", "overlay", "-o", layers, "overlay", merged]
    subprocess.run(mount, check=True, timeout=60)
    try:
        yield merged / "file", path
    finally:
        subprocess.run(["umount", merged], check=True, timeout=60)


def asked(path: Path, *spans: tuple[int, int]) -> list[bool]:
    """Ask for parts of a file, each from an offset and of a size."""
    fd = os.open(path, os.O_RDONLY)
    answers = [are_in_memory(fd, *span) for span in spans]
    os.close(fd)
    assert str(path) not in Path("/proc/self/maps").read_text()
    return answers


def read(path: Path) -> bytes:
    """Read the ciphertext of a file without ever waiting."""
    with reverse_view(path.parent) as view:
        node = at(view, os.fsencode(path.name))
        with closing(view.open(node)) as file:
            part = bytes(file.read(0, 1 << 17, nowait=True))
        assert part == content(view, node)
    return part


def test_what_is_in_memory_is_read_at_once(in_memory: Path) -> None:
    """A thread that may wait would cost several times as much."""
    assert len(read(in_memory)) > len(CONTENT)


def test_where_nothing_is(in_memory: Path) -> None:
    """Beyond the end there are no pages, wherever that is by now."""
    size = len(CONTENT)
    whole = [(0, size), (0, 1), (size - 1, 1), (PAGE - 1, 2)]
    assert asked(in_memory, *whole) == [True] * 4
    assert asked(in_memory, (0, size + 1), (size, 1), (10 * size, 1)) == [False] * 3
    os.truncate(in_memory, 2 * PAGE)
    assert asked(in_memory, (0, 2 * PAGE), (PAGE, 2 * PAGE)) == [True, False]


def test_a_hole_is_not(in_memory: Path) -> None:
    """A page that was never written is nowhere, and one such page is enough."""
    os.truncate(in_memory, 0)
    os.truncate(in_memory, 3 * PAGE)
    with open(in_memory, "r+b") as file:
        file.write(b"x")
    spans = [(0, PAGE), (0, PAGE + 1), (PAGE, PAGE)]
    assert asked(in_memory, *spans) == [True, False, False]


@needs_root
def test_who_is_told_nothing(in_memory: Path) -> None:
    """To others than the owner, the kernel says that all is in memory, and more."""
    fd = os.open(in_memory, os.O_RDONLY)
    assert are_told(fd)
    os.seteuid(65534)
    try:
        assert are_in_memory(fd, 10 * len(CONTENT), 1)
        assert not are_told(fd)
    finally:
        os.seteuid(0)
    os.close(fd)


def test_a_file_that_is_written_to(
    in_memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its reader might have to wait for the writer, if that is not tmpfs."""
    with reverse_view(in_memory.parent) as view:
        node = at(view, os.fsencode(in_memory.name))
        with closing(view.open(node)) as file:
            assert file.read(0, 1, nowait=True)
            changed_ns = in_memory.stat().st_ctime_ns
            monkeypatch.setattr(time, "time_ns", lambda: changed_ns)
            with pytest.raises(BlockingIOError):
                file.read(0, 100, nowait=True)
            assert len(file.read(0, 100, nowait=False)) == 100


def test_other_filesystems(in_memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One on a network may wait for a server even if it has all pages."""
    monkeypatch.setattr(mounts, "_PAGED", ())
    with pytest.raises(BlockingIOError):
        read(in_memory)


@needs_root
def test_what_has_to_be_read_from_a_disk(overlaid: tuple[Path, Path]) -> None:
    """In a container, too, a cached file is read at once, and another in a thread."""
    shown, path = overlaid
    assert len(read(shown)) > len(CONTENT)
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)
    if asked(path, (0, PAGE)) == [True]:
        pytest.skip("the directory for temporary files is in memory itself")
    assert asked(shown, (0, PAGE)) == [False]
    with pytest.raises(BlockingIOError):
        read(shown)
    assert len(shown.read_bytes()) == len(CONTENT)
    assert len(read(shown)) > len(CONTENT)
