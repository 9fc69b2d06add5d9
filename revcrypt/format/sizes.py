"""Sizes and offsets: the one place where plaintext and ciphertext are measured.

A non-empty file is an 18-byte header followed by blocks. Each block holds up to 4096
plaintext bytes plus *overhead* bytes of nonce and tag: 32, or 40 for XChaCha20-Poly1305.
An empty file is empty on both sides. (Format specification, sections 3.1 and 3.3.)
"""

from typing import NamedTuple

from revcrypt.errors import MalformedError

BLOCK_SIZE = 4096
HEADER_SIZE = 18
OVERHEAD = 32
"""Overhead of AES-SIV and AES-GCM, so also of everything that is ever sealed here."""

SMALLEST_FILE = HEADER_SIZE + OVERHEAD + 1
"""A reverse view shows no file of 1 to 50 bytes."""


def cipher_size(plain_size: int, overhead: int = OVERHEAD) -> int:
    """Return the size of the ciphertext of *plain_size* bytes."""
    blocks = -(-plain_size // BLOCK_SIZE)
    return plain_size + HEADER_SIZE + blocks * overhead if blocks else 0


def plain_size(cipher_size: int, overhead: int = OVERHEAD) -> int:
    """Return the size of the plaintext inside *cipher_size* bytes.

    Raises `MalformedError` for a size that no plaintext has.
    """
    if cipher_size == 0:
        return 0
    full, rest = divmod(cipher_size - HEADER_SIZE, BLOCK_SIZE + overhead)
    if cipher_size <= HEADER_SIZE or 0 < rest <= overhead:
        raise MalformedError(f"{cipher_size} bytes is the size of no encrypted file")
    return full * BLOCK_SIZE + (rest - overhead if rest else 0)


def apparent_plain_size(cipher_size: int, overhead: int = OVERHEAD) -> int:
    """Return what gocryptfs's forward stat shows, also for impossible sizes.

    A header without blocks counts as empty, and a last block too short to hold
    anything as one byte (section 3.3).
    """
    if cipher_size <= HEADER_SIZE:
        return 0
    full, rest = divmod(cipher_size - HEADER_SIZE, BLOCK_SIZE + overhead)
    return full * BLOCK_SIZE + (max(rest - overhead, 1) if rest else 0)


class Span(NamedTuple):
    """Whole blocks that cover a byte range.

    The range is the concatenation of blocks *first* to *last* (inclusive), less *skip*
    bytes at its start, cut to *length* bytes.
    """

    first: int
    last: int
    skip: int
    length: int


def span(offset: int, length: int, block_size: int) -> Span:
    """Return the blocks of *block_size* that cover *length* bytes from *offset*.

    *offset* counts from the start of block 0, so not from the header. *length* is at
    least 1.
    """
    first, skip = divmod(offset, block_size)
    return Span(first, (offset + length - 1) // block_size, skip, length)
