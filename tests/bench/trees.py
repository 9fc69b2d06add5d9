"""The trees to back up: always the same ones, built when they are first asked for."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random

SEED = 20_240_229
MIB = 1 << 20
SMALLEST, LARGEST = 700, 2000
"""Bytes of a small file."""
REST = 3
"""Seconds for which a new tree is left alone: of a file that has just changed, revcrypt
lets the kernel keep nothing."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A plain directory, and how much is in it."""

    path: Path
    entries: int
    size: int


class Trees:
    """Trees below *directory*; *scale* says how large, and 1 is the real thing."""

    def __init__(self, directory: Path, scale: float) -> None:
        self._directory = directory
        self._scale = scale

    def scaled(self, count: int) -> int:
        """Return how many there are of what should be *count*."""
        return max(1, round(count * self._scale))

    @cached_property
    def large(self) -> Tree:
        """Four files of 64 MiB."""
        return self._files("large", 4, self.scaled(64 * MIB))

    @cached_property
    def huge(self) -> Tree:
        """One file of 512 MiB."""
        return self._files("huge", 1, self.scaled(512 * MIB))

    @cached_property
    def small(self) -> Tree:
        """50,000 files of 0.7 to 2 KiB in 500 directories."""
        root, random = self._new("small")
        count = self.scaled(50_000)
        directories = size = 0
        for directory, numbers in _shelves(root, count, 100):
            directories += 1
            for number in numbers:
                content = random.randbytes(random.randint(SMALLEST, LARGEST))
                (directory / _file_name(number)).write_bytes(content)
                size += len(content)
        return _rested(Tree(root, directories + count, size))

    @cached_property
    def long_names(self) -> Tree:
        """One directory of 3,000 files with names of 176 to 255 bytes."""
        root, random = self._new("long-names")
        count = self.scaled(3_000)
        for number in range(count):
            name = f"{number:06} {random.randbytes(125).hex()}"
            (root / name[: random.randint(176, 255)]).touch()
        return _rested(Tree(root, count, 0))

    @cached_property
    def many(self) -> Tree:
        """50,000 empty files, a thousand to a directory."""
        return self._empty_files("many", self.scaled(50_000))

    @cached_property
    def million(self) -> Tree:
        """1,000,000 empty files, a thousand to a directory."""
        return self._empty_files("million", self.scaled(1_000_000))

    def _new(self, name: str) -> tuple[Path, Random]:
        root = self._directory / name
        root.mkdir()
        return root, Random(f"{SEED} {name}")

    def _files(self, name: str, count: int, size: int) -> Tree:
        root, random = self._new(name)
        for number in range(count):
            with open(root / f"file {number}", "wb") as file:
                for start in range(0, size, MIB):
                    piece = random.randbytes(min(MIB, size - start))
                    file.write(piece)
        return _rested(Tree(root, count, count * size))

    def _empty_files(self, name: str, count: int) -> Tree:
        root, _ = self._new(name)
        directories = 0
        for directory, numbers in _shelves(root, count, 1000):
            directories += 1
            for number in numbers:
                (directory / _file_name(number)).touch()
        return _rested(Tree(root, directories + count, 0))


def _rested(tree: Tree) -> Tree:
    time.sleep(REST)
    return tree


def _file_name(number: int) -> str:
    """Return a name of ordinary length."""
    return f"a file, number {number}.txt"


def _shelves(root: Path, count: int, size: int) -> Iterator[tuple[Path, range]]:
    """Make directories for *count* files, and say which numbers are to be in each."""
    for start in range(0, count, size):
        directory = root / f"directory {start // size}"
        directory.mkdir()
        yield directory, range(start, min(start + size, count))
