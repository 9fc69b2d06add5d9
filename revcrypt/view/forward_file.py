"""A cipher file read as plaintext; every byte served has authenticated."""

import os
from collections.abc import Callable

from revcrypt.format import header
from revcrypt.format.content import Bytes, ContentCipher
from revcrypt.format.sizes import BLOCK_SIZE, HEADER_SIZE, apparent_plain_size, span
from revcrypt.view.files import SourceFile
from revcrypt.view.nodes import Attrs


class ForwardFile(SourceFile):
    """An open cipher file; *fd* belongs to this object from now on.

    With *holes*, zeroed blocks are read as zeros instead of being refused.
    """

    def __init__(
        self,
        path: bytes,
        fd: int,
        status: os.stat_result,
        *,
        cipher: ContentCipher,
        holes: bool,
        attrs: Callable[[os.stat_result], Attrs],
        is_paged: bool = False,
    ) -> None:
        super().__init__(path, fd, status, attrs, is_paged=is_paged)
        self._cipher = cipher
        self._holes = holes
        self._cipher_size = status.st_size
        self._size = apparent_plain_size(status.st_size, cipher.overhead)
        self._file_id: bytes | None = None

    @property
    def size(self) -> int:
        """Plaintext bytes to be served, frozen when the file was opened."""
        return self._size

    def freeze(self, size: int) -> None:
        """Serve only the first *size* bytes."""
        self._size = size

    def _read(self, offset: int, size: int, nowait: bool) -> Bytes:
        length = min(size, self._size - offset)
        if length <= 0:
            return b""
        if self._file_id is None:
            self._file_id = header.parse(bytes(self._pread(HEADER_SIZE, 0, nowait)))
        cipher_block = BLOCK_SIZE + self._cipher.overhead
        need = span(offset, length, BLOCK_SIZE)
        start = HEADER_SIZE + need.first * cipher_block
        end = min(HEADER_SIZE + (need.last + 1) * cipher_block, self._cipher_size)
        ciphertext = self._pread(end - start, start, nowait)
        plaintext = self._cipher.open_run(
            self._file_id, need.first, ciphertext, holes=self._holes
        )
        return memoryview(plaintext)[need.skip : need.skip + length]
