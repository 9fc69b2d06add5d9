"""Ways to spoil the bytes of files in a copy of a view at random."""

import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from stat import S_ISDIR, S_ISREG

_BLOCK = 4128
_HEADER = 18
DIR_IV = b"gocryptfs.diriv"
LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

Entry = tuple[bytes, int]
"""An absolute path and a mode."""


class FileSpoiler:
    """Spoils *copy*; links that it makes lead to *outside* or stay within."""

    def __init__(self, copy: Path, outside: Path, random: Random) -> None:
        self._root = os.fsencode(copy)
        self._outside = os.fsencode(outside)
        self._random = random

    # Choosing

    def _entries(self) -> list[Entry]:
        entries = []
        pending = [self._root]
        while pending:
            directory = pending.pop()
            for name in sorted(os.listdir(directory)):
                path = os.path.join(directory, name)
                mode = os.lstat(path).st_mode
                entries.append((path, mode))
                if S_ISDIR(mode):
                    pending.append(path)
        return entries

    def _some(self, fits: Callable[[Entry], bool]) -> bytes:
        paths = [entry[0] for entry in self._entries() if fits(entry)]
        if not paths:
            raise NothingLeftError
        return self._random.choice(paths)

    def _file(self) -> bytes:
        """Choose a file; small ones of the format as often as contents."""
        is_small = self._random.random() < 0.3
        names = (DIR_IV, b".name", b".conf")
        return self._some(
            lambda e: S_ISREG(e[1]) and (not is_small or e[0].endswith(names))
        )

    def _directory(self) -> bytes:
        return self._some(lambda e: S_ISDIR(e[1]))

    def _object(self) -> bytes:
        return self._some(lambda _: True)

    def _name(self) -> bytes:
        """Invent a name; one of 22 letters decrypts by chance, one in 256 times."""
        random = self._random
        name = bytes(random.choices(LETTERS, k=random.choice([1, 21, 22, 22, 43, 100])))
        prefix = random.choice([b"", b"", b"", b"gocryptfs.longname.", b".", b"\xff"])
        return prefix + name

    # Writing

    def _change(self, path: bytes, change: Callable[[bytearray], object]) -> None:
        """Change the content of a file, in all its names."""
        with open(path, "r+b") as file:
            data = bytearray(file.read())
            change(data)
            file.seek(0)
            file.write(data)
            file.truncate()

    def _range(self, data: bytearray) -> slice:
        start = self._random.randrange(len(data) + 1)
        longest = self._random.choice([1, 16, 64, 5000])
        return slice(start, min(start + self._random.randint(1, longest), len(data)))

    def _flip(self) -> None:
        def flip(data: bytearray) -> None:
            for _ in range(self._random.randint(1, 8) if data else 0):
                data[self._random.randrange(len(data))] ^= 1 << self._random.randrange(8)

        self._change(self._file(), flip)

    def _overwrite(self) -> None:
        def overwrite(data: bytearray) -> None:
            place = self._range(data)
            data[place] = self._random.randbytes(place.stop - place.start)

        self._change(self._file(), overwrite)

    def _zero(self) -> None:
        def zero(data: bytearray) -> None:
            place = self._range(data)
            data[place] = bytes(place.stop - place.start)

        self._change(self._file(), zero)

    def _zero_block(self) -> None:
        def zero(data: bytearray) -> None:
            place = self._random.choice(_blocks(data))
            data[place] = bytes(len(data[place]))

        self._change(self._file(), zero)

    def _cut(self) -> None:
        path = self._file()
        os.truncate(path, self._random.randint(0, os.path.getsize(path)))

    def _cut_to_stub(self) -> None:
        path = self._file()
        os.truncate(path, min(self._random.randint(0, 60), os.path.getsize(path)))

    def _cut_at_block(self) -> None:
        path = self._file()
        size = os.path.getsize(path)
        os.truncate(path, self._random.choice([0, *range(_HEADER, size, _BLOCK)]))

    def _extend(self) -> None:
        more = self._random.randint(1, 9000)
        tail = self._random.choice([bytes(more), self._random.randbytes(more)])
        self._change(self._file(), lambda data: data.extend(tail))

    def _extend_with_hole(self) -> None:
        path = self._file()
        os.truncate(path, os.path.getsize(path) + self._random.randint(1, 1 << 20))

    def _swap_blocks(self) -> None:
        def swap(data: bytearray) -> None:
            first, second = self._random.choices(_blocks(data), k=2)
            data[first], data[second] = data[second], data[first]

        self._change(self._file(), swap)

    def _repeat_block(self) -> None:
        def repeat(data: bytearray) -> None:
            place = self._random.choice(_blocks(data))
            data[place.stop : place.stop] = data[place]

        self._change(self._file(), repeat)

    def _borrow_block(self) -> None:
        with open(self._file(), "rb") as file:
            other = bytearray(file.read())
        block = other[self._random.choice(_blocks(other))]

        def borrow(data: bytearray) -> None:
            data[self._random.choice(_blocks(data))] = block

        self._change(self._file(), borrow)

    def _borrow_header(self) -> None:
        with open(self._file(), "rb") as file:
            header = file.read(_HEADER)

        def borrow(data: bytearray) -> None:
            data[:_HEADER] = header

        self._change(self._file(), borrow)

    def _copy_over(self) -> None:
        with open(self._file(), "rb") as file:
            other = file.read()
        path = self._file()
        os.unlink(path)
        with open(path, "xb") as file:
            file.write(other)


class NothingLeftError(Exception):
    """There is nothing of the kind that was to be spoiled."""


def _blocks(data: bytearray) -> list[slice]:
    starts = range(_HEADER, len(data), _BLOCK)
    return [slice(start, min(start + _BLOCK, len(data))) for start in starts] or [
        slice(0, len(data))
    ]
