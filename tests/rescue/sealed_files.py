"""Cipher files in memory, sealed by the tests themselves, and reading them to the end."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import NamedTuple

from revcrypt.rescue.content import Piece, Problem, Reader
from tests.format.test_ciphers import FILE_ID, KINDS, Kind

HEADER = b"\0\2" + FILE_ID
[SIV] = [kind for kind in KINDS if kind.overhead == 32 and len(kind.key) == 64]


def sealed(plain: bytes, kind: Kind = SIV, *, file_id: bytes = FILE_ID) -> bytes:
    """Return a whole file, none of whose nonces is like another's."""
    blocks = []
    for number, start in enumerate(range(0, len(plain), 4096)):
        nonce = (number + 1).to_bytes(kind.nonce_size)
        ad = number.to_bytes(8) + file_id
        block = plain[start : start + 4096]
        blocks.append(nonce + kind.seal(kind.key, nonce, block, ad))
    return b"\0\2" + file_id + b"".join(blocks) if plain else b""


PLAIN = Random(1).randbytes(9 * 4096 + 100)
SEALED = sealed(PLAIN)


def block(number: int, kind: Kind = SIV) -> slice:
    start = 18 + number * kind.block
    return slice(start, start + kind.block)


def put(data: bytes, place: slice, new: bytes) -> bytes:
    return data[: place.start] + new + data[min(place.stop, len(data)) :]


def flip(data: bytes, offset: int) -> bytes:
    return data[:offset] + bytes([data[offset] ^ 1]) + data[offset + 1 :]


@contextmanager
def in_memory(data: bytes) -> Iterator[int]:
    """Open a file that holds *data*, with holes wherever one writes farther on."""
    fd = os.memfd_create("sealed")
    try:
        os.write(fd, data)
        yield fd
    finally:
        os.close(fd)


class Read(NamedTuple):
    """What came of reading a file."""

    pieces: list[Piece]
    problems: list[Problem]
    is_in_place: bool

    @property
    def size(self) -> int:
        """Bytes of plaintext, lost ones included."""
        return sum(piece.size for piece in self.pieces)

    def content(self, lost: bytes = b"?") -> bytes:
        """Return the plaintext, with *lost* for each byte that is lost."""
        return b"".join(
            lost * size if data is None else data or bytes(size)
            for size, data in self.pieces
        )

    @property
    def places(self) -> list[tuple[str, int, int]]:
        """Kind, offset and size of each problem."""
        return [(p.kind.value, p.offset, p.size) for p in self.problems]


def read_fd(
    fd: int,
    *,
    kind: Kind = SIV,
    size: int | None = None,
    strict: bool = True,
    file_ids: Sequence[bytes] = (FILE_ID,),
) -> Read:
    """Read the file *fd*, which has *size* bytes at first."""
    problems: list[Problem] = []
    if size is None:
        size = os.fstat(fd).st_size
    reader = Reader(
        fd, size, kind.opener, problems.append, strict=strict, file_ids=file_ids
    )
    pieces = list(reader.pieces())
    for piece in pieces:
        assert not piece.data or len(piece.data) == piece.size
    return Read(pieces, problems, reader.is_in_place)


def read(
    data: bytes, *, kind: Kind = SIV, strict: bool = True, **options: object
) -> Read:
    """Read a file that holds *data*."""
    with in_memory(data) as fd:
        return read_fd(fd, kind=kind, strict=strict, **options)  # type: ignore[arg-type]
