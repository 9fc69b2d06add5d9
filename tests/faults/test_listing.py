"""Directories that are listed while entries come and go: what stays is told once."""

import ctypes
import os
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.counts import Counted
from tests.support import Mounts

pytestmark = [pytest.mark.fuse, pytest.mark.faults]

STAYING = 120
"""Entries that nobody touches; a third of them has long names."""
BUFFER = 4096
"""Bytes: room for few entries, so that there is much time in between."""
FEWEST = 3
LISTINGS = 4
_GETDENTS64 = {"x86_64": 217, "aarch64": 61}[os.uname().machine]


def name(number: int, word: str = "stays") -> str:
    """Return a name, one that is too long to be encrypted as a name now and then."""
    return f"{number:04} {word} ".ljust(150 if number % 3 == 0 else 20, "x")


class Directory:
    """A directory, and what happens to it; *make* makes the entries that come."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.come: list[Path] = []
        self._number = STAYING

    def add(self) -> None:
        for _ in range(5):
            self._number += 1
            path = self.path / name(self._number, "comes")
            path.write_bytes(b"")
            self.come.append(path)

    def remove(self) -> None:
        for path in self.come[:5]:
            path.unlink()
        del self.come[:5]

    def rename(self) -> None:
        for index, path in enumerate(self.come[:5]):
            self._number += 1
            self.come[index] = path.rename(self.path / name(self._number, "is called"))

    def replace(self) -> None:
        """Make a directory of what was a file, and then a file again."""
        for path in self.come[:5]:
            path.unlink()
            path.mkdir()
            path.rmdir()
            path.write_bytes(b"")

    def all_of_it(self) -> None:
        self.add()
        self.rename()
        self.replace()
        self.remove()


CHANGES: dict[str, Callable[[Directory], None]] = {
    "nothing": lambda _: None,
    "come": Directory.add,
    "go": Directory.remove,
    "are renamed": Directory.rename,
    "are replaced": Directory.replace,
    "all of it": Directory.all_of_it,
}


def getdents(fd: int) -> list[bytes]:
    """Return the next few names of a directory (getdents64(2)), none at its end."""
    buffer = ctypes.create_string_buffer(BUFFER)
    libc = ctypes.CDLL(None, use_errno=True)
    size = libc.syscall(_GETDENTS64, fd, buffer, BUFFER)
    assert size >= 0, os.strerror(ctypes.get_errno())
    names, start = [], 0
    while start < size:
        [length] = struct.unpack_from("<H", buffer, start + 16)
        names.append(buffer.raw[start + 19 : start + length].split(b"\0")[0])
        start += length
    return names


def listed(path: Path, change: Callable[[], None]) -> Iterator[bytes]:
    """List a directory, in which there is a change after every few entries."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    pieces = 0
    try:
        while names := getdents(fd):
            yield from names
            change()
            pieces += 1
    finally:
        os.close(fd)
    assert pieces > FEWEST


@pytest.mark.parametrize(
    "options", [[], ["--plaintext-names"]], ids=["encrypted", "plain"]
)
def test_listings(
    options: list[str], mounts: Mounts, tmp_path: Path, counted: Counted
) -> None:
    """Whatever comes and goes, nothing that stays is left out or told twice."""
    source = tmp_path / "source"
    directory = Directory(source / "directory")
    directory.path.mkdir(parents=True)
    for number in range(STAYING):
        (directory.path / name(number)).write_bytes(b"")
    mounts.init(source, *options)
    view = mounts.reverse(source)
    [shown] = [path for path in view.iterdir() if path.is_dir()]
    staying = set(map(os.fsencode, os.listdir(shown)))
    assert len(staying) >= STAYING
    for change in CHANGES.values():
        for _ in range(LISTINGS):
            directory.add()
            found = Counter(listed(shown, partial(change, directory)))
            assert staying <= found.keys()
            assert set(found.values()) == {1}
            counted("directory listings while entries come and go", 1)
            while directory.come:
                directory.remove()
