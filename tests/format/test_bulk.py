"""The compiled part against what is in Python: they must agree bit by bit.

RFC 5297's own vectors have other keys and associated data than blocks of a file ever
have; `cryptography` checks its AESSIV against them, and that is the reference here.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from revcrypt.format import bulk
from revcrypt.format.names import Base64, NameCipher

pytestmark = pytest.mark.skipif(
    bulk.RUNS is None and "REVCRYPT_WITHOUT_BULK" in os.environ,
    reason="REVCRYPT_WITHOUT_BULK is set, and it is not there",
)

KEY = bytes(range(64))
FILE_ID = b"id of the file.."
NONCE = b"nonce of" + b"\xff" * 7 + b"\xf0"
BLOCK = 4096
CIPHER_BLOCK = 4128
EVERY_LENGTH = range(8201)


def make() -> Any:
    """Return the runs under test."""
    assert bulk.RUNS is not None, "the compiled runs were not built"
    return bulk.RUNS(KEY)


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
    assert bulk.RUNS is not None
    for size in (0, 32, 63, 65):
        with pytest.raises(ValueError, match="64"):
            bulk.RUNS(bytes(size))
    runs = make()
    for short in (b"", b"x" * 15, b"x" * 17):
        with pytest.raises(ValueError, match="16"):
            runs.seal(short, NONCE, 0, b"")
        with pytest.raises(ValueError, match="16"):
            runs.seal(FILE_ID, short, 0, b"")
        with pytest.raises(ValueError, match="16"):
            runs.open(short, 0, b"", False)


# Names


def both(*, raw: bool) -> tuple[Any, NameCipher]:
    """Return the compiled names, and those in Python."""
    assert bulk.NAMES is not None
    compiled = bulk.NAMES(KEY[:32], raw)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bulk, "NAMES", None)
        base64 = Base64(raw=raw)
        return compiled, NameCipher(KEY[:32], base64=base64, long_name_max=255)


@pytest.mark.parametrize("raw", [True, False])
def test_names_of_every_length(*, raw: bool) -> None:
    """All names that a directory can have, and longer ones, come out the same."""
    compiled, python = both(raw=raw)
    random = Random(5)
    for size in [*range(1, 256), 256, 1000, 2000]:
        iv, name = random.randbytes(16), random.randbytes(size)
        [encrypted] = compiled.encrypt(iv, [name])
        assert [encrypted] == python.encrypt([name], iv)
        if size <= 255:
            assert compiled.decrypt(iv, [encrypted]) == [name]


@pytest.mark.parametrize("raw", [True, False])
def test_spoiled_names(*, raw: bool) -> None:
    """What is no name is None for both; one in 256 may decrypt to something else."""
    compiled, python = both(raw=raw)
    random = Random(6)
    iv = random.randbytes(16)
    texts = []
    for _ in range(5000):
        name = random.randbytes(random.randrange(1, 256))
        text = bytearray(compiled.encrypt(iv, [name])[0])
        text[random.randrange(len(text))] = random.choice(b"Ab9-_=+/ \n\x00\xff")
        cut = len(text) - random.choice([0, 0, 0, 1, 2, 21])
        tail = random.choice([b"", b"", b"=", b"==", b"A", b"\n", b"A" * 400])
        texts.append(bytes(text[: max(cut, 0)]) + tail)
    texts += [b"", b"=", b"A" * 344, b"A" * 345, b"." * 22]
    decrypted = compiled.decrypt(iv, texts)
    assert decrypted == python._decrypt(texts, iv)
    assert None in decrypted


def test_wrong_names() -> None:
    """What is no bytes, or too long, is an error and harms nothing."""
    compiled, _ = both(raw=True)
    assert compiled.encrypt(bytes(16), []) == []
    for wrong in ("text", None, 7):
        with pytest.raises(TypeError):
            compiled.encrypt(bytes(16), [b"good", wrong])
    with pytest.raises(ValueError, match="2047"):
        compiled.encrypt(bytes(16), [bytes(2048)])
    with pytest.raises(ValueError, match="16"):
        compiled.decrypt(bytes(15), [])
    assert bulk.NAMES is not None
    with pytest.raises(ValueError, match="32"):
        bulk.NAMES(bytes(31), True)
