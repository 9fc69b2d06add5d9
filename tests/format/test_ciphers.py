"""Opening what others sealed: each cipher against a sealer of its own, and holes."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from struct import pack, unpack

import pytest
from cryptography.hazmat.primitives.ciphers.aead import (
    AESGCM,
    AESSIV,
    ChaCha20Poly1305,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from revcrypt.errors import AuthenticationError
from revcrypt.format.content import Cipher, ContentCipher, hchacha20

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/xchacha.json").read_text())
FILE_ID = b"id of the file.."

pytestmark = pytest.mark.usefixtures("implementation")

Seal = Callable[[bytes, bytes, bytes, bytes], bytes]
"""Seals (key, nonce, plaintext, associated data) to ciphertext and tag."""


def permuted(key: bytes, nonce: bytes) -> bytes:
    """Do HChaCha20 in the words of the draft: the rounds, then eight words of state."""
    state = list(unpack("<16I", b"expand 32-byte k" + key + nonce))
    columns = [(i, i + 4, i + 8, i + 12) for i in range(4)]
    diagonals = [(0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)]
    for a, b, c, d in (columns + diagonals) * 10:
        for x, y, z, shift in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            state[x] = (state[x] + state[y]) & 0xFFFF_FFFF
            mixed = state[z] ^ state[x]
            state[z] = (mixed << shift | mixed >> 32 - shift) & 0xFFFF_FFFF
    return pack("<8I", *state[:4], *state[12:])


def seal_xchacha(key: bytes, nonce: bytes, plain: bytes, ad: bytes) -> bytes:
    """Seal with XChaCha20-Poly1305."""
    aead = ChaCha20Poly1305(permuted(key, nonce[:16]))
    return aead.encrypt(bytes(4) + nonce[16:], plain, ad)


@dataclass(frozen=True)
class Kind:
    """A cipher, and how to seal for it."""

    cipher: Cipher
    key: bytes
    nonce_size: int
    overhead: int
    seal: Seal

    @property
    def opener(self) -> ContentCipher:
        """The cipher under test."""
        return self.cipher.value(self.key)

    @property
    def block(self) -> int:
        """The size of a full block."""
        return 4096 + self.overhead

    def sealed_run(self, first: int, plain: bytes) -> bytes:
        """Seal a run, with a nonce for each block that has nothing of a counter."""
        blocks = []
        for index, start in enumerate(range(0, len(plain), 4096)):
            nonce = bytes([index + 1, 0xFF - index]) * (self.nonce_size // 2)
            ad = pack(">Q", first + index) + FILE_ID
            block = plain[start : start + 4096]
            blocks.append(nonce + self.seal(self.key, nonce, block, ad))
        return b"".join(blocks)


KINDS = [
    Kind(
        Cipher.AES_GCM, b"g" * 32, 16, 32, lambda k, n, p, a: AESGCM(k).encrypt(n, p, a)
    ),
    Kind(
        Cipher.AES_SIV, b"s" * 64, 16, 32, lambda k, n, p, a: AESSIV(k).encrypt(p, [a, n])
    ),
    Kind(Cipher.XCHACHA20_POLY1305, b"x" * 32, 24, 40, seal_xchacha),
]
kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.cipher.name)


def test_hchacha20_vector() -> None:
    """Both ways to HChaCha20 give the draft's sub-key."""
    key, nonce, subkey = map(bytes.fromhex, VECTORS["hchacha20"].values())
    assert hchacha20(key, nonce) == subkey
    assert permuted(key, nonce) == subkey


def test_xchacha_vector() -> None:
    """The sealer of these tests is the draft's XChaCha20-Poly1305."""
    key, nonce, ad, plain, cipher = map(bytes.fromhex, VECTORS["aead"].values())
    assert seal_xchacha(key, nonce, plain, ad) == cipher


@settings(deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(min_size=16, max_size=16))
def test_hchacha20(key: bytes, nonce: bytes) -> None:
    """HChaCha20 from the key stream equals HChaCha20 from the rounds."""
    assert hchacha20(key, nonce) == permuted(key, nonce)


@pytest.mark.parametrize("nonce", [bytes(16), b"\xff" * 16, b"\xff" * 8 + bytes(8)])
def test_hchacha20_at_the_end_of_the_counter(nonce: bytes) -> None:
    """The part of the nonce that ChaCha20 takes for a counter may be at its end."""
    assert hchacha20(bytes(range(32)), nonce) == permuted(bytes(range(32)), nonce)


@kinds
def test_sizes(kind: Kind) -> None:
    """Nonce and overhead are those of the cipher, before and after a key is given."""
    for opener in (kind.opener, kind.cipher.value):
        assert (opener.nonce_size, opener.overhead) == (kind.nonce_size, kind.overhead)


