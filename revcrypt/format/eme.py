"""EME wide-block encryption over AES-256, many messages at once.

Halevi and Rogaway, "A Parallelizable Enciphering Mode" (2003), with a 16-byte tweak and
little-endian doubling. (Format specification, section 4.1.)

A message is 1 to 128 blocks of 16 bytes. Every message of a batch goes through the same
three AES-ECB calls, since the blocks of a phase are independent: one name costs as much
as one call does, a directory of thousands costs little more. A message is handled as
one little-endian integer: the XOR of all its blocks is then one operation, and block j
sits at bit 128 * j.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate, repeat

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

BLOCK = 16
MAX_BLOCKS = 128

_MASK = (1 << 128) - 1


def _double(value: int, _: object = None) -> int:
    """Multiply by x in GF(2^128), little-endian."""
    return ((value << 1) & _MASK) ^ (0x87 if value >> 127 else 0)


def _powers(value: int, count: int) -> int:
    """Pack value * 2^0, value * 2^1, … for *count* blocks into one integer."""
    rows = accumulate(repeat(None, count - 1), _double, initial=value)
    return int.from_bytes(
        b"".join(row.to_bytes(BLOCK, "little") for row in rows), "little"
    )


def _fold(value: int, blocks: int) -> int:
    """XOR all blocks of *value* together."""
    while blocks > 1:
        half = (blocks + 1) // 2
        value = (value & ((1 << 128 * half) - 1)) ^ (value >> 128 * half)
        blocks = half
    return value


class Eme:
    """EME under one 32-byte key. Not for use by two threads at once."""

    def __init__(self, key: bytes) -> None:
        # ECB contexts have no state to spoil, so they serve every call.
        ecb = Cipher(AES(key), ECB())  # noqa: S305 - EME is built from single blocks
        self._encrypt_blocks = ecb.encryptor().update
        self._decrypt_blocks = ecb.decryptor().update
        zero = int.from_bytes(self._encrypt_blocks(bytes(BLOCK)), "little")
        # Not every message has 128 blocks, but the row for n is a prefix of this one.
        self._masks = _powers(_double(zero), MAX_BLOCKS)

    def encrypt(self, tweak: bytes, messages: Sequence[bytes]) -> list[bytes]:
        """Encrypt each of *messages* under *tweak* (16 bytes)."""
        return self._transform(self._encrypt_blocks, tweak, messages)

    def decrypt(self, tweak: bytes, messages: Sequence[bytes]) -> list[bytes]:
        """Decrypt each of *messages* under *tweak* (16 bytes)."""
        return self._transform(self._decrypt_blocks, tweak, messages)

    def _transform(
        self,
        aes: Callable[[bytes], bytes],
        tweak: bytes,
        messages: Sequence[bytes],
    ) -> list[bytes]:
        sizes = [len(message) for message in messages]
        tweak_int = int.from_bytes(tweak, "little")
        masks = [self._masks & ((1 << 8 * size) - 1) for size in sizes]

        masked = [int.from_bytes(m, "little") ^ mask for m, mask in zip(messages, masks)]
        middle = _each(aes, masked, sizes)
        mp = [_fold(x, size // BLOCK) ^ tweak_int for x, size in zip(middle, sizes)]
        mc = _each(aes, mp, [BLOCK] * len(mp))

        last = []
        for ppp, p, c, size in zip(middle, mp, mc, sizes):
            blocks = size // BLOCK
            # M, 2M, 4M … over all blocks; block 0 is then put right on its own.
            ccc = ppp ^ _powers(p ^ c, blocks) if blocks > 1 else 0
            ccc ^= ccc & _MASK
            last.append(ccc ^ _fold(ccc, blocks) ^ c ^ tweak_int)
        return [
            (x ^ mask).to_bytes(size, "little")
            for x, mask, size in zip(_each(aes, last, sizes), masks, sizes)
        ]


def _each(
    aes: Callable[[bytes], bytes], values: Sequence[int], sizes: Sequence[int]
) -> list[int]:
    """Run *aes* over the blocks of all *values* in one call."""
    joined = aes(b"".join(v.to_bytes(s, "little") for v, s in zip(values, sizes)))
    ends = accumulate(sizes)
    return [int.from_bytes(joined[e - s : e], "little") for e, s in zip(ends, sizes)]
