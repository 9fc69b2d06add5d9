"""Files on filesystems that cannot tell whether a read would have to wait."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from revcrypt.view import pages
from revcrypt.view.pages import Pages
from tests.view.trees import at, content, reverse_view

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


def opened(path: Path) -> tuple[int, Pages]:
    fd = os.open(path, os.O_RDONLY)
    return fd, Pages(fd, os.fstat(fd))


def asked(path: Path, *spans: tuple[int, int]) -> list[bool]:
    """Ask for parts of a file, each from an offset and of a size."""
    fd, of_file = opened(path)
    with closing(of_file):
        answers = [of_file.are_in_memory(*span) for span in spans]
    os.close(fd)
    return answers


def mapped(path: Path) -> bool:
    return str(path) in Path("/proc/self/maps").read_text()


def read(path: Path) -> bytes:
    """Read the ciphertext of a file without ever waiting."""
    with reverse_view(path.parent) as view:
        node = at(view, os.fsencode(path.name))
        with closing(view.open(node)) as file:
            part = bytes(file.read(0, 1 << 17, nowait=True))
            assert mapped(path)
        assert not mapped(path)
        assert part == content(view, node)
    return part


def test_what_is_in_memory_is_read_at_once(in_memory: Path) -> None:
    """A thread that may wait would cost several times as much."""
    assert len(read(in_memory)) > len(CONTENT)


def test_where_nothing_is(in_memory: Path) -> None:
    """Nobody knows of what is beyond the end, or was when the file was opened."""
    size = len(CONTENT)
    whole = [(0, size), (0, 1), (size - 1, 1), (PAGE - 1, 2)]
    assert asked(in_memory, *whole) == [True] * 4
    assert asked(in_memory, (0, size + 1), (size, 1), (10 * size, 1)) == [False] * 3
    fd, of_file = opened(in_memory)
    with closing(of_file):
        os.truncate(in_memory, 2 * PAGE)
        assert of_file.are_in_memory(0, 2 * PAGE)
        assert not of_file.are_in_memory(PAGE, 2 * PAGE)
    os.close(fd)
    in_memory.write_bytes(b"")
    assert asked(in_memory, (0, 1)) == [False]


def test_a_hole_is_not(in_memory: Path) -> None:
    """A page that was never written is nowhere, and one such page is enough."""
    os.truncate(in_memory, 0)
    os.truncate(in_memory, 3 * PAGE)
    with open(in_memory, "r+b") as file:
        file.write(b"x")
    spans = [(0, PAGE), (0, PAGE + 1), (PAGE, PAGE)]
    assert asked(in_memory, *spans) == [True, False, False]


def test_who_is_told_nothing(in_memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To others than root and the owner, the kernel says that all is in memory."""
    os.chown(in_memory, 1234, -1) if os.geteuid() == 0 else None
    owner = in_memory.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner)
    assert asked(in_memory, (0, 1)) == [True]
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    assert asked(in_memory, (0, 1)) == [False]


def test_other_filesystems(in_memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One on a network may wait for a server even if it has all pages."""
    monkeypatch.setattr(pages, "_filesystem", lambda _: 0x6969)  # NFS
    assert asked(in_memory, (0, 1)) == [False]


@needs_root
def test_what_has_to_be_read_from_a_disk(overlaid: tuple[Path, Path]) -> None:
    """In a container, too, a cached file is read at once, and another in a thread."""
    shown, path = overlaid
    assert len(read(shown)) > len(CONTENT)
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)
    assert asked(shown, (0, PAGE)) == [False]
    with pytest.raises(BlockingIOError):
        read(shown)
    assert len(shown.read_bytes()) == len(CONTENT)
    assert len(read(shown)) > len(CONTENT)
