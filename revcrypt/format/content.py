"""Sealing and opening of file content, a run of blocks at a time.

A run is any number of consecutive blocks of one file. Whatever seals it stays behind
`AesSiv.seal_run`, because handing blocks over one by one costs more than the cipher: that
is `_bulk`, which steps through all blocks of a run at once without the interpreter lock,
or, where it could not be compiled, `AESSIV` of `cryptography` in a loop.
On disk a block is nonce, then ciphertext and tag in the order of the cipher. Associated
data is the block number (8 bytes, big-endian) and the file id; a lone value (symlink
target, xattr) is a block with eight zero bytes instead. (Format specification,
sections 3.1, 3.2, 5.1 and 6.2.)
"""

from abc import ABC, abstractmethod
from enum import Enum
from struct import pack, unpack

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher as RawCipher
from cryptography.hazmat.primitives.ciphers.aead import (
    AESGCM,
    AESSIV,
    ChaCha20Poly1305,
)
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

from revcrypt.errors import AuthenticationError
from revcrypt.format import bulk
from revcrypt.format.derive import FileIds
from revcrypt.format.sizes import BLOCK_SIZE

Bytes = bytes | memoryview
"""Bytes to be looked at, which may be another's when the call is over."""

_VALUE_AD = bytes(8)


def _bad_block(number: int) -> AuthenticationError:
    return AuthenticationError(f"block {number} does not authenticate")


class ContentCipher(ABC):
    """Opens what was sealed under one content key."""

    nonce_size = 16
    overhead = 32

    @abstractmethod
    def _open(self, nonce: Bytes, sealed: Bytes, associated_data: bytes) -> bytes:
        """Return the plaintext; raises `InvalidTag`."""

    def open_run(
        self, file_id: bytes, first: int, ciphertext: Bytes, *, holes: bool
    ) -> bytes:
        """Return the plaintext of the blocks from number *first* on.

        With *holes*, a full block of zero bytes is taken for 4096 zero bytes, without
        authentication. Raises `AuthenticationError` with the first bad block.
        """
        parts = []
        cipher_block = BLOCK_SIZE + self.overhead
        for index, start in enumerate(range(0, len(ciphertext), cipher_block)):
            block = ciphertext[start : start + cipher_block]
            if holes and len(block) == cipher_block and not any(block):
                parts.append(bytes(BLOCK_SIZE))
                continue
            number = first + index
            try:
                parts.append(self._open_block(block, number.to_bytes(8) + file_id))
            except InvalidTag:
                raise _bad_block(number) from None
        return b"".join(parts)

    def open_value(self, sealed: bytes) -> bytes:
        """Return the plaintext of a lone value; raises `AuthenticationError`."""
        try:
            return self._open_block(sealed, _VALUE_AD) if sealed else b""
        except InvalidTag:
            raise AuthenticationError("the value does not authenticate") from None

    def _open_block(self, block: Bytes, associated_data: bytes) -> bytes:
        nonce = block[: self.nonce_size]
        # An all-zero nonce is what data that was never written looks like, and a
        # block without payload is one that no writer makes.
        if len(block) <= self.overhead or not any(nonce):
            raise InvalidTag
        return self._open(nonce, block[self.nonce_size :], associated_data)


class AesSiv(ContentCipher):
    """AES-SIV-512 (RFC 5297): deterministic, the only cipher that also seals.

    The compiled runs are used where they are, unless *in_python*.
    """

    def __init__(self, key: bytes, *, in_python: bool = False) -> None:
        self._siv = AESSIV(key)
        self._runs = None if bulk.RUNS is None or in_python else bulk.RUNS(key)

    @property
    def is_compiled(self) -> bool:
        """Whether runs are sealed and opened by compiled code."""
        return self._runs is not None

    def open_run(
        self, file_id: bytes, first: int, ciphertext: Bytes, *, holes: bool
    ) -> bytes:
        """Return the plaintext of the blocks from number *first* on.

        Raises `AuthenticationError` with the first bad block.
        """
        if self._runs is None:
            return super().open_run(file_id, first, ciphertext, holes=holes)
        plaintext = self._runs.open(file_id, first, ciphertext, holes)
        if isinstance(plaintext, int):
            raise _bad_block(first + plaintext)
        return plaintext

    def _open(self, nonce: Bytes, sealed: Bytes, associated_data: bytes) -> bytes:
        return self._siv.decrypt(sealed, [associated_data, nonce])

    def seal_run(self, ids: FileIds, first: int, plaintext: Bytes) -> bytes:
        """Return the blocks of *plaintext*, which starts at block number *first*."""
        if self._runs is not None:
            return self._runs.seal(ids.file_id, ids.block0_nonce, first, plaintext)
        parts: list[bytes] = []
        seal = self._siv.encrypt
        file_id = ids.file_id
        for index, start in enumerate(range(0, len(plaintext), BLOCK_SIZE)):
            number = first + index
            nonce = ids.nonce(number)
            ad = [number.to_bytes(8) + file_id, nonce]
            parts += nonce, seal(plaintext[start : start + BLOCK_SIZE], ad)
        return b"".join(parts)

    def seal_value(self, nonce: bytes, plaintext: bytes) -> bytes:
        """Return the sealed form of a lone value; empty stays empty."""
        if not plaintext:
            return b""
        return nonce + self._siv.encrypt(plaintext, [_VALUE_AD, nonce])


class AesGcm(ContentCipher):
    """AES-256-GCM with 16-byte nonces: the default of forward directories."""

    def __init__(self, key: bytes) -> None:
        self._gcm = AESGCM(key)

    def _open(self, nonce: Bytes, sealed: Bytes, associated_data: bytes) -> bytes:
        return self._gcm.decrypt(nonce, sealed, associated_data)


class XChaCha20Poly1305(ContentCipher):
    """XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03)."""

    nonce_size = 24
    overhead = 40

    def __init__(self, key: bytes) -> None:
        self._key = key

    def _open(self, nonce: Bytes, sealed: Bytes, associated_data: bytes) -> bytes:
        aead = ChaCha20Poly1305(hchacha20(self._key, bytes(nonce[:16])))
        return aead.decrypt(bytes(4) + nonce[16:], sealed, associated_data)


def hchacha20(key: bytes, nonce: bytes) -> bytes:
    """Return the 32-byte sub-key of *key* for a 16-byte *nonce*.

    One ChaCha20 block is the permutation of its input plus that input (RFC 8439,
    section 2.3); HChaCha20 is eight words of the permutation alone. Subtracting the
    known input from the key stream gives them without an own permutation.
    """
    stream = RawCipher(ChaCha20(key, nonce), None).encryptor().update(bytes(64))
    words = unpack("<16I", stream)
    known = unpack("<4I", b"expand 32-byte k") + unpack("<4I", nonce)
    output = words[:4] + words[12:]
    return pack("<8I", *((a - b) & 0xFFFF_FFFF for a, b in zip(output, known)))


class Cipher(Enum):
    """The content ciphers of the format."""

    AES_GCM = AesGcm
    AES_SIV = AesSiv
    XCHACHA20_POLY1305 = XChaCha20Poly1305

    @property
    def label(self) -> str:
        """What people call it."""
        return _LABELS[self]


_LABELS = {
    Cipher.AES_GCM: "AES-GCM",
    Cipher.AES_SIV: "AES-SIV",
    Cipher.XCHACHA20_POLY1305: "XChaCha20-Poly1305",
}
