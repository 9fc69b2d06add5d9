"""A source that changes all the time, whose content says where it belongs."""

import os
from collections import Counter
from itertools import count
from pathlib import Path
from random import Random

LINE = 256
"""Bytes of a line. Each says which file it is of, and where in it."""
_VERSION_AT = 32
DIRECTORIES = 24
FILES = 200
LARGEST = 1 << 20
"""Bytes of a file, about."""


def line(file: int, number: int, version: int) -> bytes:
    """Return a line; only what says the *version* may change where it is."""
    place = b"file %09d line %010d" % (file, number)
    return (place.ljust(_VERSION_AT) + b"version %d" % version).ljust(LINE - 1) + b"\n"


def check_content(content: bytes) -> None:
    """Raise `AssertionError` unless all is of one file, and where it was written."""
    file = int(content[5:14]) if content else 0
    assert len(content) % LINE == 0, f"file {file}: {len(content)} bytes"
    for number in range(len(content) // LINE):
        place = content[number * LINE : number * LINE + _VERSION_AT]
        assert place == line(file, number, 0)[:_VERSION_AT], (file, number, place)


class Source:
    """A tree below *root*, and how it changes; all by chance, from a fixed seed.

    Numbers of what is new begin with *first*; no two files must have the same.
    """

    def __init__(self, root: Path, seed: int, *, first: int) -> None:
        self.root = root
        self.done: Counter[str] = Counter()
        self._random = Random(seed)
        self._numbers = count(first)
        self._changes = {
            self._overwrite: 30,
            self._append: 30,
            self._cut: 5,
            self._replace: 10,
            self._create: 10,
            self._delete: 10,
            self._rename: 5,
            self._link: 5,
            self._rename_directory: 3,
            self._remake_directory: 3,
            self._label: 5,
        }

    def fill(self) -> None:
        """Make directories and files."""
        for number in range(DIRECTORIES):
            above = self._directory() if number % 3 else self.root
            (above / f"directory {number}").mkdir()
        for _ in range(FILES):
            self._create()
        self.done.clear()

    def change(self) -> None:
        """Change something."""
        changes, weights = zip(*self._changes.items(), strict=True)
        [change] = self._random.choices(changes, weights)
        change()
        self.done[change.__name__.removeprefix("_")] += 1

    def _directories(self) -> list[Path]:
        return [Path(path) for path, _, _ in os.walk(self.root)]

    def _directory(self) -> Path:
        return self._random.choice(sorted(self._directories()))

    def _file(self) -> Path:
        """Return a file; there is always one."""
        files = [
            directory / name
            for directory in sorted(self._directories())
            for name in sorted(os.listdir(directory))
            if name.startswith("file")
        ]
        return self._random.choice(files) if files else self._create()

    def _name(self) -> str:
        # Some are too long to be encrypted as names.
        name = f"file {next(self._numbers)} "
        return name.ljust(self._random.choice((20, 20, 20, 200)), "x")

    def _write(self, path: Path, file: int) -> None:
        lines = int(LARGEST // LINE * self._random.random() ** 4)
        path.write_bytes(b"".join(line(file, number, 0) for number in range(lines)))

    def _create(self) -> Path:
        path = self._directory() / self._name()
        self._write(path, next(self._numbers))
        return path

    def _edit(self, path: Path, *, at_end: bool) -> None:
        with open(path, "r+b") as file:
            head = file.read(LINE)
            lines = os.fstat(file.fileno()).st_size // LINE
            number = int(head[5:14]) if head else next(self._numbers)
            start = lines if at_end else self._random.randrange(lines + 1)
            length = self._random.randrange(1, 500)
            stop = start + length if at_end else min(start + length, lines)
            version = self._random.randrange(10**6)
            file.seek(start * LINE)
            file.write(b"".join(line(number, n, version) for n in range(start, stop)))

    def _overwrite(self) -> None:
        self._edit(self._file(), at_end=False)

    def _append(self) -> None:
        path = self._file()
        if path.stat().st_size < 2 * LARGEST:
            self._edit(path, at_end=True)

    def _cut(self) -> None:
        path = self._file()
        lines = path.stat().st_size // LINE
        os.truncate(path, self._random.randrange(lines + 1) * LINE)

    def _replace(self) -> None:
        path = self._file()
        new = path.with_name("new")
        self._write(new, next(self._numbers))
        os.replace(new, path)

    def _delete(self) -> None:
        if self._count() > FILES // 2:
            self._file().unlink()

    def _count(self) -> int:
        return sum(len(os.listdir(directory)) for directory in self._directories())

    def _rename(self) -> None:
        os.rename(self._file(), self._directory() / self._name())

    def _link(self) -> None:
        path = self._directory() / f"link {self._random.randrange(20)}"
        if path.is_symlink():
            path.unlink()
        else:
            path.symlink_to("target".ljust(self._random.randrange(6, 200), "t"))

    def _rename_directory(self) -> None:
        path = self._directory()
        if path.name.startswith("directory"):
            os.rename(path, path.with_name(f"directory {next(self._numbers)}"))

    def _remake_directory(self) -> None:
        path = self._directory() / "come and gone"
        if path.exists():
            for inside, _, names in os.walk(path, topdown=False):
                for name in names:
                    os.unlink(os.path.join(inside, name))
                os.rmdir(inside)
        else:
            path.mkdir()

    def _label(self) -> None:
        os.setxattr(self._file(), "user.soak", b"x" * self._random.randrange(100))