@kinds
@pytest.mark.parametrize("first", [0, 1, 255, 2**32, 2**64 - 4])
@pytest.mark.parametrize("size", [1, 15, 4095, 4096, 4097, 8192, 12_000])
def test_open_run(kind: Kind, first: int, size: int) -> None:
    """A run that somebody else sealed opens, wherever in the file it begins."""
    plain = bytes(i % 251 for i in range(size))
    run = kind.sealed_run(first, plain)
    for holes in (True, False):
        assert kind.opener.open_run(FILE_ID, first, run, holes=holes) == plain


@kinds
def test_every_changed_bit(kind: Kind) -> None:
    """One bit changed anywhere in a block makes it fail."""
    block = kind.sealed_run(3, b"some content")
    for bit in range(8 * len(block)):
        changed = bytearray(block)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(AuthenticationError, match="block 3 "):
            kind.opener.open_run(FILE_ID, 3, bytes(changed), holes=True)


@kinds
def test_place_is_bound(kind: Kind) -> None:
    """A block under another number or file id fails."""
    block = kind.sealed_run(3, b"some content")
    for number, file_id in ((2, FILE_ID), (3, FILE_ID[::-1]), (3 << 8, FILE_ID)):
        with pytest.raises(AuthenticationError, match=f"block {number} "):
            kind.opener.open_run(file_id, number, block, holes=True)


@kinds
def test_holes(kind: Kind) -> None:
    """Full zero blocks are content where holes are allowed, wherever they lie."""
    plain = b"a" * 4096 + bytes(4096) + b"b" * 4096 + b"end"
    run = bytearray(kind.sealed_run(0, plain))
    run[kind.block : 2 * kind.block] = bytes(kind.block)
    holed = bytes(run)
    assert kind.opener.open_run(FILE_ID, 0, holed, holes=True) == plain
    two = bytes(2 * kind.block)
    assert kind.opener.open_run(FILE_ID, 9, two, holes=True) == bytes(8192)


@kinds
def test_holes_refused(kind: Kind) -> None:
    """Full zero blocks fail where holes are not allowed."""
    run = kind.sealed_run(0, b"a" * 4096) + bytes(kind.block)
    with pytest.raises(AuthenticationError, match="block 1 "):
        kind.opener.open_run(FILE_ID, 0, run, holes=False)


@kinds
@pytest.mark.parametrize("short", [1, 16, 24, 32, 33, 40, 41, 4095])
@pytest.mark.parametrize("holes", [True, False])
def test_short_zero_block(kind: Kind, short: int, holes: bool) -> None:
    """A last block of zero bytes that is not full always fails."""
    run = kind.sealed_run(0, b"a" * 4096) + bytes(short)
    with pytest.raises(AuthenticationError, match="block 1 "):
        kind.opener.open_run(FILE_ID, 0, run, holes=holes)


@kinds
def test_almost_a_hole(kind: Kind) -> None:
    """A full block with a single non-zero byte is no hole."""
    for index in (0, kind.nonce_size, kind.block - 1):
        block = bytearray(kind.block)
        block[index] = 1
        with pytest.raises(AuthenticationError):
            kind.opener.open_run(FILE_ID, 0, bytes(block), holes=True)


@kinds
def test_zero_nonce(kind: Kind) -> None:
    """A nonce of zero bytes fails, even if the block was sealed with it."""
    nonce = bytes(kind.nonce_size)
    for plain in (b"content", b"x" * 4096):
        block = nonce + kind.seal(kind.key, nonce, plain, bytes(8) + FILE_ID)
        with pytest.raises(AuthenticationError):
            kind.opener.open_run(FILE_ID, 0, block, holes=True)


@kinds
def test_no_payload(kind: Kind) -> None:
    """A block or value that authenticates, but holds nothing, fails."""
    nonce = b"N" * kind.nonce_size
    block = nonce + kind.seal(kind.key, nonce, b"", bytes(8) + FILE_ID)
    assert len(block) == kind.overhead
    with pytest.raises(AuthenticationError):
        kind.opener.open_run(FILE_ID, 0, block, holes=True)
    with pytest.raises(AuthenticationError):
        kind.opener.open_value(nonce + kind.seal(kind.key, nonce, b"", bytes(8)))


@kinds
def test_values(kind: Kind) -> None:
    """A lone value opens with eight zero bytes of associated data, and no others."""
    nonce = b"N" * kind.nonce_size
    value = nonce + kind.seal(kind.key, nonce, b"value", bytes(8))
    assert kind.opener.open_value(value) == b"value"
    assert kind.opener.open_value(b"") == b""
    for ad in (b"", bytes(7), bytes(9), bytes(8) + FILE_ID):
        other = nonce + kind.seal(kind.key, nonce, b"value", ad)
        for bad in (other, value[:-1], value[: kind.overhead], value[:1]):
            with pytest.raises(AuthenticationError):
                kind.opener.open_value(bad)
