"""The compiled runs against `AESSIV`, which they must agree with bit by bit.

RFC 5297's own vectors have other keys and associated data than blocks of a file ever
have; `cryptography` checks its AESSIV against them, and that is the reference here.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from revcrypt.format import content

pytestmark = pytest.mark.skipif(
    content.COMPILED is None and "REVCRYPT_WITHOUT_BULK" in os.environ,
    reason="REVCRYPT_WITHOUT_BULK is set, and it is not there",
)

KEY = bytes(range(64))
FILE_ID = b"id of the file.."
NONCE = b"nonce of" + b"\xff" * 7 + b"\xf0"
BLOCK = 4096
CIPHER_BLOCK = 4128
EVERY_LENGTH = range(8201)


def make() -> Any:
    """Return the object under test."""
    assert content.COMPILED is not None, "the compiled runs were not built"
    return content.COMPILED(KEY)


def reference(first: int, plain: bytes) -> bytes:
    """Seal a run with nothing of the program."""
    siv = AESSIV(KEY)
    sealed = b""
    for number, start in enumerate(range(0, len(plain), BLOCK), start=first):
        low = (int.from_bytes(NONCE[8:]) + number) % 2**64
        nonce = NONCE[:8] + low.to_bytes(8)
        data = [number.to_bytes(8) + FILE_ID, nonce]
        sealed += nonce + siv.encrypt(plain[start : start + BLOCK], data)
    return sealed


def test_every_length() -> None:
    """From nothing to two blocks and a bit, all lengths are sealed and opened right."""
    runs = make()
    whole = Random(1).randbytes(EVERY_LENGTH[-1])
    for size in EVERY_LENGTH:
        sealed = runs.seal(FILE_ID, NONCE, 5, whole[:size])
        # The blocks before the last are the same for all, and were compared before.
        last = size - 1 - (size - 1) % BLOCK if size else 0
        assert sealed[last // BLOCK * CIPHER_BLOCK :] == reference(
            5 + last // BLOCK, whole[last:size]
        )
        assert runs.open(FILE_ID, 5, sealed, False) == whole[:size]


@pytest.mark.parametrize("blocks", [31, 32, 33, 63, 64, 65, 100])
@pytest.mark.parametrize("rest", [0, 1, 15, 16, 17, 31, 32, 4095])
def test_long_runs(blocks: int, rest: int) -> None:
    """However many blocks step together, and whatever comes after them."""
    runs = make()
    plain = Random(blocks).randbytes(blocks * BLOCK + rest)
    sealed = runs.seal(FILE_ID, NONCE, 2**40, plain)
    assert sealed == reference(2**40, plain)
    assert runs.open(FILE_ID, 2**40, sealed, False) == plain


def test_random_runs() -> None:
    """Random lengths, places and contents agree in both directions."""
    random = Random(2)
    runs = make()
    for _ in range(300):
        plain = random.randbytes(random.randrange(40_000))
        first = random.randrange(2**63)
        sealed = runs.seal(FILE_ID, NONCE, first, plain)
        assert sealed == reference(first, plain)
        assert runs.open(FILE_ID, first, sealed, False) == plain


@pytest.mark.parametrize("shift", range(16))
def test_misaligned_buffers(shift: int) -> None:
    """Buffers may begin anywhere, and need not be bytes."""
    runs = make()
    plain = Random(3).randbytes(3 * BLOCK + 77)
    buffer = memoryview(bytes(shift) + plain)[shift:]
    sealed = runs.seal(FILE_ID, NONCE, 0, buffer)
    assert sealed == reference(0, plain)
    ciphertext = memoryview(bytearray(shift) + bytearray(sealed))[shift:]
    assert runs.open(FILE_ID, 0, ciphertext, False) == plain


def test_every_byte_counts() -> None:
    """A changed byte anywhere is noticed, and the block that it is in is named."""
    runs = make()
    random = Random(4)
    sealed = reference(7, random.randbytes(40 * BLOCK + 100))
    for _ in range(2000):
        place = random.randrange(len(sealed))
        spoiled = bytearray(sealed)
        spoiled[place] ^= random.randrange(1, 256)
        assert runs.open(FILE_ID, 7, spoiled, False) == place // CIPHER_BLOCK


@pytest.mark.parametrize("size", [*range(1, 33), CIPHER_BLOCK + 1, CIPHER_BLOCK + 32])
def test_a_block_without_payload_is_none(size: int) -> None:
    """What is too short for a block does not authenticate, and overruns nothing."""
    sealed = reference(0, bytes(2 * BLOCK))[:size]
    assert make().open(FILE_ID, 0, sealed, False) == size // CIPHER_BLOCK


def test_holes() -> None:
    """Zeroed blocks are zeros only if holes are allowed, and only if they are full."""
    runs = make()
    plain = b"x" * BLOCK
    sealed = reference(0, plain) + bytes(CIPHER_BLOCK) + reference(2, plain)
    assert runs.open(FILE_ID, 0, sealed, True) == plain + bytes(BLOCK) + plain
    assert runs.open(FILE_ID, 0, sealed, False) == 1
    assert runs.open(FILE_ID, 0, bytes(CIPHER_BLOCK - 1), True) == 0
    almost = bytes(CIPHER_BLOCK - 1) + b"x"
    assert runs.open(FILE_ID, 0, almost, True) == 0


def test_threads() -> None:
    """One object serves several threads at once."""
    runs = make()
    plains = [Random(seed).randbytes(50 * BLOCK + seed) for seed in range(8)]

    def there_and_back(plain: bytes) -> bool:
        sealed = runs.seal(FILE_ID, NONCE, 0, plain)
        opened = runs.open(FILE_ID, 0, sealed, False) == plain
        return opened and sealed == reference(0, plain)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(there_and_back, plains * 5))


def test_wrong_arguments() -> None:
    """Keys, ids and nonces of a wrong size are refused, not read beyond their end."""
    assert content.COMPILED is not None
    for size in (0, 32, 63, 65):
        with pytest.raises(ValueError, match="64"):
            content.COMPILED(bytes(size))
    runs = make()
    for short in (b"", b"x" * 15, b"x" * 17):
        with pytest.raises(ValueError, match="16"):
            runs.seal(short, NONCE, 0, b"")
        with pytest.raises(ValueError, match="16"):
            runs.seal(FILE_ID, short, 0, b"")
        with pytest.raises(ValueError, match="16"):
            runs.open(short, 0, b"", False)
