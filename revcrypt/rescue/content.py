"""Reading a cipher file to its end, whatever is wrong with it.

Where a mount refuses a damaged file, here every block that authenticates is delivered,
every run of blocks that do not is a gap with one finding, and a header is put right if
what it should say follows from the path. (Format specification, sections 3.1 to 3.5.)
"""

import os
from collections.abc import Callable, Iterator, Sequence
from errno import EIO, ENXIO
from typing import NamedTuple

from revcrypt.errors import AuthenticationError, MalformedError
from revcrypt.format import derive, header
from revcrypt.format.content import ContentCipher
from revcrypt.format.derive import Purpose
from revcrypt.format.sizes import (
    BLOCK_SIZE,
    HEADER_SIZE,
    SMALLEST_FILE,
    plain_size,
)
from revcrypt.view.findings import Kind

_RUN = 256
"""Blocks to read and open at once: 1 MiB."""
_SECTOR = 4096
"""Bytes to read at once where the disk fails."""


class Piece(NamedTuple):
    """*size* bytes of plaintext, in order.

    *data* is None where they are lost, and empty where they are zeros in a hole.
    """

    size: int
    data: bytes | None


class Problem(NamedTuple):
    """What is wrong with a file; *offset* and *size* are bytes of its ciphertext."""

    kind: Kind
    text: str
    offset: int
    size: int
    is_healed: bool = False
    iv: bytes | None = None


