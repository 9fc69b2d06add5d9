"""What a target of fuzzing is: a property that holds for whatever bytes it is given."""

import atexit
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp


@dataclass(frozen=True)
class Target:
    """Something that reads what others have written.

    *run* returns for all bytes, or raises whatever shows that *property* does not hold.
    *seeds* returns inputs that get far. In a long run, it has *weight* parts of all
    executions; what is cheap has many.
    """

    name: str
    property: str
    run: Callable[[bytes], object]
    seeds: Callable[[], Iterable[bytes]]
    weight: int
    fixed: int = 0
    """Findings so far, all of which are fixed."""


@cache
def scratch() -> Path:
    """Return a directory for files, the same one each time."""
    directory = mkdtemp(prefix="revcrypt-fuzz-")
    atexit.register(rmtree, directory)
    return Path(directory)


def edited(data: bytes, edits: Sequence[int]) -> bytes:
    """Return *data* as *edits* have it: six bytes for each place, what to do, and how.

    So an input that is only a few bytes long reaches every place of a large file, and
    the rest of that is as it was.
    """
    for at in range(0, len(edits) - 5, 6):
        what, value = edits[at + 4 : at + 6]
        place = int.from_bytes(edits[at : at + 4]) % (len(data) + 1)
        size = 1 << value % 13
        match what % 6:
            case 0:
                flipped = bytes(byte ^ (value or 1) for byte in data[place : place + 1])
                data = data[:place] + flipped + data[place + 1 :]
            case 1:
                data = data[:place]
            case 2:
                data = data[:place] + bytes(size) + data[place + size :]
            case 3:
                data = data[:place] + data[place + size :]
            case 4:
                data = data[:place] + data[place : place + size] + data[place:]
            case _:
                # Two neighbours of one size change places.
                one, two = data[place : place + size], data[place + size :][:size]
                data = data[:place] + two + one + data[place + 2 * size :]
    return data[: 1 << 20]


def text(data: bytes) -> str:
    """Return *data* as a command line or a file has it for us."""
    return data.decode(errors="surrogateescape")
