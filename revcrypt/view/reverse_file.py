"""A plain file read as ciphertext, so that every block of it authenticates.

FUSE reads do not end where cipher blocks do. If the source changes between two reads,
the halves of the block that they cut would come from two encryptions, and the block is
lost for ever. Two rules prevent that: nothing beyond the size at opening is served, and
a sealed block that a read has cut is kept, so that its other half matches.
"""

import os
from collections import OrderedDict
from collections.abc import Callable

from revcrypt.format import header
from revcrypt.format.content import AesSiv, Bytes
from revcrypt.format.derive import FileIds
from revcrypt.format.sizes import (
    BLOCK_SIZE,
    HEADER_SIZE,
    OVERHEAD,
    cipher_size,
    plain_size,
    span,
)
from revcrypt.view.files import SourceFile
from revcrypt.view.nodes import Attrs

KEPT_BLOCKS = 64
"""Cut blocks to keep; a sequential reader with read-ahead needs a few."""

_READ_AHEAD = 1 << 17
_CIPHER_BLOCK = BLOCK_SIZE + OVERHEAD


class ReverseFile(SourceFile):
    """An open plain file; *fd* belongs to this object from now on."""

    def __init__(
        self,
        path: bytes,
        fd: int,
        status: os.stat_result,
        *,
        cipher: AesSiv,
        ids: FileIds,
        attrs: Callable[[os.stat_result], Attrs],
        is_paged: bool = False,
    ) -> None:
        super().__init__(path, fd, status, attrs, is_paged=is_paged)
        self.stamp = ids, self.stamp
        self._cipher = cipher
        self._ids = ids
        self._plain_size = status.st_size
        # Let the disk work while the answer to the open travels: a first read that finds
        # its data in memory is spared the way through a thread.
        os.posix_fadvise(fd, 0, min(status.st_size, _READ_AHEAD), os.POSIX_FADV_WILLNEED)
        self._kept: OrderedDict[int, bytes] = OrderedDict()

    @property
    def size(self) -> int:
        """Ciphertext bytes to be served, frozen when the file was opened."""
        return cipher_size(self._plain_size)

    def freeze(self, size: int) -> None:
        """Serve only the first *size* bytes, a size that this file has shown."""
        self._plain_size = plain_size(size)

    def _read(self, offset: int, size: int, nowait: bool) -> Bytes:
        end = min(offset + size, self.size)
        if offset >= end:
            return b""
        head = b""
        if offset < HEADER_SIZE:
            head = header.pack(self._ids.file_id)[offset:end]
            offset = HEADER_SIZE
        if offset >= end:
            return head
        body = self._read_body(offset - HEADER_SIZE, end - offset, nowait)
        return head + body if head else body

    def _read_body(self, offset: int, length: int, nowait: bool) -> memoryview:
        need = span(offset, length, _CIPHER_BLOCK)
        parts = self._sealed(need.first, need.last, nowait)
        body = memoryview(parts[0] if len(parts) == 1 else b"".join(parts))
        end = need.skip + length
        if need.skip:
            self._keep(need.first, bytes(body[:_CIPHER_BLOCK]))
        if end < len(body):
            last = (need.last - need.first) * _CIPHER_BLOCK
            self._keep(need.last, bytes(body[last:]))
        return body[need.skip : end]

    def _sealed(self, first: int, last: int, nowait: bool) -> list[bytes]:
        """Return blocks *first* to *last*, the kept ones as they were served before."""
        parts = []
        start = first
        for number in sorted(self._kept.keys() & range(first, last + 1)):
            if start < number:
                parts.append(self._seal(start, number - 1, nowait))
            parts.append(self._kept[number])
            start = number + 1
        if start <= last:
            parts.append(self._seal(start, last, nowait))
        return parts

    def _seal(self, first: int, last: int, nowait: bool) -> bytes:
        offset = first * BLOCK_SIZE
        end = min((last + 1) * BLOCK_SIZE, self._plain_size)
        plaintext = self._pread(end - offset, offset, nowait)
        return self._cipher.seal_run(self._ids, first, plaintext)

    def _keep(self, number: int, block: bytes) -> None:
        self._kept[number] = block
        self._kept.move_to_end(number)
        if len(self._kept) > KEPT_BLOCKS:
            self._kept.popitem(last=False)