class Reader:
    """Reads the file *fd* of *size* bytes; the caller closes it.

    *strict* refuses what a reverse view never contains. The file has to have one of
    *file_ids*, or that of an object with several names; any will do if there are none.
    """

    def __init__(
        self,
        fd: int,
        size: int,
        cipher: ContentCipher,
        tell: Callable[[Problem], None],
        *,
        strict: bool,
        file_ids: Sequence[bytes] = (),
    ) -> None:
        self._fd = fd
        self._size = size
        self._cipher = cipher
        self._tell = tell
        self._strict = strict
        self._expected = file_ids
        self._block = BLOCK_SIZE + cipher.overhead
        self.is_in_place = False
        """Whether the file was found to belong to one path, which is its own."""

    def pieces(self) -> Iterator[Piece]:
        """Yield the whole file; raises `OSError` if the system cannot read it."""
        if not self._size:
            return
        if self._size <= HEADER_SIZE or (self._strict and self._size < SMALLEST_FILE):
            if self._strict:
                text = f"{self._size} bytes are no file of a reverse view; it was cut"
                self._tell(Problem(Kind.SIZE, text, 0, self._size))
            return
        start = self._read(0, HEADER_SIZE + _RUN * self._block)
        first = start[HEADER_SIZE:]
        file_id = self._file_id(start[:HEADER_SIZE], first)
        gap = _Gap(self._tell, self._block)
        is_sparse = os.fstat(self._fd).st_blocks * 512 < self._size
        number, end = 0, -(-(self._size - HEADER_SIZE) // self._block)
        while number < end:
            offset = HEADER_SIZE + number * self._block
            zeroed = self._hole(offset) // self._block if is_sparse else 0
            if zeroed:
                yield self._skip(number, zeroed, gap)
                number += zeroed
                continue
            run = first if not number else self._read(offset, _RUN * self._block)
            yield from self._open_run(file_id, number, run, gap)
            number += _RUN
        gap.close()
        # Only now, because what is before a cut is as certain as ever.
        self._check_size()

    def _hole(self, offset: int) -> int:
        """Return how many bytes from *offset* on were never written.

        Whoever made the file can claim exabytes at no cost.
        """
        try:
            return os.lseek(self._fd, offset, os.SEEK_DATA) - offset
        except OSError as error:
            return self._size - offset if error.errno == ENXIO else 0

    def _skip(self, number: int, zeroed: int, gap: "_Gap") -> Piece:
        size = zeroed * BLOCK_SIZE
        if not self._strict:
            gap.close()
            return Piece(size, b"")
        gap.add(number, zeroed * self._block, is_zeroed=True)
        return Piece(size, None)

    def _read(self, offset: int, size: int) -> bytes:
        """Return *size* bytes, or as many as the file had when it was opened.

        What cannot be read comes back as zeros, which do not authenticate.
        """
        size = min(size, self._size - offset)
        try:
            data = os.pread(self._fd, size, offset)
        except OSError as error:
            if error.errno != EIO:
                raise
            return self._read_sectors(offset, size)
        while len(data) < size:
            more = os.pread(self._fd, size - len(data), offset + len(data))
            if not more:
                break  # It has been cut meanwhile.
            data += more
        return data.ljust(size, b"\0")

    def _read_sectors(self, offset: int, size: int) -> bytes:
        """Return what can be read of a file that lies on a bad disk."""
        data = b""
        for start in range(offset, offset + size, _SECTOR):
            wanted = min(_SECTOR, offset + size - start)
            try:
                part = os.pread(self._fd, wanted, start)
            except OSError as error:
                part = b""
                text = f"the disk does not give it back: {error.strerror}"
                self._tell(Problem(Kind.UNREADABLE, text, start, wanted))
            data += part.ljust(wanted, b"\0")
        return data

    def _check_size(self) -> None:
        try:
            plain_size(self._size, self._cipher.overhead)
        except MalformedError as error:
            rest = (self._size - HEADER_SIZE) % self._block
            text = f"{error}; its last block was cut"
            self._tell(Problem(Kind.SIZE, text, self._size - rest, rest))

    def _file_id(self, head: bytes, first: bytes) -> bytes:
        """Return the id that the file was made with, after checking it."""
        try:
            stored, problem = header.parse(head), ""
        except MalformedError as error:
            stored, problem = head[-header.FILE_ID_SIZE :], str(error)
        if not problem and self._is_right(stored):
            self.is_in_place = stored in self._expected
            return stored
        # The nonces of a file with several names begin with its link id.
        link_id = first[: derive.LINK_ID_SIZE].ljust(derive.LINK_ID_SIZE, b"\0")
        linked = derive.linked_iv(link_id, Purpose.FILE_ID)
        candidates = dict.fromkeys([stored, *self._expected, linked])
        actual = next((i for i in candidates if self._opens_any(i, first)), None)
        if actual is None:
            if problem:
                self._tell(Problem(Kind.HEADER, problem, 0, HEADER_SIZE))
            return stored
        if actual != stored:
            problem = problem or "the header has another file id than the blocks"
        if problem:
            healed = Problem(Kind.HEADER, problem, 0, HEADER_SIZE, is_healed=True)
            self._tell(healed)
        if not self._is_right(actual):
            text = "this is the content of another file"
            self._tell(Problem(Kind.MISPLACED, text, 0, self._size, iv=actual))
        return actual

    def _is_right(self, file_id: bytes) -> bool:
        """Tell whether the file may have this id."""
        if not self._expected or file_id in self._expected:
            return True
        return derive.is_linked(file_id, Purpose.FILE_ID)

    def _opens_any(self, file_id: bytes, run: bytes) -> bool:
        return any(
            self._opened(file_id, number, run[start : start + self._block]) is not None
            for number, start in enumerate(range(0, len(run), self._block))
        )

    def _opened(self, file_id: bytes, number: int, ciphertext: bytes) -> bytes | None:
        try:
            return self._cipher.open_run(
                file_id, number, ciphertext, holes=not self._strict
            )
        except AuthenticationError:
            return None

    def _open_run(
        self, file_id: bytes, first: int, run: bytes, gap: "_Gap"
    ) -> Iterator[Piece]:
        plaintext = self._opened(file_id, first, run)
        if plaintext is not None:
            gap.close()
            yield Piece(len(plaintext), plaintext)
            return
        for index, start in enumerate(range(0, len(run), self._block)):
            block = run[start : start + self._block]
            plaintext = self._opened(file_id, first + index, block)
            if plaintext is not None:
                gap.close()
                yield Piece(len(plaintext), plaintext)
                continue
            gap.add(first + index, len(block), is_zeroed=not any(block))
            yield Piece(max(len(block) - self._cipher.overhead, 1), None)


class _Gap:
    """A run of damaged blocks, told of as one when it has come to its end."""

    def __init__(self, tell: Callable[[Problem], None], block_size: int) -> None:
        self._tell = tell
        self._block_size = block_size
        self._first = self._size = 0
        self._zeros = True

    def add(self, number: int, size: int, *, is_zeroed: bool) -> None:
        """Make the gap longer by *size* bytes, which begin with a block's number."""
        if not self._size:
            self._first, self._zeros = number, True
        self._size += size
        self._zeros = self._zeros and is_zeroed

    def close(self) -> None:
        """Tell of the gap, if there is one."""
        if not self._size:
            return
        last = self._first + -(-self._size // self._block_size) - 1
        what = "is zeroed" if self._zeros else "does not authenticate"
        text = f"block {self._first} {what}"
        if last > self._first:
            what = "are zeroed" if self._zeros else "do not authenticate"
            text = f"blocks {self._first} to {last} {what}"
        offset = HEADER_SIZE + self._first * self._block_size
        self._tell(Problem(Kind.CONTENT, text, offset, self._size))
        self._size = 0
